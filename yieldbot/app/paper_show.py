"""``paper show``: compares each paper wallet with a backtest over the same days and with the real wallet. No chain is
asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from yieldbot.app import paper_state as store
from yieldbot.app.account_entries import journalled
from yieldbot.app.days import moment
from yieldbot.app.memory import folder_of
from yieldbot.app.paper_backtest import backtest_side
from yieldbot.app.paper_documents import PaperComparison, PaperGap, PaperShare, PaperShowDocument, PaperSide
from yieldbot.app.paper_parts import ledger_part
from yieldbot.app.paper_sides import Gap, Side, paper_side, real_side
from yieldbot.errors import ConfigError
from yieldbot.history import market_names
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yieldbot.app.context import Context
    from yieldbot.app.paper_state import PaperState
    from yieldbot.journal.fold import Record

DAY = 86_400
SMALL_PP = 0.005
"""Smaller differences, in percentage points a year, get no line of their own."""

LAST_DAYS = 30
"""Days that are compared if no start is given: a backtest over years takes many seconds."""

Other = Literal["backtest", "reality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperShowRequest:
    """Which paper wallets are shown."""

    name: str = ""
    """The name of one paper wallet; empty: all."""
    history: Path | None = None
    """Memory's folder; None: the configuration's."""
    since: str = ""
    """The first day or time that is compared (``days.moment``); empty: LAST_DAYS before the last step."""
    until: str = ""
    """The last day or time; empty: the last step."""
    backtest: bool = True
    """Whether it is compared with a backtest, which takes seconds."""


def show(request: PaperShowRequest, context: Context) -> PaperShowDocument:
    """The comparison. Raises ConfigError if there is no such wallet, InvariantError if its journal was changed."""
    data_dir = context.settings.data_dir
    names = (request.name,) if request.name else store.existing(data_dir)
    found = [one for name in names if (one := _shown(name, request, context)) is not None]
    if not found:
        which = f"no paper wallet {request.name!r}" if request.name else "no paper wallet"
        raise ConfigError(
            f"there is {which} that has made a step: `{context.program} paper --wealth 10000 --coin USDC`"
        )
    return PaperShowDocument(wallets=tuple(found))


def _shown(name: str, request: PaperShowRequest, context: Context) -> PaperComparison | None:
    file = store.folder_of(context.settings.data_dir, name) / store.FILE
    if not file.is_file() or not file.stat().st_size:
        return None
    with Journal.read(file) as journal:
        records = journal.history()
        steps = store.states(journal, records)
    if not steps:
        return None
    whole, (steps, noted) = len(steps), _within(steps, records, request)
    if not steps:
        raise ConfigError(f"paper wallet {name!r} made no step in that time: write other --from and --to")
    last = steps[-1]
    sides: dict[Literal["paper", "backtest", "reality"], Side] = {"paper": paper_side(steps)}
    missing = []
    if request.backtest:
        replayed = backtest_side(steps, folder_of(context, request.history), context.settings.policy)
        if isinstance(replayed, Side):
            sides["backtest"] = replayed
        else:
            missing.append(f"no backtest: {replayed}")
    real = _real(steps, noted, context)
    if real is not None:
        sides["reality"] = real
    else:
        missing.append(_no_reality(steps))
    remembered = market_names.names(folder_of(context, request.history))
    names = {market: called for (_, market), called in remembered.items()}  # of markets that the backtest alone was in
    names |= {str(key): called for step in steps for key, called in step.names.items()}
    others: tuple[Other, ...] = ("backtest", "reality")
    return PaperComparison(
        name=name,
        wealth=last.wealth,
        coin=last.coin,
        chain=last.chain,
        owner=last.owner,
        asset=last.tokens[last.assets[0]].symbol,
        began=last.began,
        time=last.time,
        since=steps[0].time,
        left_out=whole - len(steps),
        ledger=ledger_part(last),
        sides=tuple(_side(key, side, names) for key, side in sides.items()),
        gaps=tuple(_gap(key, sides["paper"], sides[key], names) for key in others if key in sides),
        missing=tuple(missing),
    )


def _within(
    steps: Sequence[PaperState], records: Sequence[Record], request: PaperShowRequest
) -> tuple[list[PaperState], list[int]]:
    """The steps in the requested time, and when this machine recorded each."""
    first, last = moment(request.since or None), moment(request.until or None, end=True)
    if first is None:
        first = min(last or steps[-1].time, steps[-1].time) - LAST_DAYS * DAY
    noted = [record.at for record in records if isinstance(record.entry, Observed)]
    pairs = zip(steps, noted, strict=True)
    kept = [(one, at) for one, at in pairs if first <= one.time and (last is None or one.time <= last)]
    return [one for one, _ in kept], [at for _, at in kept]


def _real(steps: Sequence[PaperState], noted: Sequence[int], context: Context) -> Side | None:
    if steps[-1].owner is None:
        return None
    return real_side(steps, journalled(context), noted[0], noted[-1])


def _no_reality(steps: Sequence[PaperState]) -> str:
    if steps[-1].owner is None:
        return "no reality: it stands in nobody's place"
    if len(steps) < 2:
        return "no reality: there is one step, and nothing to compare over time"
    return f"no reality: {steps[-1].owner} has none of its assets"


def _side(name: Literal["paper", "backtest", "reality"], side: Side, names: Mapping[str, str]) -> PaperSide:
    shares = sorted(((_part(side, key), key) for key in side.where), reverse=True)
    return PaperSide(
        name=name,
        days=side.seconds / DAY,
        wealth=side.wealth / side.seconds if side.seconds else 0.0,
        net_apr=side.net if side.wealth else None,
        rate=side.rate if side.invested else None,
        expected_rate=side.expected_rate,
        invested_share=side.share,
        earned=side.earned,
        costs=side.costs,
        other=side.other,
        moves=side.moves,
        failed=side.failed,
        where=tuple(
            PaperShare(market_id=key, name=names.get(key, key), share=share) for share, key in shares if share > 0.0
        ),
    )


def _part(side: Side, market_id: str) -> float:
    return side.where.get(market_id, 0.0) / side.wealth if side.wealth else 0.0


def _gap(name: Other, paper: Side, other: Side, names: Mapping[str, str]) -> PaperGap:
    gap = Gap.between(paper, other)
    return PaperGap(
        other=name,
        whole_pp=gap.whole,
        rates_pp=gap.rates,
        timing_pp=gap.timing,
        costs_pp=gap.costs,
        other_pp=gap.other,
        why=tuple(_why(name, paper, other, gap, names)),
    )


def _elsewhere(name: Other, paper: Side, other: Side, names: Mapping[str, str]) -> str:
    """Markets whose fraction of the money differs by more than ``LARGE``, the largest differences first, as text."""
    apart = sorted(
        ((abs(_part(paper, key) - _part(other, key)), key) for key in {*paper.where, *other.where}), reverse=True
    )
    found = [
        f"{names.get(key, key)} had {_part(paper, key):z.0%} of it, in {name} {_part(other, key):z.0%}"
        for size, key in apart[:MOST_NAMED]
        if size > LARGE
    ]
    return f" ({'; '.join(found)})" if found else ""


LARGE, MOST_NAMED = 0.02, 3
OF_RATES = {
    "backtest": "a backtest decides once a day on recorded quotes and guessed shapes, with the real wallet's money in "
    "its rates, and knows of a market's names its protocol alone",
    "reality": "the real wallet moves later and in other amounts, and a rehearsal may close a market to it",
}


OF_REWARDS = {
    "backtest": "a backtest counts neither",
    "reality": "in reality rewards count when they are sold, or claimed in an asset of the job, and prices do not",
}
"""Why rewards and prices differ, by the other side."""


def _why(name: Other, paper: Side, other: Side, gap: Gap, names: Mapping[str, str]) -> list[str]:
    """The large parts of a gap in words; then what none of them explains."""
    found = []
    if abs(gap.rates) >= SMALL_PP:
        found.append(
            f"own rates {gap.rates:+z.2f} pp: money in markets was paid {paper.rate:z.2%} a year, in {name} "
            f"{other.rate:z.2%}{_elsewhere(name, paper, other, names)}; {OF_RATES[name]}"
        )
    if abs(gap.timing) >= SMALL_PP:
        found.append(
            f"timing {gap.timing:+z.2f} pp: {paper.share:z.1%} of the money was in markets, "
            f"in {name} {other.share:z.1%}"
        )
    if abs(gap.costs) >= SMALL_PP:
        found.append(
            f"costs {gap.costs:+z.2f} pp: {paper.costs:z,.4f} for {paper.moves} plans, in {name} "
            f"{other.costs:z,.4f} for {other.moves}"
        )
    if abs(gap.other) >= SMALL_PP:
        found.append(f"rewards and prices {gap.other:+z.2f} pp: {OF_REWARDS[name]}")
    if other.failed:
        found.append(f"failures: {other.failed} plans in {name} failed, were rejected or expired; on paper none does")
    said = [
        f"{key}: {side.expected_rate:z.2%} was expected, {side.rate:z.2%} was paid"
        for key, side in (("paper", paper), (name, other))
        if side.expected_rate is not None
    ]
    return [*found, f"forecast against realised: {'; '.join(said)}"] if said else found
