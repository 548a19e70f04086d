"""What is kept of a journal (``journal/relevant.py``) decides as the whole journal does; and it is the same whether the
rows are read at once, or from a checkpoint on."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.journal.store import CHAIN, OWNER, USDC, plan, signed
from yieldbot.app.notice_findings import held_in
from yieldbot.books.chain_record import handed_over
from yieldbot.books.entries import from_journal
from yieldbot.decision import gas_learned
from yieldbot.decision.gas_learned import receipts_of
from yieldbot.history.holdings import forecasts_since_change, recorded_holdings, recorded_names
from yieldbot.journal import done_plans, queries
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitLifted, ExitOrdered, ExitProven, ExitRefused
from yieldbot.journal.exit_proceeds import to_swap
from yieldbot.journal.fold import (
    Exits,
    Record,
    fold_exits,
    fold_faulted,
    fold_leaving,
    fold_orders,
    fold_plans,
    fold_requests,
    fold_reverts,
    fold_stopped,
    fold_transactions,
)
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    AlarmLifted,
    AlarmRaised,
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.queries import NOT_ENDED
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.journal.unsold_rewards import unsold
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.risk import Act
from yieldbot.model.tx import Confirmed, Delta, Expired, Reverted
from yieldbot.risk.latches import journalled

OTHER = Address("0x" + "22" * 20)
MARKETS = [MarketId(f"aave_v3/8453/0x{digit * 40}") for digit in "45"]
TARGETS = [*MARKETS, MarketId("claim/8453"), MarketId("swap/8453")]
BEGIN = 1_700_000_000


def drawn(seed: int, length: int, done: int = 0) -> list[JournalEntry]:
    """A journal as runs might have written it: what is marked or settled was written or signed before. done: how often
    a plan is carried out as planned, beside what happens without order."""
    rng = random.Random(seed)
    found, plans, sent, whose = list[JournalEntry](), list[str](), dict[str, Any](), dict[str, Address]()
    held = {(owner, market): 10**9 for owner in (OWNER, OTHER) for market in MARKETS}
    for number in range(length):
        owner, market = rng.choice([OWNER, OWNER, OTHER]), rng.choice(MARKETS)
        at = BEGIN + number * rng.choice([900, 7200])
        block = BlockRef(CHAIN, number, f"0x{number:064x}", at)
        account = {"chain": CHAIN, "owner": owner}
        match rng.choice(
            ["look"] * 9
            + ["end"] * 3
            + ["plan", "mark", "mark", "tx", "tx", "settle", "settle", "more", "exit"]
            + ["done"] * done
        ):
            case "look":
                if rng.random() < 0.2:
                    held[owner, market] = rng.choice([0, 10**9, 3 * 10**9])
                shown = {m: int(raw * (1 + number / 10**5)) for (of, m), raw in held.items() if of == owner and raw}
                holdings = {
                    m: RecordedHolding(held_raw=raw, apr=0.03, horizon_seconds=604_800.0, name=f"name {m[-1]}")
                    for m, raw in shown.items()
                }
                idle_raw = rng.choice([5, 5, 5, 6])
                found.append(Observed(CHAIN, owner, block, asset=USDC.address, idle_raw=idle_raw, holdings=holdings))
            case "end":
                found.append(RunEnded(
                    **account, plan_id=rng.choice(["", *plans[-1:]]), run="r", command="run", began=at, code="",
                    by=rng.choice(["schedule", "key a"]), wallet="main", assets=("USDC",), seconds=1.5,
                    outcome=rng.choice(["held", "held", "queued", "failed"]), reason=f"{number} is too little",
                ))  # fmt: skip
            case "plan":
                name = f"p{len(plans)}"
                whose[name] = owner
                legs = tuple(Leg(rng.choice(list(LegKind)[:2]), m, Amount(USDC, 5)) for m in MARKETS)
                plans.append(name)
                found.append(PlanWritten(replace(plan(name), owner=owner, block=block, legs=legs)))
            case "mark" if plans:
                later = rng.choice([0, 0, at + 9])
                found.append(PlanMarked(rng.choice(plans[-3:]), rng.choice(list(PlanStatus)), "me", "why", later))
            case "tx":
                name = f"0x{number:064x}"
                target = rng.choice(TARGETS)
                one = replace(signed(name, number, owner), market_id=target, leg=rng.choice([0, 1]),
                              plan_id=rng.choice([*[name for name in plans if not done or whose[name] == owner][-2:],
                                                  "none"]))  # fmt: skip
                sent[name] = one
                found.append(one)
                found += [TxSent(CHAIN, owner, name, 1), TxNoted(CHAIN, owner, name, "lost")][: rng.randint(0, 2)]
            case "settle" if sent:
                name = rng.choice(list(sent))
                one = sent[name]
                deltas = (Delta(USDC, rng.choice([-5, 5, 7])),)
                outcome = rng.choice([
                    Confirmed(name, block, 80_000, 1, deltas, 1, rng.choice([None, 3])),
                    Reverted(name, block, 80_000, "no"), Expired(name, "late"),
                ])  # fmt: skip
                found.append(TxSettled(CHAIN, one.owner, outcome))
                if not isinstance(outcome, Expired):  # what was given up may be mined yet
                    del sent[name]
            case "done":
                name, last = f"p{len(plans)}", found[-1:]
                plans.append(name)
                whose[name] = owner
                legs = tuple(
                    Leg(rng.choice(list(LegKind)[:2]), m, Amount(USDC, 5))
                    for m in rng.sample(MARKETS, rng.randint(1, 2))
                )
                found += [PlanWritten(replace(plan(name), owner=owner, block=block, legs=legs)),
                          PlanMarked(name, PlanStatus.APPROVED, "auto")]  # fmt: skip
                for index, leg in enumerate(legs):
                    tx_hash, raw = f"0xd{index}{number:062x}", 5 if leg.kind is LegKind.WITHDRAW else -5
                    one = replace(signed(tx_hash, number, owner), market_id=leg.market_id, leg=index, plan_id=name)
                    rest = TxSettled(
                        CHAIN, owner, Confirmed(tx_hash, block, 70_000 + number, 1, (Delta(USDC, raw),), 1)
                    )
                    found += [one, *([TxSent(CHAIN, owner, tx_hash, 1)] * rng.randint(0, 1)), rest]
                    if rng.random() < 0.1:
                        found.append(TxNoted(CHAIN, owner, tx_hash, "late"))
                found += [PlanMarked(name, PlanStatus.EXECUTED, "execution")] + last * rng.randint(0, 1)
            case "more":
                code = rng.choice(["MARKET", "HOLDING"])
                alarm: dict[str, Any] = {"chain": CHAIN, "market_id": market, "code": code, "time": at}
                alarm |= {"act": rng.choice(list(Act)), "owner": owner if code == "HOLDING" else ""}
                found.append(rng.choice([
                    AccountStopped(CHAIN, owner, "why", rng.choice([None, "0xaa"])), AccountCleared(CHAIN, owner, "me"),
                    AlarmRaised(**alarm, saw=f"{number}", since=at), AlarmLifted(**alarm),
                ]))  # fmt: skip
            case "exit":
                exit_of: dict[str, Any] = account | {"market_id": market}
                five = Amount(USDC, rng.randint(1, 9))
                proof = {"fingerprint": rng.choice(["f", "g"]), "time": at, "on_chain": rng.random() < 0.5}
                found.append(rng.choice([
                    ExitProven(**exit_of, up_to=five, **proof), ExitRefused(**exit_of, reason="no", **proof),
                    ExitAsked(**exit_of, asked=five, ready=five, back=five, until=None, time=at),
                    ExitEnded(**exit_of, time=at), ExitLifted(**exit_of, by="me"),
                    ExitOrdered(**exit_of, name="n", by="me", into="", time=at),
                ]))  # fmt: skip
            case _:
                pass
    return found


def proven(exits: dict[MarketId, Exits]) -> Any:
    """What decisions ask of exits: of proofs that another one covers nothing depends."""
    marks, raws = ("f", "g"), range(10)
    times = range(BEGIN, BEGIN + 40 * 86_400, 86_400)
    return {
        market: (one.refusals, one.lost, one.at, [one.tried(mark) for mark in marks],
                 [one.proven(mark, time, raw) for mark in marks for time in times for raw in raws])
        for market, one in exits.items()
    }  # fmt: skip


def waiting(records: Sequence[Record]) -> Any:
    """Plans that wait or were begun, and rejections that are in force."""
    kept = (PlanStatus.EXPIRED, PlanStatus.REJECTED)
    plans = {name: one for name, one in fold_plans(records).items() if one.status not in kept}
    marks = {r.entry.plan_id: r.entry for r in records if isinstance(r.entry, PlanMarked)}
    return plans, {name: mark for name, mark in marks.items() if mark.not_before}


def transactions(records: Sequence[Record]) -> Any:
    """Notes about transactions that are settled are only for people."""
    return {
        name: tx if tx.outcome is None else replace(tx, attempts=0, notes=())
        for name, tx in fold_transactions(records).items()
    }


def order(owner: Address) -> ExitOrdered:
    return ExitOrdered(chain=CHAIN, owner=owner, market_id=MARKETS[0], name="n", by="me", into="", time=BEGIN)


FOLDS: dict[str, Callable[[Sequence[Record], Address], Any]] = {
    "plans": lambda records, _: waiting(records),
    "transactions": lambda records, _: transactions(records),
    "stopped": lambda records, _: (fold_stopped(records), fold_faulted(records)),
    "exits": lambda records, owner: proven(fold_exits(records, CHAIN, owner)),
    "reverts": lambda records, owner: fold_reverts(records, CHAIN, owner),
    "leaving": lambda records, owner: fold_leaving(records, CHAIN, owner),
    "orders": lambda records, owner: fold_orders(records, CHAIN, owner),
    "requests": lambda records, owner: fold_requests(records, CHAIN, owner),
    "holdings": lambda records, owner: recorded_holdings(records, CHAIN, owner, USDC),
    "forecasts": lambda records, owner: forecasts_since_change(records, CHAIN, owner),
    "names": lambda records, _: recorded_names(records),
    "held": lambda records, _: held_in(records),
    "alarms": lambda records, owner: journalled(records, owner),
    "unsold": lambda records, owner: unsold(records, CHAIN, owner),
    "proceeds": lambda records, owner: to_swap(records, order(owner), USDC, lambda market: market == MARKETS[0]),
    "receipts": lambda records, _: receipts_of(records),
    "entries": lambda records, _: from_journal(records),
    "handed over": lambda records, owner: handed_over(records, (CHAIN, owner)),
}
"""What is made of the records, for an account."""
OF_ALL = ("stopped", "names", "held")
"""What is asked of all accounts' records alone."""


@settings(max_examples=draws(100, 2000))
@given(st.integers(0, 2**32), st.integers(0, 160))
def test_what_is_kept_decides_as_the_whole(seed: int, length: int) -> None:
    with TemporaryDirectory() as folder, Journal.open(Path(folder) / "j") as journal:
        clock = iter(range(BEGIN, BEGIN + 10**9, 600))
        journal._clock = lambda: next(clock)
        journal.append(*drawn(seed, length))
        whole, kept = journal.history(), journal.records()
        assert {one.seq for one in kept} <= {one.seq for one in whole}
        for owner in (OWNER, OTHER):
            own = journal.records(CHAIN, owner, since=0, looked_seconds=3600.0)
            assert {one.seq for one in own} <= {one.seq for one in kept}
            for name, fold in FOLDS.items():
                assert fold(kept, owner) == fold(whole, owner), name
                if name not in OF_ALL:
                    assert fold(own, owner) == fold(whole, owner), f"{name} of the account's own"


def decisive(records: Sequence[Record], owner: Address) -> dict[str, Any]:
    """What is decided by of an account's records: of its plans those that have not ended, and rejections in force; of
    transactions those that are open or were given up; of receipts the newest of each market and direction."""
    plans, marks = waiting(records)
    own = {name for name, one in fold_plans(records).items() if one.plan.owner == owner}
    found: dict[str, Any] = {name: fold(records, owner) for name, fold in FOLDS.items() if name not in ENDED}
    found["plans"] = {name: one for name, one in plans.items() if name in own and one.status in NOT_ENDED}
    found["rejected"] = {name: mark for name, mark in marks.items() if name in own and mark.status in REJECTED}
    sent = (tx for tx in transactions(records).values() if tx.signed.owner == owner)
    found["transactions"] = [tx for tx in sent if tx.outcome is None or isinstance(tx.outcome, Expired)]
    planned = [one for one in records if not isinstance(one.entry, PlanWritten) or one.entry.plan.id in own]
    found["receipts"] = {key: gas[-done_plans.NEWEST :] for key, gas in receipts_of(planned).items()}
    return {name: one for name, one in found.items() if name not in OF_ALL}


REJECTED = (PlanStatus.REJECTED,)
ENDED = ("plans", "transactions", "receipts", "entries")
"""What is made of plans that have ended, too."""


def test_plans_done_long_ago_decide_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert done_plans.NEWEST >= gas_learned.NEWEST
    monkeypatch.setattr(done_plans, "NEWEST", 2)
    left_out = 0
    for seed in range(draws(36, 3000)):
        with Journal.open(tmp_path / f"{seed}") as journal:
            clock = iter(range(BEGIN, BEGIN + 10**9, 6 * 3600))
            journal._clock = lambda clock=clock: next(clock)
            journal.append(*drawn(seed, 40 + seed % 80, done=12))
            whole = journal.history()
            end = whole[-1].at - queries.RECENT_SECONDS
            for owner in (OWNER, OTHER):
                every = journal.records(CHAIN, owner, since=0, looked_seconds=3600.0)
                own = journal.records(CHAIN, owner, looked_seconds=3600.0)
                there = {one.seq for one in own}
                missing = [one for one in every if one.seq not in there and isinstance(one.entry, PlanWritten)]
                plans = [one for one in missing if isinstance(one.entry, PlanWritten) and one.entry.plan.owner == owner]
                left_out += len(plans)
                assert all(one.at < end for one in plans)
                assert decisive(own, owner) == decisive(whole, owner), seed
    assert left_out > 60, left_out
