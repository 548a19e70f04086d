"""``alert``: makes, lists and removes alerts of the user, and measures them whenever chains were read."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from yieldbot.access.caller import normal
from yieldbot.app import alert_rules, alert_store, notice_memory
from yieldbot.app.access_notes import note
from yieldbot.app.alert_documents import AlertDocument, AlertRow, AlertsDocument, RemovedAlertDocument
from yieldbot.app.alert_names import Known, check_market
from yieldbot.app.alert_rules import Reading, sees
from yieldbot.errors import ConfigError
from yieldbot.model.alerts import FRACTIONS, OF_MARKETS, Alert, Kept, Measure
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.notices import Finding, Severity
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job

MOST_ALERTS = 200
"""Most alerts in all."""
MOST_OF_ONE = 50
"""Most alerts made with one API key."""
LONGEST_NAME = 200
TERMINAL = "terminal"
_NUMBER = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,18})?)\s*(%|bp)?")
_BOUNDS = {
    Measure.RATE: (-1.0, 100.0, "5%"),
    Measure.PRICE: (0.0, 1e12, "0.995"),
    Measure.DEPEG: (0.0, 1.0, "50bp"),
    Measure.UTILISATION: (0.0, 1.0, "95%"),
    Measure.GRADE: (0.0, 100.0, "60"),
    Measure.WEALTH: (0.0, 1e15, "10000"),
}
"""For each measure the least and the greatest threshold, and an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlertRequest:
    """Make an alert."""

    measure: str
    """One of ``Measure``."""
    subject: str
    """A market's name, a token's symbol, or a wallet's name."""
    above: str | None = None
    """The threshold above which it stands, as ``5%``, ``50bp`` or ``0.995``."""
    below: str | None = None
    """The threshold below which it stands. Exactly one of ``above`` and ``below`` is given."""
    hysteresis: str | None = None
    """How far the value must return behind the threshold before the alert ends, written like the threshold; None: it
    ends at the threshold."""
    chain: str | None = None
    """Only subjects on the chain of this name; None: on every chain."""
    asset: str | None = None
    """Symbol of the asset that wealth is counted in; None: all, in US dollars."""
    severity: str = "warning"
    """``info``, ``warning`` or ``critical``."""
    accounts: frozenset[str] | None = None
    """The accounts that the caller may see; None: all."""
    made_by: str = TERMINAL
    """Who makes it: ``terminal``, or an API key's name."""


class NotTheirs(ConfigError):
    """A key may not remove the alert of another."""


class UnknownAlert(ConfigError):
    """There is no alert of this id."""


def add(request: NewAlertRequest, context: Context, known: Known | None = None) -> AlertDocument:
    """Make an alert; it is measured from the next reading on. known: markets of the newest reading, so that none is
    made for a name that no market has; None: chains/*.toml, memory or a reading made now says so. Raises ConfigError
    for invalid values, an unknown name, or too many alerts."""
    alert = _alert(request, context, known)
    with alert_store.alone(context.settings.data_dir) as file:
        kept = alert_store.load(file)
        own = sum(one.alert.made_by == alert.made_by for one in kept)
        if len(kept) >= MOST_ALERTS or (own >= MOST_OF_ONE and alert.made_by != TERMINAL):
            raise ConfigError(f"there are {len(kept)} alerts, {own} of them yours: remove some first")
        made = Kept(alert=alert)
        alert_store.save(file, (*kept, made))
    if request.made_by == TERMINAL:
        note(context, f"alert add {alert.id}", "made")
    return AlertDocument(alert=AlertRow.of(made))


def checked(request: NewAlertRequest, context: Context, known: Known | None = None) -> Alert:
    """The alert that a request would make; none is stored. Raises ConfigError as ``add``."""
    return _alert(request, context, known)


def remove(alert_id: str, context: Context, *, by: str = TERMINAL) -> RemovedAlertDocument:
    """Remove an alert. by: who removes it; an API key may remove only its own. Raises UnknownAlert, NotTheirs for a key
    that did not make it."""
    with alert_store.alone(context.settings.data_dir) as file:
        kept = alert_store.load(file)
        found = next((one.alert for one in kept if one.alert.id == alert_id), None)
        if found is None:
            raise UnknownAlert(f"no alert {one_line(alert_id, 40)}: `yieldbot alert list` shows all")
        if by not in (TERMINAL, found.made_by):
            raise NotTheirs(f"alert {found.id} was made by {found.made_by}: remove it there or at the terminal")
        alert_store.save(file, [one for one in kept if one.alert.id != alert_id])
    if by == TERMINAL:
        note(context, f"alert remove {found.id}", "removed")
    return RemovedAlertDocument(id=found.id)


def list_(context: Context, accounts: frozenset[str] | None = None) -> AlertsDocument:
    """Every alert that a caller with these accounts (None: all) may see. Raises ConfigError."""
    kept = alert_store.load(context.settings.data_dir / alert_store.FILE)
    return AlertsDocument(alerts=tuple(AlertRow.of(one) for one in kept if sees(one.alert, accounts)))


def measure(observed: Iterable[tuple[Job, Snapshot | str | None]], context: Context) -> None:
    """Measure every alert in new readings; each that begins or ends becomes a finding for notices, and a line of
    progress.

    Never raises: a fault is one line of progress, so that readings and runs go on.
    """
    try:
        file = context.settings.data_dir / alert_store.FILE
        if file.exists():
            _measure([(job, seen) for job, seen in observed if seen is not None and not isinstance(seen, str)], context)
    except Exception as failure:  # a fault of alerts must not end a run
        context.complain(f"alerts were not measured: {context.redacted(one_line(str(failure), 300))}")


def measured(context: Context) -> frozenset[MarketId]:
    """The markets of alerts, as far as their ids are known: named by it, or measured before. They are read in full."""
    try:
        kept = alert_store.load(context.settings.data_dir / alert_store.FILE)
    except ConfigError:  # ``measure`` says so
        return frozenset()
    of_markets = [one for one in kept if one.alert.measure in OF_MARKETS]
    return frozenset(MarketId(name) for one in of_markets for name in (one.alert.subject, *one.reached))


def _measure(seen: Sequence[tuple[Job, Snapshot]], context: Context) -> None:
    settings = context.settings
    wanted = {one.alert.measure for one in alert_store.load(settings.data_dir / alert_store.FILE)}
    if not wanted or not seen:
        return
    now = int(time.time())
    readings = [_reading(job, snapshot, wanted, context) for job, snapshot in seen]
    with alert_store.alone(settings.data_dir) as file:
        before = alert_store.load(file)
        after, found = list[Kept](), list[Finding]()
        for kept in before:
            one, findings = alert_rules.advance(kept, alert_rules.values(kept.alert, readings, settings.jobs), now)
            after.append(one)
            found += findings
        # findings first: a process that is killed in between gives the same again, which is known by its key
        notice_memory.put(settings.data_dir, found, make=bool(settings.notices))
        if after != list(before):
            alert_store.save(file, after)
    for finding in found:
        context.say(finding.text)


def _reading(job: Job, snapshot: Snapshot, wanted: set[Measure], context: Context) -> Reading:
    from yieldbot.app.account_entries import journalled
    from yieldbot.app.judged import judged
    from yieldbot.history import holdings

    settings = context.settings
    if Measure.GRADE in wanted and all(state.grade is None for state in snapshot.markets):
        snapshot = judged(snapshot, settings.data_dir, settings.policy, context.complain, journalled(context, job))
    whole = True
    if Measure.WEALTH in wanted:
        records = journalled(context, job)
        lost = (holdings.unread(records, snapshot.of_asset(token), token, settings.policy) for token in job.assets)
        whole = not any(one.held for part in lost for one in part)
    return Reading(job=job, snapshot=snapshot, whole=whole)


def _alert(request: NewAlertRequest, context: Context, known: Known | None) -> Alert:
    if request.measure not in set(Measure):
        raise ConfigError(f"alert {one_line(request.measure, 40)}: {did_you_mean(request.measure, Measure)}")
    chosen = Measure(request.measure)
    if (request.above is None) == (request.below is None):
        raise ConfigError("alert: give one of --above and --below")
    if request.severity not in set(Severity):
        raise ConfigError(f"--severity {one_line(request.severity, 40)}: {did_you_mean(request.severity, Severity)}")
    flag, text = ("--above", request.above) if request.above is not None else ("--below", request.below)
    assert text is not None
    least, most, example = _BOUNDS[chosen]
    threshold = _number(chosen, flag, text, example)
    if not least <= threshold <= most:
        raise ConfigError(f"{flag} {one_line(text, 40)}: no {chosen} can pass it: write one as {example}")
    hysteresis = 0.0 if request.hysteresis is None else _number(chosen, "--hysteresis", request.hysteresis, example)
    if hysteresis < 0 or not least <= (threshold - hysteresis if flag == "--above" else threshold + hysteresis) <= most:
        raise ConfigError("--hysteresis: the value could never come back so far: write a smaller one")
    made = Alert(
        id=secrets.token_hex(4),
        measure=chosen,
        subject=_name("the market, token or wallet", request.subject),
        above=request.above is not None,
        threshold=threshold,
        hysteresis=hysteresis,
        chain=request.chain,
        asset=request.asset,
        severity=Severity(request.severity),
        accounts=request.accounts,
        made_by=request.made_by,
        made_at=int(time.time()),
    )
    _check_names(made, context, known)
    return made


def _check_names(alert: Alert, context: Context, read: Known | None) -> None:
    """Raises ConfigError for a chain, token, wallet or market that no job of these accounts has."""
    jobs = [
        job
        for job in context.settings.jobs
        if alert.accounts is None or normal(str(job.wallet.address)) in alert.accounts
    ]
    symbols = {token.symbol for job in jobs for token in job.assets}
    if alert.asset is not None and alert.measure is not Measure.WEALTH:
        raise ConfigError("--asset: only wealth is counted in an asset: leave it out")
    known = [("--chain", alert.chain, {job.chain.name for job in jobs}), ("--asset", alert.asset, symbols)]
    if alert.measure is Measure.WEALTH:
        known.append(("wallet", alert.subject, {job.wallet.name for job in jobs}))
    elif alert.measure not in OF_MARKETS:
        known.append(("token", alert.subject, symbols))
    for flag, name, names in known:
        if name is not None and name not in names:
            raise ConfigError(f"{flag} {one_line(name, 40)}: no job has it: {did_you_mean(name, names)}")
    if alert.measure in OF_MARKETS:
        mine = [job for job in jobs if alert.chain in (None, job.chain.name)]
        check_market(alert.subject, mine, context, read)
    if alert.measure is Measure.DEPEG:
        pegged = any(
            token.symbol == alert.subject and token.address in job.pegged for job in jobs for token in job.assets
        )
        if not pegged:
            raise ConfigError(f"token {alert.subject} is not pegged to the dollar: use an alert of its price")


def _name(what: str, text: str) -> str:
    if not text or text != one_line(text, LONGEST_NAME):
        raise ConfigError(f"alert: write {what} as one line of at most {LONGEST_NAME} characters")
    return text


def _number(chosen: Measure, flag: str, text: str, example: str) -> float:
    """The number in the measure's unit. Raises ConfigError."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or (chosen in FRACTIONS) is (found[2] is None):
        raise ConfigError(f"{flag} {one_line(text, 40)}: write it as {example}")
    value = float(found[1]) / {"%": 100, "bp": 10_000, None: 1}[found[2]]
    assert math.isfinite(value)
    return value


__all__ = ["NewAlertRequest", "NotTheirs", "add", "list_", "measure", "remove"]
