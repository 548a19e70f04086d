"""The summary of a day or week, from the journal alone: earned and predicted amounts, money moved, costs of
transactions. Pure.

Earned: growth of each holding between two observations without a transaction of ours in its market in between.
Predicted: the rate recorded with the earlier observation, over the same time. Both leave out the same intervals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Any

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed, PlanMarked, PlanStatus, PlanWritten, TxSettled, TxSigned
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import native_of
from yieldbot.model.ids import ChainId, MarketId
from yieldbot.model.notices import Finding, NoticeTimes, Severity, Topic, zone_of
from yieldbot.model.plan import LegKind
from yieldbot.model.settings import Job
from yieldbot.model.text import counted
from yieldbot.model.tx import Confirmed, Reverted
from yieldbot.model.units import SECONDS_PER_YEAR

TokenKey = tuple[str, str]
"""A chain's id and a token's address."""


@dataclass(slots=True)
class Brought:
    """The result of a period in one asset, in base units."""

    earned: float = 0.0
    """Growth of holdings, without our own deposits and withdrawals."""
    predicted: float = 0.0
    """Predicted growth in the same time."""
    raw_years: float = 0.0
    """Sum of holdings times the years over which both are known."""
    held: dict[Any, int] = field(default_factory=dict)
    """The last holding by (account, market)."""
    moved: int = 0
    """Sum that plans deposited in markets."""


def lines(
    records: Sequence[Record], tokens: Mapping[TokenKey, Token], natives: Mapping[str, Token], since: int, until: int
) -> tuple[str, ...]:
    """A line for each asset, and one for the transaction cost on each chain; empty where nothing was held or done.

    tokens: the jobs' assets; natives: each chain's native token by the chain's id; since, until: unix seconds.
    """
    found: dict[TokenKey, Brought] = {}
    _grown(records, found, since, until)
    _moved(records, found, since, until)
    shown = []
    for key, one in found.items():
        token = tokens.get(key)
        held = sum(one.held.values())
        if token is None or not (held or one.moved or one.earned):
            continue
        parts = [f"earned {_text(token, one.earned)} {token.symbol}, predicted {_text(token, one.predicted)}"]
        parts += [f"held {_text(token, held)}"] + ([f"moved {_text(token, one.moved)}"] if one.moved else [])
        shown.append(f"{token.symbol} on {key[0]}: {'; '.join(parts)}")
    return (*shown, *_costs(records, natives, since, until))


def of_jobs(jobs: Sequence[Job], records: Sequence[Record], since: int, until: int) -> tuple[str, ...]:
    """The ``lines`` of the assets of jobs."""
    tokens = {(str(job.chain.chain), str(token.address)): token for job in jobs for token in job.assets}
    natives = {str(job.chain.chain): native_of(job.chain.chain, job.chain.native_symbol) for job in jobs}
    return lines(records, tokens, natives, since, until)


def due(
    times: NoticeTimes, done: Mapping[str, str], now: int
) -> tuple[tuple[tuple[str, str, int, int], ...], dict[str, str]]:
    """(each summary that is to be made now: its name, label, since, until; the names with their newest labels).

    done: the label of the last summary, by name. The first time no summary is made, since earlier entries may have been
    reported already.
    """
    if times.daily_minute is None:
        return (), dict(done)
    zone = zone_of(times.time_zone)
    here = datetime.fromtimestamp(now, zone)
    newest = here.replace(hour=times.daily_minute // 60, minute=times.daily_minute % 60, second=0, microsecond=0)
    if newest > here:
        newest -= timedelta(days=1)
    ends = {"day": newest}
    if times.weekly_day is not None:
        ends["week"] = newest - timedelta(days=(newest.weekday() - times.weekly_day) % 7)
    made = []
    after = dict(done)
    for name, end in ends.items():
        label = f"{end:%Y-%m-%d}"
        if done.get(name, "") < label:
            after[name] = label
            begin = end - timedelta(days=1 if name == "day" else 7)
            if name in done:
                made.append((name, label, int(begin.astimezone(UTC).timestamp()), int(end.astimezone(UTC).timestamp())))
    return tuple(made), after


def findings(name: str, label: str, said: Sequence[str], at: int) -> tuple[Finding, ...]:
    """One summary's findings, one for each line. name: ``day`` or ``week``; label: the date on which its period ends;
    said: the lines; at: unix seconds."""
    return tuple(
        Finding(
            key=f"summary:{name}:{label}:{index}",
            topic=Topic.SUMMARY,
            severity=Severity.INFO,
            text=f"{name} to {label}: {line}",
            at=at,
        )
        for index, line in enumerate(said or ("nothing was held and nothing was done",))
    )


def intervals(records: Sequence[Record]) -> Iterator[tuple[Observed | None, Observed, Collection[MarketId]]]:
    """(the account's observation before, an observation of its holdings of one asset, the markets in which transactions
    of ours were signed in between), in the journal's order; the first one of an account has none before it."""
    before: dict[tuple[Any, ...], Observed] = {}
    touched: dict[tuple[Any, ...], set[MarketId]] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, TxSigned):
            for account in list(touched):
                if account[:2] == (entry.chain, entry.owner):
                    touched[account].add(entry.market_id)
        if not isinstance(entry, Observed) or entry.holdings is None or entry.paper is not None or entry.asset is None:
            continue
        account = (entry.chain, entry.owner, entry.asset)
        yield before.get(account), entry, touched.get(account, set())
        before[account], touched[account] = entry, set()


def _grown(records: Sequence[Record], found: dict[TokenKey, Brought], since: int, until: int) -> None:
    for earlier, entry, moved in intervals(records):
        if entry.block.timestamp > until or entry.asset is None or entry.holdings is None:
            continue
        one = found.setdefault((entry.chain, entry.asset), Brought())
        for old in [key for key in one.held if key[0] == entry.owner]:
            del one.held[old]
        one.held |= {(entry.owner, market): holding.held_raw for market, holding in entry.holdings.items()}
        if earlier is not None and entry.block.timestamp > since:
            add_growth(earlier, entry, moved, one, since)


def add_growth(earlier: Observed, later: Observed, moved: Collection[MarketId], one: Brought, since: int) -> None:
    """Add what holdings earned and were predicted to earn between two observations of an account, from ``since`` on
    (unix seconds), and over how much money and time; markets with transactions in between are left out."""
    begin, end = earlier.block.timestamp, later.block.timestamp
    if end <= begin:
        return
    part = (end - max(begin, since)) / (end - begin)
    for market, holding in (earlier.holdings or {}).items():
        now = (later.holdings or {}).get(market)
        if now is None or market in moved:
            continue
        one.earned += (now.held_raw - holding.held_raw) * part
        years = (end - begin) * part / SECONDS_PER_YEAR
        one.predicted += holding.held_raw * holding.apr * years
        one.raw_years += holding.held_raw * years


def _moved(records: Sequence[Record], found: dict[TokenKey, Brought], since: int, until: int) -> None:
    plans = {one.entry.plan.id: one.entry.plan for one in records if isinstance(one.entry, PlanWritten)}
    for record in records:
        entry = record.entry
        if not isinstance(entry, PlanMarked) or entry.status is not PlanStatus.EXECUTED:
            continue
        if not since < record.at <= until or entry.plan_id not in plans:
            continue
        for leg in plans[entry.plan_id].legs:
            if leg.kind is LegKind.DEPOSIT:
                key = (leg.amount.token.chain, leg.amount.token.address)
                found.setdefault(key, Brought()).moved += leg.amount.raw


def _costs(records: Sequence[Record], natives: Mapping[str, Token], since: int, until: int) -> tuple[str, ...]:
    paid: dict[ChainId, list[int]] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, TxSettled) and since < record.at <= until:
            outcome = entry.outcome
            if isinstance(outcome, Confirmed | Reverted):
                paid.setdefault(entry.chain, []).append(outcome.fee_raw or 0)
    return tuple(
        f"{counted(len(fees), 'transaction')} on {chain} cost {Amount(natives[chain], sum(fees))}"
        for chain, fees in paid.items()
        if chain in natives
    )


def _text(token: Token, raw: float) -> str:
    """An amount in whole tokens with four decimals. raw: base units."""
    return f"{raw / token.one:z,.4f}"
