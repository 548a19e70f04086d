"""The direct holdings of each EVM protocol's market: the start of the look-through, which ``backing_reads.py``
continues. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import Kind, MarketState
from yieldbot.protocols.backing import Root
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.backing_pools import aave_key, oracle_key, token_key
from yieldbot.protocols.evm.share_calls import SHARE_VAULTS


def root_of(state: MarketState, where: Mapping[str, Any]) -> Root:
    """The direct holdings of a market. where: the other keys of its deployment's table."""
    asset = token_key(state.market.asset.address)
    try:
        held = OF_PROTOCOL.get(state.market.protocol, _unread)(state, where, asset)
    except (KeyError, ValueError, TypeError, ArithmeticError) as odd:  # one market's parameters, never the whole look
        held = HeldBy(unknown=1.0, asset=asset, why=f"{state.market.protocol}: {type(odd).__name__}")
    return Root(market=state.market.id, asset=asset, held=held, oracles=_oracles(state))


def _oracles(state: MarketState) -> tuple[str, ...]:
    """Keys of the oracles of a Morpho market, or of the markets of a MetaMorpho's queue or of a Vault V2."""
    params, asset = state.market.params, state.market.asset.address
    pairs = [(params.get("oracle"), params.get("collateral"))]
    named = params.get("oracles") or {}
    collaterals = {pool.rpartition("0x")[2]: token for pool, token in (params.get("collaterals") or {}).items()}
    lists = (params.get(name, ()) for name in ("supply_queue", "withdraw_queue", "markets"))
    queue = dict.fromkeys(i for one in lists if isinstance(one, tuple) for i in one)
    pairs += [(named.get(i), collaterals.get(i)) for i in queue]
    return tuple(
        dict.fromkeys(
            oracle_key(str(oracle), str(collateral), asset)
            for oracle, collateral in pairs
            if oracle and collateral and int(str(oracle), 16) and int(str(collateral), 16)
        )
    )


def keys_of(roots: Iterable[Root]) -> list[str]:
    """Keys that must be read to look through these markets, including assets that lie idle in vaults."""
    held = [key for root in roots for key, _ in root.held.children]
    return list(dict.fromkeys([*held, *(key for root in roots for key in root.oracles)]))


def providers_of(deployments: Iterable[Deployment]) -> dict[str, tuple[Address, Address]]:
    """By key of an Aave pool, (data provider, oracle), if a table of the chain names both."""
    found: dict[str, tuple[Address, Address]] = {}
    for one in deployments:
        pool, data, oracle = (one.params.get(name) for name in ("pool", "data_provider", "oracle"))
        if one.protocol == "aave_v3" and pool and data and oracle:
            found[aave_key(pool)] = (Address(data), Address(oracle))
    return found


def shares_of(states: Iterable[MarketState]) -> dict[str, tuple[Address, ...]]:
    """By asset key, the share tokens of its markets whose value a share states (EIP-4626) or that are counted in the
    asset itself (aTokens, Comets)."""
    found: dict[str, list[Address]] = {}
    for state in states:
        market = state.market
        token = market.params.get("a_token") if market.protocol == "aave_v3" else market.address
        if market.protocol in (*SHARE_VAULTS, "aave_v3", "compound_v3") and token:
            found.setdefault(token_key(market.asset.address), []).append(checksum(str(token)))
    return {asset: tuple(dict.fromkeys(tokens)) for asset, tokens in found.items()}


def _unread(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    if state.liquidity_market is not None:
        return _liquidity(state, asset)
    return HeldBy(unknown=1.0, asset=asset, why=f"{state.market.protocol}: what it lends against")


def _aave(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    return HeldBy(children=((aave_key(str(state.market.params["pool"])), 1.0),), asset=asset)


def _hub(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    params = state.market.params
    return HeldBy(children=((f"hub:{checksum(params['hub'])}/{params['asset_id']}", 1.0),), asset=asset)


def _comet(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    return HeldBy(children=((f"comet:{checksum(state.market.address)}", 1.0),), asset=asset)


def _ctoken(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    comptroller = checksum(str(where.get("comptroller") or state.market.params["comptroller"]))
    return HeldBy(children=((f"comptroller:{comptroller}", 1.0),), asset=asset)


def _blue(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    collateral = str(state.market.params.get("collateral") or "0x0")
    if not int(collateral, 16):  # it lends to nobody
        return HeldBy(idle=1.0, asset=asset)
    return HeldBy(children=((token_key(collateral), 1.0),), asset=asset)


def _vault(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    params, curve = state.market.params, state.curve
    if params.get("flavour") == "stata":
        return HeldBy(children=((aave_key(str(params["pool"])), 1.0),), asset=asset)
    if not isinstance(curve, LookThroughCurve):
        return HeldBy(children=((token_key(state.market.address), 1.0),), asset=asset)
    known = params.get("collaterals") or {}
    children: dict[str, float] = {}
    idle, unknown = max(0.0, curve.others + curve.ours - sum(slot.held for slot in curve.slots)), 0.0
    for slot in curve.slots:
        collateral = known.get(slot.pool)
        if collateral is None:
            unknown += slot.held
        elif not int(str(collateral), 16):
            idle += slot.held
        else:
            key = token_key(str(collateral))
            children[key] = children.get(key, 0.0) + slot.held
    return HeldBy(children=tuple(children.items()), idle=idle, unknown=unknown, asset=asset)


def _savings(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """sUSDS and sDAI hold what was deposited; sUSDC holds sUSDS; what Spark has taken out is lent where nothing on the
    chain lists it."""
    params = state.market.params
    flavour = params.get("flavour")
    if flavour in ("susdc", "susdc_l2"):
        return HeldBy(children=((token_key(str(params["susds"])), 1.0),), asset=asset)
    if flavour != "spark":
        return HeldBy(idle=1.0, asset=asset)
    there = min(1.0, state.liquidity.raw / state.supplied.raw) if state.supplied.raw else 1.0
    return HeldBy(idle=there, unknown=1.0 - there, asset=asset, why="what Spark's liquidity layer has taken out")


def _share(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """A vault whose own contract says what it rests on: ``backing_reads.py`` recognises it by its functions."""
    return HeldBy(children=((token_key(state.market.address), 1.0),), asset=asset)


def _ethena(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """sUSDe holds USDe and nothing else; what is behind USDe is the asset's own risk."""
    return HeldBy(idle=1.0, asset=asset)


def _principal(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """A principal token is paid by its standardized yield token, which holds one token that earns."""
    inner = str(state.market.params["yield_token"])
    if inner.lower() == state.market.asset.address.lower():
        return HeldBy(idle=1.0, asset=asset)
    return HeldBy(children=((token_key(inner), 1.0),), asset=asset)


def _earn(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """Euler Earn: the credit vaults below it, by what it holds in each."""
    curve = state.curve
    if not isinstance(curve, LookThroughCurve):
        return _share(state, where, asset)
    children = {token_key("0x" + slot.pool.rpartition("0x")[2]): slot.held for slot in curve.slots if slot.pool}
    unknown = sum(slot.held for slot in curve.slots if not slot.pool)
    return HeldBy(children=tuple(children.items()), unknown=unknown, asset=asset)


def _pair(state: MarketState, where: Mapping[str, Any], asset: str) -> HeldBy:
    """A Fraxlend pair or a silo: its cash, and what it lends against its one collateral, which a silo's pair lends on
    in turn."""
    lent = (state.borrowed.raw / state.supplied.raw) if state.borrowed is not None and state.supplied.raw else 0.0
    backer, used = token_key(str(state.market.params["backer"])), state.market.params.get("backer_used")
    return HeldBy(
        children=((backer, lent),) if lent else (),
        idle=max(0.0, 1.0 - lent),
        asset=asset,
        used=() if used is None else ((backer, float(used)),),
    )


def _liquidity(state: MarketState, asset: str) -> HeldBy:
    """Both tokens of a pool, weighted by value; half each if the pool has no usable price."""
    pool = state.liquidity_market
    assert pool is not None
    ours = tuple(sum(one.amounts[side] for one in pool.positions) for side in (0, 1))
    amounts = ours if any(ours) else pool.state.reserves
    price = (pool.state.sqrt_price_x96 / 2**96) ** 2
    values = (amounts[0] * price, float(amounts[1]))
    whole = sum(values)
    other = token_key(pool.other.address)
    first = str(pool.state.pool.token0.address).lower() != pool.other.address.lower()
    own = (values[0] if first else values[1]) / whole if whole > 0.0 else 0.5
    return HeldBy(children=((other, 1.0 - own),), idle=own, asset=asset)


OF_PROTOCOL: dict[str, Callable[[MarketState, Mapping[str, Any], str], HeldBy]] = {
    "aave_v3": _aave,
    "aave_v4": _hub,
    "compound_v2": _ctoken,
    "compound_v3": _comet,
    "erc4626": _vault,
    "ethena": _ethena,
    "euler": _share,
    "euler_earn": _earn,
    "fraxlend": _pair,
    "morpho_blue": _blue,
    "pendle": _principal,
    "savings_rate": _savings,
    "silo": _pair,
    "morpho_vault_v2": _vault,
    "yearn_v3": _vault,
}
"""By adapter, the function that gives a market's direct holdings."""

NO_BACKING = (Kind.IDLE, Kind.EXCHANGE)
"""Kinds of markets without backing."""
