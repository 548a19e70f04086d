"""``proposal``: what an assistant proposes beside plans (an exit, an alert, a change of one setting) waits here until a
person accepts or rejects it, at the terminal or on the page. Nothing in it takes effect by itself."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from yieldbot.app import alerts, setting_changes
from yieldbot.app.access_notes import note
from yieldbot.app.alert_store import alone
from yieldbot.app.proposal_documents import AlertWish, ProposalDocument, ProposalRow, ProposalsDocument, SettingWish
from yieldbot.errors import ConfigError
from yieldbot.model.text import one_line
from yieldbot.resources import read_text, why

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.alert_names import Known
    from yieldbot.app.context import Context

FILE = "proposals.json"
DAYS = 7
"""Days after which a proposal expires."""
MOST_WAITING = 20
MOST_KEPT = 200
_ROWS = TypeAdapter(tuple[ProposalRow, ...])


def propose_exit(context: Context, caller: Caller, position: Mapping[str, Any], lines: tuple[str, ...]) -> ProposalRow:
    """Propose to leave a market. position: the row of what is held there. Raises ConfigError where too many proposals
    wait."""
    where = {"market_id": str(position["id"]), "wallet": position["wallet"], "chain": position["chain"]}
    return _add(context, caller, ProposalRow(kind="exit", lines=lines, **where, **_head(caller)))


def propose_alert(context: Context, caller: Caller, wish: AlertWish, known: Known | None) -> ProposalRow:
    """Propose an alert. Raises ConfigError for one that could not be made."""
    made = alerts.checked(_request(wish, caller.accounts, caller.name), context, known)
    value = wish.above if made.above else wish.below
    words = f"alert when {made.measure} of {made.subject} is {'above' if made.above else 'below'} {value}"
    return _add(context, caller, ProposalRow(kind="alert", lines=(words,), alert=wish, **_head(caller)))


def propose_setting(context: Context, caller: Caller, wish: SettingWish) -> ProposalRow:
    """Propose a change of one setting. Raises SafetyError unless it is to the safer side."""
    if caller.accounts is not None:
        raise ConfigError("settings are of all accounts: a key of some cannot propose a change")
    old = read_text(context.config)
    new = setting_changes.changed(context.config, old, wish.key, wish.value, context.settings.chains)
    lines = setting_changes.difference(old, new)
    return _add(context, caller, ProposalRow(kind="setting", lines=lines, setting=wish, **_head(caller)))


def list_(context: Context, accounts: frozenset[str] | None = None) -> ProposalsDocument:
    """All proposals, the newest first. accounts: the only ones that whoever asks may see; None: all. Raises ConfigError
    where they cannot be read."""
    rows = [row for row in _load(context.settings.data_dir / FILE) if _of_all(row, accounts)]
    return ProposalsDocument(proposals=tuple(reversed(rows)))


def accept(proposal_id: str, context: Context, confirm: Callable[[ProposalRow], bool]) -> ProposalDocument:
    """Carry out a proposal, if the person at the terminal confirms it: an exit's plan then waits for approval. Raises
    ConfigError, SafetyError where the file has changed so that it would not be safer, and YieldbotError where another
    run is in progress; the proposal then waits on."""
    row = waiting(proposal_id, context)
    if not confirm(row):
        return ProposalDocument(proposal=row, done=None)
    if row.kind == "exit":
        from yieldbot.app import exit as exits
        from yieldbot.app.wiring import JobFilter

        asked = exits.ExitRequest(market=row.market_id, jobs=JobFilter(wallet=row.wallet, chain=row.chain))
        done = ordered(exits.queued(asked, context).document.as_json(), context)
    else:
        done = carry_out(row, context, alerts.TERMINAL)
    note(context, f"proposal {row.id} ({row.kind})", "accepted")
    return ProposalDocument(proposal=ended(row, "accepted", context), done=done)


def carry_out(row: ProposalRow, context: Context, by: str) -> str:
    """Make the alert, or change the setting; returns what was done. by: who accepts it. Raises as ``accept``."""
    if row.alert is not None:
        accounts = None if row.accounts is None else frozenset(row.accounts)
        made = alerts.add(_request(row.alert, accounts, by), context)
        return f"alert {made.alert.id} is made"
    assert row.setting is not None
    old = read_text(context.config)
    new = setting_changes.changed(context.config, old, row.setting.key, row.setting.value, context.settings.chains)
    if setting_changes.difference(old, new) != row.lines:
        raise ConfigError(f"{context.config.name} has changed since: reject proposal {row.id}, and ask again")
    _replace(context.config, new)
    return f"{context.config.name} is changed: runs that begin from now on use it, a server after SIGHUP"


def ordered(found: Mapping[str, Any], context: Context) -> str:
    """What became of the order to leave a market. found: the ``ExitDocument`` as JSON."""
    plans = [job["plan"]["id"] for job in found["jobs"] if job["exit_code"] == 3 and (job.get("plan") or {}).get("id")]
    if plans:
        program = context.program
        return f"ordered; its plan waits: {', '.join(f'{program} approve {one}' for one in plans)}"
    reasons = [one for job in found["jobs"] if (one := _why(job))]
    return f"ordered; nothing can come out now: {'; '.join(dict.fromkeys(reasons)) or 'a later run takes it out'}"


def reject(proposal_id: str, context: Context, by: str = alerts.TERMINAL, where: str = "") -> ProposalDocument:
    """Reject a proposal. by: who does; where: their address. Raises ConfigError where none of this id waits."""
    row = waiting(proposal_id, context)
    note(context, f"proposal {row.id} ({row.kind})", "rejected", by, where)
    return ProposalDocument(proposal=ended(row, "rejected", context), done=None)


def _why(job: Mapping[str, Any]) -> str:
    """Why a job's cycle took nothing out."""
    declined, plan = job.get("declined") or {}, job.get("plan") or {}
    still = [one["why"] for one in job.get("still_in", ())]
    return one_line(str(job.get("message") or declined.get("reason") or "; ".join(still) or plan.get("reason") or ""))


def _of_all(row: ProposalRow, accounts: frozenset[str] | None) -> bool:
    """Whether who may see these accounts (None: all) may see a proposal: it came from somebody who sees no more."""
    return accounts is None or (row.accounts is not None and accounts.issuperset(row.accounts))


def _request(wish: AlertWish, accounts: frozenset[str] | None, by: str) -> alerts.NewAlertRequest:
    return alerts.NewAlertRequest(
        measure=wish.measure,
        subject=wish.subject,
        above=wish.above,
        below=wish.below,
        chain=wish.chain,
        accounts=accounts,
        made_by=by,
    )


def _head(caller: Caller) -> dict[str, Any]:
    now = int(time.time())
    return {
        "id": secrets.token_hex(4),
        "status": "waiting",
        "by": caller.name,
        "at": now,
        "expires_at": now + DAYS * 86_400,
        "accounts": None if caller.accounts is None else tuple(sorted(caller.accounts)),
    }


def _add(context: Context, caller: Caller, made: ProposalRow) -> ProposalRow:
    """Store a proposal; the same one that waits already is returned in its place."""
    with alone(context.settings.data_dir) as other:
        file = other.with_name(FILE)
        rows = _load(file)
        waiting = [row for row in rows if row.status == "waiting"]
        for row in waiting:
            if row.by == made.by and (row.kind, row.lines) == (made.kind, made.lines):
                return row
        if len(waiting) >= MOST_WAITING:
            raise ConfigError(f"{len(waiting)} proposals wait already: accept or reject some first")
        _save(file, (*rows, made))
    return made


def waiting(proposal_id: str, context: Context) -> ProposalRow:
    """The proposal, if it waits. Raises ConfigError if it does not."""
    for row in _load(context.settings.data_dir / FILE):
        if row.id == proposal_id:
            if row.status != "waiting":
                raise ConfigError(f"proposal {row.id} is {row.status}: `yieldbot proposal list` shows all")
            return row
    raise ConfigError(f"no proposal {one_line(proposal_id, 40)}: `yieldbot proposal list` shows all")


def ended(row: ProposalRow, status: str, context: Context) -> ProposalRow:
    """Store what became of a proposal."""
    with alone(context.settings.data_dir) as other:
        file = other.with_name(FILE)
        made = row.model_copy(update={"status": status})
        _save(file, tuple(made if one.id == row.id else one for one in _load(file)))
    return made


def _load(file: Path) -> tuple[ProposalRow, ...]:
    try:
        rows = _ROWS.validate_json(read_text(file))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError):
        raise ConfigError(f"{file} cannot be read: move it away; what waited there is then forgotten") from None
    now = time.time()
    return tuple(
        row.model_copy(update={"status": "expired"}) if row.status == "waiting" and row.expires_at <= now else row
        for row in rows
    )


def _save(file: Path, rows: tuple[ProposalRow, ...]) -> None:
    _write(file, _ROWS.dump_json(rows[-MOST_KEPT:], indent=1), 0o600)


def _replace(path: Path, text: str) -> None:
    """Replace yieldbot.toml, completely or not at all; who may read it stays as it was."""
    path = path.resolve()
    _write(path, text.encode(), stat.S_IMODE(path.stat().st_mode))


def _write(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    except OSError as failure:
        raise ConfigError(f"{path} cannot be written: {why(failure, path)}") from None
