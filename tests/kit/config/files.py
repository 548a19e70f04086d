"""A configuration and its chain file, written to a folder."""

from __future__ import annotations

from pathlib import Path

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
POOL = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PROVIDER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
USDC = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"
MULTICALL3 = "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"

SETTINGS = f"""
schema = 1
data_dir = "data"

[[wallets]]
name = "main"
address = "{WALLET}"
keystore = "keys/main.json"

[[jobs]]
wallet = "main"
chain = "testnet"
asset = "USDC"

[policy]
move_horizon_days = 14
min_move = "100.5"
exclude = ["compound_v3"]

[policy.max_share_protocol]
aave_v3 = 0.5
"""

CHAIN = f"""
name = "testnet"
chain = "eip155:31337"
rpc_env = "TESTNET_RPC_URL"
multicall3 = "{MULTICALL3}"
max_fee_gwei = 50

[native]
symbol = "ETH"

[tokens.USDC]
address = "{USDC}"
decimals = 6

[[protocols]]
protocol = "aave_v3"
name = "Aave v3"
assets = ["USDC"]
pool = "{POOL}"
data_provider = "{PROVIDER}"
"""


def written(folder: Path, settings: str = SETTINGS, chain: str = CHAIN, env: str = "") -> Path:
    (folder / "chains").mkdir()
    (folder / "yieldbot.toml").write_text(settings)
    (folder / "chains" / "testnet.toml").write_text(chain)
    if env:
        (folder / ".env").write_text(env)
    return folder / "yieldbot.toml"


def swapped(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)
