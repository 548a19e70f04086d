"""Euler Earn: a vault over Euler v2's credit vaults. Each of them is read, and where our deposit would go or our
withdrawal come from.

Source: euler-xyz/euler-earn@b2fd6e6 (EulerEarn.sol): a deposit fills the supply queue up to each cap, a withdrawal
empties the withdraw queue, fees are shares on the interest since the last use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curves import ConstantCurve, LookThroughCurve, VaultSlot
from yieldbot.math.euler import RAY, VIRTUAL, worth
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.euler import FULL, OP_DEPOSIT, THIN, VaultReads, head_reads, is_vault, pool_key
from yieldbot.protocols.evm.share_calls import HEAD, ShareCalls, answers, share_market
from yieldbot.protocols.reads import ReadHandle, Reads

QUEUE_LENGTH = 30
"""The vault's own limit for its queues (ConstantsLib.MAX_QUEUE_LENGTH)."""
QUEUES = {"supply_queue": "supplyQueue", "withdraw_queue": "withdrawQueue"}
SLACK = 10**6
"""Two readings of one sum must agree to one part in this, plus one base unit for each summand."""
INSTANT_SECONDS = 1.0


class EulerEarnParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    vaults: list[str] = Field(min_length=1)
    """Addresses of Earn vaults."""


def _parts(
    queues: Mapping[str, tuple[Address, ...]],
    inside: Mapping[Address, dict[str, ReadHandle]],
    evc: bytes,
    asset: Address,
) -> dict[str, Any]:
    models = {
        one: abi("euler").one("interestRateModel", inside[one]["interestRateModel"].data)
        for one in dict.fromkeys((*queues["supply_queue"], *queues["withdraw_queue"]))
        if _lends(inside[one], asset)
    }
    return {**queues, "models": models, "evc": abi("euler").one("EVC", evc)}


class EulerEarn(ShareCalls):
    """Deposit to an Earn vault; the position is its shares."""

    protocol: ClassVar[str] = "euler_earn"
    params: ClassVar[type[BaseModel]] = EulerEarnParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        vault, earn = abi("erc4626"), abi("euler_earn")
        listed = [checksum(text) for text in deployment.params["vaults"]]
        reads = Reads()
        heads = {at: {name: reads.add(vault.read(at, name, optional=True)) for name in HEAD} for at in listed}
        own = {at: [reads.add(earn.read(at, name, optional=True)) for name in ("EVC", "fee")] for at in listed}
        queues = {
            (at, name): [reads.add(earn.read(at, view, place, optional=True)) for place in range(QUEUE_LENGTH)]
            for at in listed
            for name, view in QUEUES.items()
        }  # reading past the end reverts: that is how a queue's length shows
        yield from reads.made()
        named = {
            key: tuple(earn.one("supplyQueue", one.data) for one in row if one.data) for key, row in queues.items()
        }
        strategies = dict.fromkeys(one for row in named.values() for one in row)
        reads = Reads()
        inside = {one: head_reads(one, reads) for one in strategies}
        if strategies:
            yield from reads.made()
        found = []
        for at in listed:
            head = {name: one.data for name, one in heads[at].items()}
            mine = {name: named[at, name] for name in QUEUES}
            fit = answers(*head.values(), *(one.data for one in own[at]))
            found.append(
                share_market(
                    self.protocol,
                    Kind.VAULT,
                    deployment,
                    at,
                    head,
                    partial(_parts, mine, inside, own[at][0].data) if fit else None,
                    f"{at} does not answer as an Earn vault does",
                )
            )
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, earn, at, one = market.params, market.asset, abi("euler_earn"), market.address, market.asset.one
        if "unfit" in where:
            raise MarketError(where["unfit"])
        ids: tuple[Address, ...] = tuple(dict.fromkeys((*where["supply_queue"], *where["withdraw_queue"])))
        names = ("totalSupply", "totalAssets", "lastTotalAssets", "lostAssets", "fee")
        reads = Reads()
        totals = {name: reads.add(earn.read(at, name)) for name in names}
        balance = reads.add(earn.read(at, "balanceOf", owner))
        terms = {
            i: (reads.add(earn.read(at, "config", i)), reads.add(earn.read(at, "expectedSupplyAssets", i))) for i in ids
        }
        inside = {i: VaultReads.added(i, token, model, reads) for i, model in where["models"].items()}
        yield from reads.made()
        supply, assets, last_assets, lost_raw, fee = (earn.one(name, totals[name].data) for name in names)
        fee_assets = max(0, assets - last_assets) * fee // WAD
        supply += fee_assets * (supply + VIRTUAL) // (assets - fee_assets + VIRTUAL)
        shares = earn.one("balanceOf", balance.data)
        held_raw = worth(shares, assets, supply)
        slots, cash, borrowed, room_raw, lent_raw = [], 0, 0, 0, 0
        doubts = list[str]()
        for i in ids:
            kept, cap, *_ = earn.decode("config", terms[i][0].data)
            theirs = earn.one("expectedSupplyAssets", terms[i][1].data)
            lent_raw += theirs if i in where["withdraw_queue"] else 0
            if i not in inside:
                slots.append(VaultSlot(ConstantCurve(0.0), theirs / one, 0.0, 0.0))
                if theirs * FULL > assets or cap:
                    doubts.append(f"{short(i)} is no credit vault of Euler v2: what it earns is not known")
                continue
            view = inside[i].view()
            own_raw = worth(kept, view.totals.assets_raw, view.totals.supply)
            if abs(own_raw - theirs) > 1:
                doubts.append(f"{short(i)}: its shares are worth {own_raw}, the vault counts {theirs}")
            takes = not view.closed(OP_DEPOSIT) and view.status is Status.ACTIVE and i in where["supply_queue"]
            room = max(0, cap - theirs - _soon(view.rate, theirs)) if takes else 0
            room = room if view.capacity_raw is None else min(room, view.capacity_raw)
            out = 0 if view.status is Status.PAUSED else min(theirs, view.cash_raw)
            totals_there = view.totals if room and not room_raw else view.totals.at_rate(view.rate)
            curve = totals_there.curve(one, theirs)
            slots.append(VaultSlot(curve, theirs / one, room / one, out / one, pool_key(market.chain, i)))
            room_raw, cash = room_raw + room, cash + (out if i in where["withdraw_queue"] else 0)
            borrowed += int(theirs * view.totals.utilisation)
            if theirs * FULL > assets or room:
                doubts += [f"{short(i)}: {doubt}" for doubt in view.doubts()]
        if lost_raw or abs(lent_raw - assets) > assets // SLACK + len(ids) + 2:
            held, total, gone = (token.amount(raw) for raw in (lent_raw, assets, lost_raw))
            doubts.insert(0, f"its vaults hold {held}, totalAssets says {total}, of which {gone} are lost")
        whole = LookThroughCurve(
            others=(assets + VIRTUAL - held_raw) / one,
            ours=held_raw / one,
            fee=fee / WAD,
            slots=tuple(slots),
            withdraw_order=tuple(ids.index(i) for i in where["withdraw_queue"]),
        )
        flags = {
            "at-cap": room_raw <= assets // FULL,
            "thin-liquidity": cash * THIN < assets,
        }
        gas, out_now = leg_gas(self.protocol), Amount(token, cash)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held_raw),
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=out_now,
            capacity=Amount(token, room_raw),
            supplied=Amount(token, assets),
            borrowed=Amount(token, borrowed),
            status=Status.ACTIVE,
            curve=whole,
            quoted=Apr(whole.apr(held_raw / one, INSTANT_SECONDS)),
            pools=frozenset(pool_key(market.chain, i) for i in inside) or frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=out_now),
            index=worth(RAY, assets, supply) / RAY,
        )


def _soon(rate: float, raw: int) -> int:
    """An hour of interest on a holding, which counts against its cap."""
    return int(raw * rate * 3600 / (365 * 86_400)) + 1


def _lends(head: dict[str, ReadHandle], asset: Address) -> bool:
    """Whether a strategy is a credit vault of the same asset."""
    return is_vault(head) and abi("erc4626").one("asset", head["asset"].data) == asset


ADAPTER = EulerEarn()
