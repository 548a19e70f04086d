"""The documents' rows as collections: what REST and MCP list, filter and page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import Field

from yieldbot.app.alarm_documents import StandingAlarm
from yieldbot.app.alike import by_reason, together
from yieldbot.app.curves import MarketCurve
from yieldbot.app.document import Part
from yieldbot.app.market_documents import Market
from yieldbot.app.parts import Money
from yieldbot.app.position_documents import Position
from yieldbot.app.risk_documents import MarketRisk
from yieldbot.app.wealth_documents import AccountWealth
from yieldbot.model.dataclass import dataclass
from yieldbot.risk.latches import OF_HOLDINGS

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.journal.fold import StoredTx

Row = Mapping[str, Any]
RowT = TypeVar("RowT")

ReadOlder = Callable[[int, int], Sequence[Row]]
"""Called with two of a journal's numbers; gives the rows after the first up to the second, the newest first."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All rows of one kind, such as markets or positions, as of one reading."""

    rows: tuple[Mapping[str, Any], ...]
    """The rows."""
    version: str
    """Version, which changes whenever a row may have changed."""
    as_of: int
    """When they were read, in unix seconds."""
    unread: tuple[str, ...] = ()
    """Chains and markets that could not be read, a line each."""
    older: int = 0
    """How many rows there are that are older than all of these."""
    read_older: ReadOlder | None = None
    """Reads some of them; None: there are none."""


NOTHING = Collection((), "0", 0)


HEAD = ("wallet", "owner", "chain", "chain_id", "asset")
SIGNAL = ("id", "name", "safety", "letter", "signal", "reason", "short", "short_mean", "long", "long_mean")


class Place(Part):
    """The job that a row is of, and the block at which it was read."""

    key: str = Field(description="its key in paths: the market's id with ~ in place of /")
    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    asset: str = Field(description="the symbol of the job's asset")
    block: int = Field(description="the block that it was read at")


class MarketRow(Place, Market):
    """A market as one job sees it."""


class MarketLine(Part):
    """The main figures of a market, for lists."""

    key: str = Field(description="its key, as other calls take it")
    name: str = Field(description="its name")
    protocol: str = Field(description="the protocol's name")
    chain: str = Field(description="the chain's name")
    asset: str = Field(description="the symbol of what is deposited")
    status: str = Field(description="active, frozen or paused")
    quoted_apy: float | None = Field(description="its quoted yield, an effective annual fraction; null: not known")
    total_apy_after_deposit: float | None = Field(
        description="yield with rewards after our own deposit; null: not known"
    )
    safety: int | None = Field(description="its safety grade, 0 to 100; null: it was not graded")
    loss_bps: float | None = Field(description="expected loss a year, in bp; null: not graded")
    held: Money = Field(description="what we hold there")
    vetoes: tuple[str, ...] = Field(description="why it gets no new money")
    alarms: tuple[StandingAlarm, ...] = Field(description="alarms in force")


class GradeRow(Place, MarketRisk):
    """A market's grades, with the evidence; `asset` is its own."""


class SignalRow(Place):
    """What a market's grades of yield advise."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    safety: int = Field(description="its safety grade, 0 to 100")
    letter: str = Field(description="the grade as a letter")
    signal: str = Field(description="`enter`, `hold` or `leave`")
    reason: str = Field(description="why, in one line")
    short: int = Field(description="grade of its yield over the days that moves are decided for, 0 to 100")
    short_mean: float = Field(description="that yield, less the expected loss")
    long: int = Field(description="grade of its mean yield in memory, 0 to 100")
    long_mean: float = Field(description="that yield, less the expected loss")


class PositionRow(Place, Position):
    """A holding in a market."""


class WealthRow(AccountWealth):
    """One account's wealth in one asset, with its past."""

    key: str = Field(description="its key: chain_id~owner~asset")


class CurveRow(MarketCurve):
    """What one market would pay for other holdings of ours."""

    key: str = Field(description="the market's key in paths")


class TrendRow(Part):
    """What one market paid lately, in equal steps."""

    key: str = Field(description="the market's key in paths")
    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier")
    asset: str = Field(description="the symbol of the job's asset")
    id: str = Field(description="the market's identifier")
    until: int = Field(description="the end of the last step, in unix seconds")
    step_seconds: int = Field(description="seconds of a step: a day, or less while history is short")
    rates: tuple[float | None, ...] = Field(
        description="the mean rate paid in each step, the oldest first, simple annual fractions; null: not known"
    )


class AccountRow(Part):
    """An account of one chain."""

    key: str = Field(description="its key: chain_id~owner")
    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="its address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier")
    assets: tuple[str, ...] = Field(description="symbols of the assets that its jobs manage")
    stopped: str | None = Field(description="why it may not sign until a person clears it; null: it may")


class TransactionRow(Part):
    """A signed transaction."""

    hash: str = Field(description="its hash, on Solana its signature")
    chain_id: str = Field(description="the chain's identifier")
    owner: str = Field(description="the account that signed")
    plan_id: str | None = Field(description="the plan that it belongs to; null: none")
    words: str = Field(description="what it does")
    at: int = Field(description="when it was signed, in unix seconds")
    attempts: int = Field(description="how often it was sent")
    result: str | None = Field(description="how it ended, as `confirmed`; null: it is open")
    reason: str | None = Field(description="why it ended so; null: nothing is known of it")
    notes: tuple[str, ...] = Field(description="notes about it, the oldest first")


def newer(before: Collection | None, now: Collection) -> Collection:
    """The new rows; the earlier collection where the rows are equal, so that its time and ETag stay and callers who
    have it get 304."""
    return before if before is not None and before.rows == now.rows and before.unread == now.unread else now


class Page(Part, Generic[RowT]):
    """A part of a collection."""

    items: tuple[RowT, ...] = Field(description="the rows")
    next: str | None = Field(description="the cursor of the next page; null: this is the last")
    total: int = Field(description="rows that match, on all pages")
    as_of: int = Field(
        description="when they were read, in unix seconds; of what the journal has: since when they are as they are"
    )
    unread: tuple[str, ...] = Field(description="what could not be read, a line each")


def visible(rows: tuple[Mapping[str, Any], ...], caller: Caller) -> tuple[Mapping[str, Any], ...]:
    """The rows that a caller may see: with accounts of its own, only rows of those."""
    if caller.accounts is None:
        return rows
    return tuple(row for row in rows if _sees(caller, row))


def entries_of(journal: Collection, markets: Collection, caller: Caller) -> Collection:
    """The journal's entries that a caller may see: those of its accounts, and alarms of the markets that they see.
    markets: the newest reading's."""
    if caller.accounts is None:
        return journal
    mine = {(row["chain_id"], row["id"]) for row in visible(markets.rows, caller)}
    rows = tuple(row for row in journal.rows if _sees(caller, row) or alarm_of(row) in mine)
    return Collection(rows, f"{journal.version}-{markets.version}", journal.as_of)


def alarm_of(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """(chain, market) of a journal entry about an alarm; an alarm belongs to a market, whoever has money there. None:
    the entry is of an account, or of none. Older rows do not name the account of an alarm about its holding."""
    of_account = entry["owner"] or entry["body"].get("code") in OF_HOLDINGS
    market = None if of_account else entry["body"].get("market_id")
    return None if market is None else (entry["chain"], market)


def _sees(caller: Caller, row: Mapping[str, Any]) -> bool:
    """Whether a caller may see a row of one account (its field ``owner``), or of several (``accounts``; None: all)."""
    if "accounts" in row:
        return row["accounts"] is not None and all(caller.sees(one) for one in row["accounts"])
    return bool(row.get("owner")) and caller.sees(row["owner"])


def key_of(market_id: str) -> str:
    """A market's key in paths."""
    return market_id.replace("/", "~")


def markets_of(document: Row) -> list[dict[str, Any]]:
    """Rows of ``markets``."""
    return list(_placed(document["jobs"], "markets"))


def of_reading(found: Row, at: int) -> dict[str, Collection]:
    """The rows of one reading by their kind: ``held`` is every position that we ever had, ``closed`` those that we have
    left, ``rests`` what our money is finally exposed to. at: when it was, in unix seconds."""
    made: dict[str, tuple[Row, Iterable[Row]]] = {
        "markets": (found["markets"], markets_of(found["markets"])),
        "positions": (found["positions"], positions_of(found["positions"])),
        "grades": (found["risk"], grades_of(found["risk"])),
        "signals": (found["risk"], signals_of(found["risk"])),
        "held": (found["positions"], found["positions"]["ever_held"]),
        "closed": (found["positions"], _placed(found["positions"]["jobs"], "closed")),
        "rests": (found["positions"], _resting(found["positions"]["jobs"])),
        "wealth": (found["wealth"], wealth_of(found["wealth"])),
        "curves": (found["curves"], [{"key": key_of(row["id"])} | row for row in found["curves"]["markets"]]),
        "trends": (found["trends"], trends_of(found)),
    }
    return {
        name: Collection(tuple(rows), f"{name}-{at}", at, unread_of(document))
        for name, (document, rows) in made.items()
    }


def lines_of(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The main figures of each market."""
    return [{name: row[name] for name in MarketLine.model_fields} for row in rows]


def positions_of(document: Row) -> list[dict[str, Any]]:
    """Rows of ``positions``."""
    return list(_placed(document["jobs"], "positions"))


def wealth_of(document: Row) -> list[dict[str, Any]]:
    """Rows of ``wealth``."""
    return [{"key": f"{row['chain_id']}~{row['owner']}~{row['asset']}"} | row for row in document["accounts"]]


def trends_of(found: Row) -> list[dict[str, Any]]:
    """What every market of the reading that memory knows paid lately. ``owner``: the account of a market's job."""
    steps = {name: found["trends"][name] for name in ("until", "step_seconds")}
    known = {(row["chain_id"], row["id"]): row["rates"] for row in found["trends"]["markets"]}
    return [
        {name: row[name] for name in ("key", *HEAD, "id")} | steps | {"rates": known[row["chain_id"], row["id"]]}
        for row in markets_of(found["markets"])
        if (row["chain_id"], row["id"]) in known
    ]


def idle_of(document: Row) -> dict[tuple[str, str, str], float]:
    """Whole tokens in the wallet by (wallet, chain, asset), from ``positions``; balances that could not be read are
    left out."""
    return {
        (job["wallet"], job["chain"], job["asset"]): float(job["idle"]["text"])
        for job in document["jobs"]
        if job.get("idle") is not None
    }


def grades_of(document: Row) -> list[dict[str, Any]]:
    """Rows of ``risk``."""
    return list(_placed(document["jobs"], "markets"))


def signals_of(document: Row) -> list[dict[str, Any]]:
    """The signals in ``risk``, without the evidence of grades."""
    wanted = ("key", *HEAD, "block", *SIGNAL)
    return [{name: row[name] for name in wanted} for row in grades_of(document)]


def unread_of(document: Row) -> tuple[str, ...]:
    """Chains and markets that could not be read, a line each."""
    jobs = document.get("jobs", ())
    lost = by_reason(
        (job["chain"], f"{job['wallet']}: {job['asset']}", job["skipped"]) for job in jobs if job.get("skipped")
    )
    skipped = [
        f"{chain}: {reason}" if len(who) == 1 else f"{together(who)} on {chain}: {reason}"
        for chain, who, reason in lost
    ]
    bad = [f"{one['name']}: {one['reason']}" for job in jobs for one in job.get("quarantined", ()) if "name" in one]
    return tuple(dict.fromkeys(skipped + bad))


def _placed(jobs: Iterable[Row], part: str) -> Iterable[dict[str, Any]]:
    for job in jobs:
        if job.get("block") is None:
            continue
        head = {name: job[name] for name in HEAD} | {"block": job["block"]["height"]}
        for row in job.get(part, ()):
            yield {"key": key_of(row["id"])} | head | dict(row)


def _resting(jobs: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """What each job's money is finally exposed to, once for each job (a job over several assets has several rows)."""
    seen = set[tuple[str, str, str]]()
    for job in jobs:
        for part in job.get("exposures", ()):
            if (key := (job["owner"], job["chain_id"], part["backing"])) not in seen:
                seen.add(key)
                yield {name: job[name] for name in HEAD} | dict(part)


def transaction_of(stored: StoredTx) -> dict[str, Any]:
    """The row of a journalled transaction."""
    signed, outcome = stored.signed, stored.outcome
    row = TransactionRow(
        hash=signed.hash,
        chain_id=signed.chain,
        owner=signed.owner,
        plan_id=signed.plan_id or None,
        words=signed.words,
        at=stored.at,
        attempts=stored.attempts,
        result=None if outcome is None else type(outcome).__name__.lower(),
        reason=getattr(outcome, "reason", None),
        notes=stored.notes,
    )
    return row.model_dump(mode="json")
