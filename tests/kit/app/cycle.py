"""A cycle without a chain: doubles of its session and its wiring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.app import cycle
from yieldbot.execution.approvals import Approval, Proposal
from yieldbot.execution.results import LegResult
from yieldbot.execution.world import NoOthers
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.controls import Look
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Settings
from yieldbot.model.tx import Confirmed

A, B = market("a", ConstantCurve(0.1)), market("b", ConstantCurve(0.08))
SEEN = snapshot(100_000, A, B)
IN_A = snapshot(0, replace(A, held=usdc(100_000)), B)

REHEARSED: Any = object()
DONE = Confirmed("0xaa", SEEN.block, 1, 1, ())


@dataclass
class SessionDouble:
    """A labelled double of a chain's session: returns snapshots in order (the last one again and again), and a given
    result for each step."""

    views: list[Snapshot] = field(default_factory=lambda: [SEEN])
    rehearsals: list[Any] = field(default_factory=lambda: [REHEARSED])
    results: list[LegResult] = field(default_factory=lambda: [LegResult((DONE,))])
    proposed: Any = None
    settles: tuple[Any, ...] = ()
    fails: Exception | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    did: list[Any] = field(default_factory=list)
    round_trips: int = 0
    known: list[int] = field(default_factory=list)

    async def verify_chain(self) -> None:
        self.did.append("verify")
        if self.fails is not None:
            raise self.fails

    async def observe(self, records: Sequence[Record] = (), full: object = ()) -> Snapshot:
        self.did.append("observe")
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]

    async def settle(self) -> tuple[Any, ...]:
        self.did.append("settle")
        return self.settles

    async def rehearse(self, plan: Plan, view: Snapshot, skip: Collection[int] = ()) -> Any:
        legs = [leg for index, leg in enumerate(plan.legs) if index not in skip]
        self.did.append(("rehearse", tuple(leg.market_id for leg in legs)))
        return self.rehearsals.pop(0) if len(self.rehearsals) > 1 else self.rehearsals[0]

    def spend_at_most(self, plan: Plan, view: Snapshot) -> None:
        self.did.append(("spend", plan.id, view))

    async def execute(self, approval: Approval, index: int, view: Snapshot) -> LegResult:
        self.did.append(("execute", index))
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    async def hand_over(self, approval: Approval, view: Snapshot) -> Any:
        self.did.append("hand over")
        return self.proposed

    async def look(self, view: Snapshot, known: Any, since: int | None, lost: Any, follow: Any = ()) -> Look:
        return Look(block=view.block.height, time=view.block.timestamp, controls={}, since=view.block.height + 1)

    async def with_exits(self, view: Snapshot, records: Any, policy: Policy) -> Snapshot:
        self.known.append(len(records))
        return view

    async def refused(self, market_id: MarketId, why: str, view: Snapshot, *, on_chain: bool = False) -> None:
        self.did.append(("refused", market_id, why, on_chain))

    def block_text(self, block: Any) -> str:
        return f"block {block.height}"


class Yes:
    """An approver that approves every proposal and records it; in a journal that is given, too."""

    def __init__(self, no: Declined | None = None, journal: Journal | None = None) -> None:
        self.no, self.asked, self.journal = no, list[Proposal](), journal

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        self.asked.append(proposal)
        if self.journal is not None:
            self.journal.append(PlanWritten(proposal.plan, ()))
        return self.no or Approval(proposal.plan, "a person", proposal.plan.expires_at)


@dataclass
class WorldDouble:
    """A labelled double of the ``Wiring`` that a cycle uses."""

    journal: Journal
    settings: Any
    approver: Any = field(default_factory=Yes)
    lines: list[str] = field(default_factory=list)
    opened: list[Any] = field(default_factory=list)
    settles: bool = True
    others: Any = field(default_factory=NoOthers)

    def now(self) -> int:
        return NOW

    def say(self, line: str) -> None:
        self.lines.append(line)

    async def open_key(self, wallet: Any) -> None:
        self.opened.append(wallet)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: NOW) as opened:
        yield opened


def wired(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, live: SessionDouble, jobs: Sequence[Any] = (JOB,), **policy: Any
) -> Any:
    @asynccontextmanager
    async def opened(world: Any, job: Any) -> AsyncIterator[SessionDouble]:
        yield live

    monkeypatch.setattr(cycle, "session", opened)
    settings = Settings(
        source=Path("yieldbot.toml"),
        data_dir=journal.path.parent,
        wallets={},
        chains={},
        jobs=tuple(jobs),
        policy=loose(horizon_days=30.0, **{"idle_buffer": "0"} | policy),
    )
    return WorldDouble(journal, settings)
