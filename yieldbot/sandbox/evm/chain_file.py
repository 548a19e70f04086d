"""The sandbox's chain file (chains/sandbox.toml, in the format of real chains), and its addresses by name."""

from __future__ import annotations

from yieldbot.model.known import MULTICALL3
from yieldbot.sandbox.evm.market import SandboxMarket


def addresses_of(market: SandboxMarket) -> dict[str, str]:
    """Every contract, and each Morpho market's id, by a short name."""
    tokens = market.tokens
    found: dict[str, str] = {
        "multicall3": MULTICALL3,
        "usdc": tokens.usdc.address,
        "dai": tokens.dai.address,
        "weth": tokens.weth.address,
        "usdc_feed": tokens.usdc_feed.address,
        "dai_feed": tokens.dai_feed.address,
        "weth_feed": tokens.weth_feed.address,
    }
    for one in (*market.exchanges, *market.protocols):
        found |= one.addresses
    return found


def chain_toml(market: SandboxMarket) -> str:
    """The text of chains/sandbox.toml."""
    tokens = market.tokens
    head = [
        'name = "sandbox"',
        'chain = "eip155:31337"',
        'rpc_env = "SANDBOX_RPC_URL"',
        f'multicall3 = "{MULTICALL3}"',
        "max_fee_gwei = 50",
        "priority_fee_gwei = 0.1",
        'finality = "latest"',
        "poll_seconds = 0.05",
        "confirm_timeout_seconds = 30",
        "",
        "[native]",
        'symbol = "ETH"',
        f'feed = "{tokens.weth_feed.address}"',
        "",
        "[tokens.USDC]",
        f'address = "{tokens.usdc.address}"',
        "decimals = 6",
        f'feed = "{tokens.usdc_feed.address}"',
        "pegged = true",
        "",
        "[tokens.DAI]",
        f'address = "{tokens.dai.address}"',
        "decimals = 18",
        f'feed = "{tokens.dai_feed.address}"',
        "",
        "[tokens.WETH]",
        f'address = "{tokens.weth.address}"',
        "decimals = 18",
        f'feed = "{tokens.weth_feed.address}"',
    ]
    lines = head
    protocols = [{"assets": ["USDC"], **table} for protocol in market.protocols for table in protocol.tables]
    exchanges = [table for exchange in market.exchanges for table in exchange.tables]
    registries = [table for protocol in market.protocols for table in protocol.registries]
    for kind, tables in (("protocols", protocols), ("exchanges", exchanges), ("registries", registries)):
        for table in tables:
            lines += ["", f"[[{kind}]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'
