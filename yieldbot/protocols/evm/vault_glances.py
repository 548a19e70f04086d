"""A glance at many opaque ERC-4626 vaults: eight reads each, in one round, in place of twenty and more.

The full reading (``vaults.generic``) shares a fixed income among all holders, and can only take fees off it. So that
income without fees is the ceiling, and it is computed here from the same reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.errors import MarketError
from yieldbot.math.curves import DilutedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.gas import kind_of, leg_gas
from yieldbot.model.glance import Glance
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Market
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm import two_step_exits as _exits
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.vaults import FINE, income_of, lags_of, rates_of
from yieldbot.protocols.reads import GroupHandle, Reads


def generic_glances(markets: Sequence[Market], owner: Address, block: BlockRef) -> Flow[tuple[Glance, ...]]:
    """A glance at each opaque vault that answers and has a history; the others are left out."""
    vault, erc20, reads = abi("erc4626"), abi("erc20"), Reads()
    rows: list[tuple[Market, GroupHandle, GroupHandle]] = []
    for market in markets:
        at, where = market.address, market.params
        probe, lags = FINE * 10 ** where["share_decimals"], lags_of(where["lookback_blocks"])
        stated = [
            vault.read(at, "totalAssets", optional=True),
            vault.read(at, "convertToAssets", probe, optional=True),
        ]
        for lag in lags:
            stated.append(vault.read(MULTICALL3, "getCurrentBlockTimestamp", lag_blocks=lag, optional=True))
            stated.append(vault.read(at, "convertToAssets", probe, lag_blocks=lag, optional=True))
            stated.append(vault.read(at, "totalAssets", lag_blocks=lag, optional=True))
        ours = [
            erc20.read(where.get("share", at), "balanceOf", owner, optional=True),
            *_exits.request_reads(where, at, owner),
            *_exits.entry_reads(where, at, owner),
        ]
        rows.append((market, reads.group(stated), reads.group(ours)))
    yield from reads.made()
    found = (_glance(market, stated.data, ours.data, block) for market, stated, ours in rows)
    return tuple(glance for glance in found if glance is not None)


def _glance(market: Market, stated: Sequence[bytes], ours: Sequence[bytes], block: BlockRef) -> Glance | None:
    """The glance that the answers show; None where one is missing or there is no history to take a rate from."""
    if not all(len(answer) >= 32 for answer in (*stated, ours[0])):
        return None
    total_raw, now, *past = (int.from_bytes(answer[:32], "big") for answer in stated)
    where, asset = market.params, market.asset
    try:
        rows = [*zip(past[::3], past[1::3], past[2::3], strict=True), (block.timestamp, now, total_raw)]
        _, rate = rates_of([row[:2] for row in rows], market.name, where["lookback_blocks"])
    except MarketError:
        return None
    words = [int.from_bytes(answer[at : at + 32], "big") for answer in ours for at in range(0, len(answer), 32)]
    income = max(0.0, income_of(rows)) / asset.one
    gas = leg_gas(kind_of(market.protocol, where))
    return Glance(
        market=market,
        block=block,
        held=Amount(asset, int(any(words))),
        supplied=Amount(asset, total_raw),
        borrowed=None,
        cash=None,
        capacity=None,
        quoted=Apr(rate),
        ceiling=DilutedCurve(total_raw / asset.one, income),
        gas_deposit=gas.deposit,
        gas_withdraw=gas.withdraw,
        open=not where.get("async_deposit"),
        flags=("trailing-rate",),
    )
