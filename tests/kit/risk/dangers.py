"""Every danger that docs/risk.md has a trigger or a veto for, as something that happens to one of two markets: on the
chain, in memory, or to the contracts behind it."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app.judged import judged
from yieldbot.app.looks import take
from yieldbot.app.memory import FOLDER
from yieldbot.decision.decide import Decision, decide
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.controls import (
    ContractFacts,
    Controller,
    ControllerKind,
    Controls,
    Dependency,
    Look,
    Part,
    Pending,
)
from yieldbot.model.exchange import Price
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job

NOW, HOUR = BLOCK.timestamp, 3600
COIN = Address("0x" + "Cc" * 20)
"""A collateral."""
POOL, ORACLE, MODEL, ADMIN = (Address(f"0x{n:040x}") for n in range(0x101, 0x105))
RISKY = market("risky", kinked(1e7, 8e6, low=0.12), borrowed=8e6, liquidity=2e6, protocol="aave_v3")
RISKY = replace(RISKY, supplied=usdc(1e7), index=1.0)
"""The market that something happens to; it pays more than the other."""
CALM = replace(market("calm", kinked(1e7, 8e6, low=0.06), borrowed=8e6, liquidity=2e6), supplied=usdc(1e7), index=1.0)
SAFE = Controller(kind=ControllerKind.SAFE, address=ADMIN, threshold=4, owners=(POOL, ORACLE, MODEL, ADMIN, COIN))
LATE = Controller(kind=ControllerKind.TIMELOCK, address=ADMIN, delay_seconds=2 * 86_400, behind=SAFE)
KEY = Controller(kind=ControllerKind.EOA, address=ADMIN)
STRONG = (
    ContractFacts(
        address=POOL, part=Part.POOL, name="Pool", code_hash="aa", implementation=MODEL, implementation_hash="bb",
        upgrade_by=SAFE, owner=SAFE, values=(("timelock seconds", "172800"),),
    ),
    ContractFacts(address=ORACLE, part=Part.ORACLE, name="oracle", code_hash="cc", values=(("oracle source", "one"),)),
)  # fmt: skip
"""Facts of the contracts behind RISKY: a multisig of four, which gives no warning."""


SOURCE, OTHER = "aave:pool", "comet:other"
"""Keys of the pool by whose oracle RISKY lends, and of another that prices COIN too."""
PAR = Price(1.0, NOW, traded=1.0)
RATE = 0.07
"""What both markets paid in the calm week."""


@dataclass(frozen=True)
class World:
    """All that a cycle reads."""

    risky: MarketState = RISKY
    """The market that something happens to."""
    memory: tuple[tuple[str, float, Mapping[str, Any]], ...] = ()
    """Market and asset as "id/asset", hours from now, facts: readings beside the calm week of both."""
    looks: tuple[tuple[ContractFacts, ...], ...] = ()
    """Facts of the contracts behind RISKY in looks an hour apart, the last one now."""
    supplies: tuple[float, ...] = ()
    """Supply of COIN in those looks."""
    prices: tuple[Mapping[str, Mapping[str, float]], ...] = ()
    """Prices by source in those looks."""
    every_hours: int = 1
    """Hours between those looks."""
    pegs: Price = PAR
    """The dollar's price."""
    minted: int = 10**16
    """Supply of the dollar, in base units."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the policy."""
    chain: str = CHAIN
    """The chain."""
    others: tuple[MarketState, ...] = ()
    """Further markets."""
    elsewhere: tuple[tuple[str, str, float, Mapping[str, Any]], ...] = ()
    """Readings of markets on other chains: chain, then as ``memory``."""

    records: tuple[Record, ...] = ()
    """What the journal has."""

    def backed(self, share: float = 1.0, **facts: Any) -> World:
        """This world, where RISKY rests on COIN."""
        parts = (Backer(backing=COIN, symbol="COIN", share=share, through=(str(RISKY.market.id), SOURCE), **facts),)
        one = Backing(market=RISKY.market.id, parts=parts, unknown=1.0 - share, block=1, time=NOW)
        return replace(self, risky=replace(self.risky, backing=one))

    def cycle(self, folder: Path, *, held: float, idle: float, records: Sequence[Record] = ()) -> Cycle:
        """Read this world, judge it, and decide. held: our money in RISKY; idle: in the wallet."""
        risky = replace(self.risky, held=usdc(held), shares=usdc(held).raw)
        seen = _on(ChainId(self.chain), snapshot(idle, risky, CALM, *self.others))
        seen = replace(seen, supplies={USDC.address: self.minted}, pegs={USDC: self.pegs})
        self._remember(folder)
        for place, facts in enumerate(self.looks):
            ago = (len(self.looks) - 1 - place) * self.every_hours
            _look(folder, seen, _Watch(facts, ago, self.supplies[place : place + 1], self.prices[place : place + 1]))
        records = (*self.records, *records)
        policy = loose(**{"idle_buffer": "0", "min_liquidity_multiple": 1.0} | self.policy)
        entries = list[Any]()
        shown = judged(seen, folder, policy, pytest.fail, records, entries.extend)
        kept = [*records, *(Record(n, NOW, one) for n, one in enumerate(entries, len(records) + 1))]
        job = replace(JOB, chain=replace(JOB.chain, chain=ChainId(self.chain)))
        return Cycle(shown, decide(shown, policy, job, NOW, records=kept), kept, policy, job)

    def _remember(self, folder: Path) -> None:
        if not (folder / FOLDER).exists():
            shutil.copytree(_calm(self.chain), folder, dirs_exist_ok=True)
        rows = [_row(self.chain, name, hour, facts) for name, hour, facts in self.memory]
        rows += [_row(chain, name, hour, facts) for chain, name, hour, facts in self.elsewhere]
        assert not rows or not Store(folder / FOLDER).append(rows).failure


@cache
def _calm(chain: str) -> Path:
    """A folder with a calm week of both markets in memory, and what a first cycle keeps beside it."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rows = [
        _row(chain, f"{one.market.id}/USDC", hour, {
            "supply_rate": one.quoted.value, "utilisation": 0.8, "supplied": 1e7, "cash": 2e6,
            "index": 1.0 + RATE * hour / 8766, "price_usd": 1.0, "traded_usd": 1.0, "token_supply": 1e10,
            "status": "active",
        })
        for one in (RISKY, CALM) for hour in (-168, -96, -24)
    ]  # fmt: skip
    assert not Store(folder / FOLDER).append(rows).failure
    judged(_on(ChainId(chain), snapshot(1.0, RISKY, CALM)), folder, loose(), pytest.fail)
    return folder


@dataclass(frozen=True)
class Cycle:
    """What one cycle saw and decided."""

    seen: Snapshot
    """The judged snapshot."""
    decision: Decision
    """The decision."""
    records: Sequence[Record]
    """The journal after it."""
    policy: Policy
    """The policy."""
    job: Job
    """The job."""

    @property
    def alarms(self) -> dict[str, str]:
        """By code, what the alarms of RISKY ask for."""
        return {one.code: str(one.act) for one in self.seen.of(RISKY.market.id).alarms}

    @property
    def afresh(self) -> Cycle:
        """The decision if all of the money were in the wallet, and nothing in RISKY."""
        states = dict(self.seen.states)
        (wallet,), ours = self.seen.idle, self.seen.of(RISKY.market.id)
        states[wallet.market.id] = replace(wallet, held=wallet.held + ours.held, liquidity=wallet.held + ours.held)
        states[ours.market.id] = replace(ours, held=usdc(0), shares=0)
        seen = replace(self.seen, states=states)
        decision = decide(seen, self.policy, self.job, NOW, records=self.records)
        return replace(self, seen=seen, decision=decision)

    @property
    def leaves(self) -> bool:
        """Whether the plan takes money out of RISKY because of danger."""
        plan = self.decision.outcome
        legs = plan.legs if isinstance(plan, Plan) and plan.why else ()
        return any(leg.kind is LegKind.WITHDRAW and leg.market_id == RISKY.market.id for leg in legs)

    @property
    def enters(self) -> set[MarketId]:
        """The markets that the plan puts money into."""
        plan = self.decision.outcome
        return {leg.market_id for leg in plan.legs if leg.kind is LegKind.DEPOSIT} if isinstance(plan, Plan) else set()


class _Watch:
    """A labelled double of a chain's watch: it finds what it is given."""

    def __init__(
        self,
        facts: tuple[ContractFacts, ...],
        hours_ago: int,
        supply: tuple[float, ...],
        prices: tuple[Mapping[str, Mapping[str, float]], ...],
    ) -> None:
        self._facts, self._hours_ago, self._supply = facts, hours_ago, supply
        self._prices = prices

    async def look(
        self,
        seen: Snapshot,
        known: Mapping[str, Any],
        since: int | None,
        lost: Mapping[MarketId, Sequence[Dependency]],
        follow: Collection[str] = (),
    ) -> Look:
        block, time = 1_000 - self._hours_ago, NOW - self._hours_ago * HOUR
        controls = Controls(market=RISKY.market.id, contracts=self._facts, block=block, time=time)
        backing = seen.of(RISKY.market.id).backing
        return Look(
            block=block,
            time=time,
            controls={RISKY.market.id: controls},
            backing={} if backing is None else {RISKY.market.id: replace(backing, time=time)},
            supplies=dict.fromkeys((COIN,), *self._supply) if self._supply else {},
            prices=self._prices[0] if self._prices else {},
        )


def _look(folder: Path, seen: Snapshot, watch: Any) -> None:
    asyncio.run(take(watch, JOB if seen.block.chain == CHAIN else _job(seen.block.chain), seen, folder))


def _job(chain: ChainId) -> Any:
    return replace(JOB, chain=replace(JOB.chain, chain=chain))


def _row(chain: str, name: str, hour: float, facts: Mapping[str, Any]) -> Reading:
    market_id, _, asset = name.rpartition("/")
    key = MarketKey(
        chain=chain, market=market_id, protocol=market_id.partition("/")[0], asset=asset,
        asset_address=USDC.address.lower() if asset == "USDC" else "",
    )  # fmt: skip
    return Reading(key=key, time=NOW + round(hour * HOUR), **dict(facts))


def _on(chain: ChainId, seen: Snapshot) -> Snapshot:
    if chain == CHAIN:
        return seen
    states = {
        key: replace(one, market=replace(one.market, chain=chain), block=replace(one.block, chain=chain))
        for key, one in seen.states.items()
    }
    return replace(seen, block=replace(seen.block, chain=chain), states=states)


Happens = Callable[[World], World]


def now(**changes: Any) -> Happens:
    """Something of RISKY is otherwise."""
    return lambda world: replace(world, risky=replace(world.risky, **changes))


def before(hour: float, **facts: Any) -> Happens:
    """RISKY had other numbers."""
    return lambda world: replace(world, memory=(*world.memory, (f"{RISKY.market.id}/USDC", hour, facts)))


def both(*happens: Happens) -> Happens:
    """Several things at once."""

    def made(world: World) -> World:
        for one in happens:
            world = one(world)
        return world

    return made


def used(part: float) -> Happens:
    """So much of it is lent out."""
    return now(borrowed=usdc(1e7 * part), liquidity=usdc(1e7 * (1.0 - part)))


def changed(place: int = 0, **facts: Any) -> Happens:
    """A fact of one of its contracts is another than an hour ago."""
    after = tuple(replace(one, **facts) if at == place else one for at, one in enumerate(STRONG))
    return lambda world: replace(world, looks=(STRONG, after))


def late(**facts: Any) -> Happens:
    """As ``changed``, where all that the pool's owner does was announced two days before."""
    first = (replace(STRONG[0], owner=LATE, upgrade_by=LATE), STRONG[1])
    after = (replace(first[0], **facts), STRONG[1])
    return lambda world: replace(world, looks=(first, after))


def pending(what: str, after: str) -> Happens:
    """Its pool announces a change."""
    return changed(pending=(Pending(what=what, after=after, source="its view", id=what),))
