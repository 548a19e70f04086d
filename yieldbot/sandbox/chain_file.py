"""The sandbox's chain file (chains/sandbox.toml, in the format of real chains), and its addresses by name."""

from __future__ import annotations

from yieldbot.model.known import MULTICALL3
from yieldbot.sandbox.exchange_v4 import FEE, STABLE_FEE
from yieldbot.sandbox.market import SandboxMarket

__all__ = ["MULTICALL3", "addresses_of", "chain_toml"]


def addresses_of(market: SandboxMarket) -> dict[str, str]:
    """Every contract, and each Morpho market's id, by a short name."""
    tokens, exchange, v4 = market.tokens, market.exchange, market.exchange_v4
    found = {
        "multicall3": MULTICALL3,
        "usdc": tokens.usdc.address,
        "dai": tokens.dai.address,
        "weth": tokens.weth.address,
        "usdc_feed": tokens.usdc_feed.address,
        "dai_feed": tokens.dai_feed.address,
        "weth_feed": tokens.weth_feed.address,
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
    for protocol in market.protocols:
        found |= protocol.addresses
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
    tables = [dict(table) for protocol in market.protocols for table in protocol.tables]
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
