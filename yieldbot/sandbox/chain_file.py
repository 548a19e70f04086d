"""The sandbox's chain file (chains/sandbox.toml, in the format of real chains), and its addresses by name."""

from __future__ import annotations

from typing import Any

from yieldbot.model.known import MULTICALL3
from yieldbot.sandbox.exchange_v4 import FEE, STABLE_FEE
from yieldbot.sandbox.market import SandboxMarket

__all__ = ["MULTICALL3", "addresses_of", "chain_toml"]


def addresses_of(market: SandboxMarket) -> dict[str, str]:
    """Every contract, and each Morpho market's id, by a short name."""
    tokens, suite, exchange, v4 = market.tokens, market.morpho, market.exchange, market.exchange_v4
    found = {
        "multicall3": MULTICALL3,
        "usdc": tokens.usdc.address,
        "dai": tokens.dai.address,
        "weth": tokens.weth.address,
        "usdc_feed": tokens.usdc_feed.address,
        "dai_feed": tokens.dai_feed.address,
        "weth_feed": tokens.weth_feed.address,
        "stata": market.stata.address,
        "morpho": suite.morpho.address,
        "irm": suite.irm.address,
        "morpho_oracle": suite.oracle.address,
        "metamorpho": suite.vault.address,
        "comet": market.comet.address,
        "drip": market.drip.address,
        "dai_drip": market.dai_drip.address,
        "uniswap_factory": exchange.factory.address,
        "uniswap_router": exchange.router.address,
        "uniswap_positions": exchange.positions.address,
        "uniswap_quoter": exchange.quoter.address,
        "uniswap_pool": exchange.pool,
        "uniswap_stable_pool": exchange.stable_pool,
        "v4_manager": v4.manager.address,
        "v4_state_view": v4.state_view.address,
        "v4_quoter": v4.quoter.address,
        "v4_positions": v4.positions.address,
        "v4_router": v4.router.address,
        "permit2": v4.permit2.address,
    }
    for prefix, instance in zip(("aave", "aave_prime", "aave_legacy"), market.aave.values(), strict=True):
        found |= {
            f"{prefix}_pool": instance.pool.address,
            f"{prefix}_data_provider": instance.data_provider.address,
            f"{prefix}_configurator": instance.configurator.address,
            f"{prefix}_oracle": instance.oracle.address,
            f"{prefix}_rewards": instance.rewards,
            f"{prefix}_emissions": instance.emissions.address,
        }
    for protocol in market.more:
        found |= protocol.addresses
    return found | {f"morpho_market_{letter}": m.id for letter, m in zip("ab", suite.markets, strict=True)}


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
    tables: list[dict[str, Any]] = [
        {
            "protocol": "aave_v3",
            "name": name,
            "pool": i.pool.address,
            "data_provider": i.data_provider.address,
            "oracle": i.oracle.address,
        }
        for name, i in market.aave.items()
    ]
    main, suite = market.aave["Aave v3"], market.morpho
    tables += [
        {"protocol": "compound_v3", "name": "Compound v3 (double)", "comet": market.comet.address},
        {
            "protocol": "morpho_blue",
            "name": "Morpho Blue",
            "morpho": suite.morpho.address,
            "irm": suite.irm.address,
            "markets": [m.id for m in suite.markets],
        },
        {
            "protocol": "erc4626",
            "name": "MetaMorpho",
            "flavour": "metamorpho",
            "vaults": [suite.vault.address],
            "morpho": suite.morpho.address,
            "irm": suite.irm.address,
        },
        {
            "protocol": "erc4626",
            "name": "Static Aave",
            "flavour": "stata",
            "vaults": [market.stata.address],
            "pool": main.pool.address,
            "data_provider": main.data_provider.address,
        },
        {
            "protocol": "erc4626",
            "name": "Drip Vault",
            "flavour": "generic",
            "vaults": [market.drip.address],
            "lookback_blocks": 40,
        },
        {
            "protocol": "erc4626",
            "name": "DAI Drip Vault",
            "flavour": "generic",
            "vaults": [market.dai_drip.address],
            "lookback_blocks": 40,
            "assets": ["DAI"],
        },
    ]
    tables[0]["assets"] = ["USDC", "DAI"]
    tables += [dict(table) for protocol in market.more for table in protocol.tables]
    lines = head
    for table in ({"assets": ["USDC"], **table} for table in tables):
        lines += ["", "[[protocols]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    factory = market.exchange.factory.address
    lines += ["", "[[exchanges]]", 'protocol = "uniswap_v3"', 'name = "Uniswap v3"', f'factory = "{factory}"']
    lines += [f'manager = "{market.exchange.positions.address}"', "lookback_blocks = 36"]
    lines += [f'router = "{market.exchange.router.address}"']
    v4 = market.exchange_v4
    lines += ["", "[[exchanges]]", 'protocol = "uniswap_v4"', 'name = "Uniswap v4"']
    lines += [f'pool_manager = "{v4.manager.address}"', f'state_view = "{v4.state_view.address}"']
    lines += [f'router = "{v4.router.address}"', f"keys = [[{FEE[0]}, {FEE[1]}], [{STABLE_FEE[0]}, {STABLE_FEE[1]}]]"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'
