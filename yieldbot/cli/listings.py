"""Tables of markets and positions, the jobs of all chains together. Imported only when one is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from yieldbot.app import yields
from yieldbot.app.formatting import leaving, when
from yieldbot.app.market_documents import JobMarkets
from yieldbot.app.markets import ListedMarkets as ListedMarkets
from yieldbot.app.results import value
from yieldbot.cli.market_table import Shown, table, to_csv
from yieldbot.cli.profit_table import wheres
from yieldbot.cli.render import at, head, money, names_of, percent, stuck
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount, Apr
from yieldbot.model.durations import duration
from yieldbot.model.ids import ChainId
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.market_documents import YieldsDocument
    from yieldbot.app.results import Across, MeasuredPosition
    from yieldbot.app.together import Together
    from yieldbot.app.totals import AssetTotals


def _title(what: str, jobs: Sequence[tuple[Job, Snapshot]], *, timed: bool = False) -> str:
    """A table's title: one job in full, or the chains of several with their blocks."""
    if len(jobs) == 1:
        ((job, snapshot),) = jobs
        return f"{what}. {head(job, snapshot)}" + (f", {when(snapshot.block.timestamp)}" if timed else "")
    blocks = {job.chain.name: at(snapshot.block) for job, snapshot in jobs}
    return f"{what}. " + ", ".join(f"{chain} {where}" for chain, where in blocks.items())


def _in_wallets(jobs: Sequence[tuple[Job, Snapshot]]) -> str:
    """The line about idle money."""
    several = len(jobs) > 1
    parts = []
    for where, (job, snapshot) in zip(wheres([job for job, _ in jobs]), jobs, strict=True):
        idle = sum((s.held for s in snapshot.idle), Amount(job.asset, 0))
        parts.append(f"{money(idle)} {job.asset.symbol}" + (f" on {where}" if several else ""))
    return f"In the wallet{'s' if several else ''}: " + ", ".join(parts)


def markets(
    found: Sequence[ListedMarkets], document: YieldsDocument, horizon_seconds: float, shown: Shown
) -> RenderableType:
    """A row for each market of all jobs, what we hold first, then what could not be read."""
    jobs = [(one.job, one.snapshot) for one in found]
    note = f"{_in_wallets(jobs)}. APY after: over {duration(horizon_seconds)}, once the amount shown is deposited."
    if document.risk_free is not None:
        risk_free = document.risk_free
        note += f" Risk-free: {risk_free.apy * 100:z.3f} %, {risk_free.name} ({when(risk_free.at)})."
    places = wheres([one.job for one in found])
    lines: list[RenderableType] = [table(_title("Markets", jobs), document, found, places, shown), Text(note)]
    shown_ids = {one.id for job in document.jobs if isinstance(job, JobMarkets) for one in job.glanced}
    for one in found:
        lines += unread([one])
        lines += _glanced(one, horizon_seconds, shown_ids)
    return Group(*lines, *not_looked(one.snapshot for one in found))


def unread(found: Sequence[ListedMarkets]) -> list[Text]:
    """A line for each market that could not be read, with the reason."""
    bad = [bad for one in found for bad in one.snapshot.quarantined]
    return [Text(f"not read: {one.market.name}: {one.reason}", style="yellow") for one in bad]


UNSEEN = "who can change its contracts"
"""The text by which a grade states that controllers are unknown, because no look has been taken yet."""
NOT_LOOKED = "Who can change the contracts is not known yet and is graded as the worst: run `yieldbot watch`"


def not_looked(snapshots: Iterable[Snapshot]) -> list[RenderableType]:
    """The line about markets whose controllers are not known yet; nothing where there is none."""
    grades = [state.grade for snapshot in snapshots for state in snapshot.markets if state.grade is not None]
    return [Text(NOT_LOOKED)] if any(UNSEEN in grade.missing for grade in grades) else []


MOST_GLANCED = 5
"""Markets that were not read in full of which a table shows the rate."""


def _glanced(one: ListedMarkets, horizon_seconds: float, shown_ids: Collection[str]) -> list[RenderableType]:
    """What the table leaves out: markets that were not read in full, with the most that they could pay."""
    glances = [glance for glance in one.snapshot.glanced if glance.market.id in shown_ids]
    if not glances:
        return []
    proof = one.allocation.certificate if one.allocation else None
    why = "none of them can be better for our money"
    better = [one for one in glances if proof is not None and one.market.id in proof.unread]
    if proof is None or better:
        why = f"{len(better) if proof else 'some'} of them could be better: see the gap in `yieldbot plan`"
    rates = [(glance.ceiling.apr(0.0, horizon_seconds), glance) for glance in glances]
    rates.sort(key=lambda rate: (-rate[0], rate[1].market.id))
    unread = counted(len(rates), "market was", "markets were")
    lines = [f"{unread} not read in full: {why}. The most that they could pay:"]
    for most, glance in rates[:MOST_GLANCED]:
        used = "" if glance.utilisation is None else f", {glance.utilisation:z.1%} lent out"
        size = f"{money(glance.supplied)} {glance.market.asset.symbol} supplied{used}"
        lines.append(f"  {percent(Apr(most).compounded())} APY in {glance.market.name}, {size}")
    lines.append("  All of them: `yieldbot markets --json`, under `glanced`.")
    return [Text("\n".join(lines))]


def markets_csv(found: Sequence[ListedMarkets], document: YieldsDocument, shown: Shown) -> str:
    """The same as CSV."""
    return to_csv(document, found, wheres([one.job for one in found]), shown)


Held = tuple[Job, Snapshot, "Sequence[MeasuredPosition]"]


def positions(
    found: Sequence[Held], totals: Sequence[AssetTotals], horizon_seconds: float, policy: Policy
) -> RenderableType:
    """A row for each holding of all jobs: since when, what it earned, expected and realised yield; the sum of each
    asset, and everything that there is of it."""
    several = len(found) > 1
    mixed = len({job.asset.symbol for job, _, _ in found}) > 1
    jobs = [(job, snapshot) for job, snapshot, _ in found]
    made = TextTable(
        _title("Positions", jobs, timed=True),
        "Market",
        *(["Where"] if several else []),
        ">Held",
        ">Withdrawable",
        ">Earned",
        ">Days since change",
        ">APY predicted",
        ">APY realised",
        ">Off by",
        ">APY now",
        empty="Nothing is in a market yet: `yieldbot plan` shows what would go where.",
    )
    for (job, snapshot, held), where in zip(found, wheres([job for job, _ in jobs]), strict=True):
        names, symbol = names_of(snapshot), job.asset.symbol if mixed else ""
        for row in held:
            state = row.state
            off = None if row.predicted is None or row.realised is None else row.realised.value - row.predicted.value
            made.add_row(
                names[state.market.id],
                *([where] if several else []),
                f"{money(state.held)} {symbol}".rstrip(),
                money(state.withdrawable),
                "-" if row.earned is None else money(row.earned, 4),
                "-" if row.since is None else f"{(state.block.timestamp - row.since) / 86_400:z,.2f}",
                percent(row.predicted),
                percent(row.realised),
                "-" if off is None else f"{off * 10_000:+z.4f} bp",
                percent(yields.apy_after(state, state.held, horizon_seconds, policy)),
            )
    for one in totals:
        if sum(len(held) for _, _, held in found) > 1:
            made.add_row(*_sum(one, several, f" {one.asset}" if mixed else ""))
    lines = [line for _, snapshot in jobs for line in stuck(snapshot)]
    lines += [
        f"ALARM {one.code} ({one.act.value}) {row.state.market.name}: {one.saw}"
        for _, _, held in found
        for row in held
        for one in row.state.alarms
    ]
    lines += [*_on_their_way(jobs), *_rewards(jobs, policy)]
    rent = any(job.chain.family.holds_rent for job, _ in jobs)
    whole = [Text(line, style="bold") for one in totals if (line := _whole(one, rent))]
    return Group(made, Text(_in_wallets(jobs)), *whole, *(Text(line) for line in lines))


def _sum(one: AssetTotals, several: bool, symbol: str) -> list[str]:
    """The cells of an asset's row below its positions."""
    off = None if one.apy_realised is None or one.apy_predicted is None else one.apy_realised - one.apy_predicted
    return [
        f"All{symbol}{' that was read' if _without(one) else ''}",
        *([""] if several else []),
        f"{float(one.invested):z,.2f}",
        f"{float(one.withdrawable):z,.2f}",
        f"{float(one.earned):z,.4f}",
        "",
        percent(one.apy_predicted),
        percent(one.apy_realised),
        "-" if off is None else f"{off * 10_000:+z.4f} bp",
        percent(one.apy_now),
    ]


def _whole(one: AssetTotals, rent: bool) -> str:
    """Wealth, earnings, costs and what is left of them, in one line. rent: whether some of our accounts hold rent."""
    parts = []
    if one.wealth is not None:
        parts.append(f"Wealth: {float(one.wealth):z,.2f} {one.asset}{_without(one)}")
    if one.net is not None and one.profit is not None and one.gas is not None:
        gained, net = float(one.profit), float(one.net)
        lacks = " (without what could not be read)" if _without(one) else ""
        sums = f"earned {gained:z,.4f} {one.base}, gas {float(one.gas):z,.4f}, net {net:+z,.4f} {one.base}"
        parts.append(f"{sums}{lacks}")
        if rent:
            parts.append("rent, which comes back when an account is closed, is no cost here")
    if one.unknown:
        parts.append(f"what {one.unknown} of these positions earned is not known")
    return "; ".join(parts)


def _without(one: AssetTotals) -> str:
    """What an asset's sums leave out, as a phrase; empty: nothing."""
    parts = []
    if one.unread_jobs:
        parts.append(f"what {counted(one.unread_jobs, 'job')} on chains that could not be read may hold")
    if one.unread is not None:
        parts.append(f"{float(one.unread):z,.2f} {one.asset} last recorded in markets that could not be read")
    return f" (NOT COUNTED: {' and '.join(parts)})" if parts else ""


def _on_their_way(jobs: Sequence[tuple[Job, Snapshot]]) -> list[str]:
    """Holdings that are leaving a market in two steps, a line each."""
    return [
        f"{names_of(snapshot)[state.market.id]}: "
        f"{leaving(gone.requested, gone.ready, gone.back, gone.until, gone.entry)}"
        for _, snapshot in jobs
        for state in snapshot.markets
        if (gone := state.leaving) is not None
    ]


def _rewards(jobs: Sequence[tuple[Job, Snapshot]], policy: Policy) -> list[str]:
    """Claimable rewards, and reward tokens in the wallets, a line each."""
    lines: list[str] = []
    for job, snapshot in jobs:
        names, lying = names_of(snapshot), {}
        for state in snapshot.states.values():
            if state.market.kind is Kind.IDLE and state.flags:
                lines.append(f"{job.wallet.name} on {job.chain.name}: {', '.join(state.flags)}")
            for reward in state.rewards:
                if reward.in_wallet and reward.token != job.asset:
                    lying[reward.token] = reward.in_wallet
                if not reward.claimable:
                    continue
                worth = f"worth {value(reward, policy):z,.2f} {job.asset.symbol} after the haircut"
                worth += f", {reward.claim_cost:z,.2f} of gas"
                where = names[state.market.id] if reward.proof is None else "Merkl"
                note = worth if reward.price is not None else "no feed prices it, so it counts as nothing"
                lines.append(f"Claimable from {where}: {reward.claimable} ({note})")
        lines += [f"Rewards in the wallet of {job.wallet.name} on {job.chain.name}: {lies}" for lies in lying.values()]
    return lines


def bridging(found: Sequence[Across], chains: Mapping[ChainId, str]) -> RenderableType:
    """What bridging would gain, a line for each asset that is held on several chains."""
    return Group(*(Text(_bridging(one, chains)) for one in found))


def _bridging(one: Across, chains: Mapping[ChainId, str]) -> str:
    if not one.gain_per_year:
        return f"Across chains: bridging {one.symbol} would gain nothing."
    came = ", ".join(f"{v:z,.0f} to {chains[chain]}" for chain, v in one.shifts.items() if v > 0)
    left = ", ".join(f"{-v:z,.0f} from {chains[chain]}" for chain, v in one.shifts.items() if v < 0)
    return (
        f"Across chains: bridging {one.symbol} ({left}, {came}) would earn {one.gain_per_year:z,.2f} a year more; it "
        f"pays within the horizon if bridging costs less than {one.worth:z,.2f}. Nothing is bridged."
    )


def in_one_market(found: Sequence[Together]) -> RenderableType:
    """What markets pay once all plans are carried out, a line for each."""
    return Group(*(Text(_in_one_market(one)) for one in found))


def _in_one_market(one: Together) -> str:
    what = f"{money(one.amount)} {one.amount.token.symbol} into {one.name}"
    return (
        f"Together: {one.plans} plans put {what}: with all of it in, it would pay all of them {percent(one.together)} "
        f"APY; the plans, each of which counts those before it, say {percent(one.least)} to {percent(one.alone)}."
    )
