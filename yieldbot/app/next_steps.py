"""``yieldbot`` without a command: what to do next in this folder. Reads the configuration and the journal; asks no
chain, opens no key and decrypts nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.next_documents import NextDocument, NextStep
from yieldbot.app.wiring import JOURNAL
from yieldbot.config.load import chain_names, read_toml
from yieldbot.errors import ConfigError
from yieldbot.execution.halt import halted
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.text import counted
from yieldbot.resources import in_checkout
from yieldbot.sandbox import FOLDER as DIRECTORY

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.sandbox.local import Local

MOST_OF_A_KIND = 3
"""Most plans or variables that are named."""


def next_steps(context: Context) -> NextDocument:
    """How far this folder is, and what comes next. Raises ConfigError for a configuration that is no TOML or that
    others can change, InvariantError for a damaged journal."""
    file = context.config.expanduser().absolute()
    if not file.exists():
        state = f"there is no {file.name} in {file.parent} yet"
        if (sandbox := _sandbox(file.parent)) is not None:
            return _document(
                file, f"{state}, but a sandbox runs from {DIRECTORY}", [*_of_sandbox(sandbox), *_begin(context)]
            )
        return _document(file, state, _begin(context))
    data_dir = context.halt_dir()
    lacking = _lacking(file, read_toml(file), context)
    if lacking:
        return _document(file, "the configuration is not complete", lacking)
    if (reason := halted(data_dir)) is not None:
        lift = NextStep(command=f"{context.program} resume", why="lifts the halt, when its reason is gone")
        return _document(file, f"halted: nothing is signed or sent ({reason})", [lift])
    return _of_journal(file, data_dir / JOURNAL, context)


def _document(file: Path, state: str, steps: list[NextStep]) -> NextDocument:
    return NextDocument(config=str(file), state=state, steps=tuple(steps))


def _sandbox(folder: Path) -> Local | None:
    """The sandbox that runs from its usual folder; None: none does."""
    directory = folder / DIRECTORY
    if not directory.exists():
        return None
    from yieldbot.sandbox.local import Local  # here: most folders have none

    try:
        return Local.load(directory)
    except ConfigError:
        return None


def _of_sandbox(sandbox: Local) -> list[NextStep]:
    named = f"yieldbot --config {DIRECTORY / sandbox.config.name}"
    return [
        NextStep(command=f"{named} positions", why="what its wallet holds; other commands take the same --config"),
        NextStep(command="yieldbot sandbox down", why="stops the sandbox; its files stay"),
    ]


def _begin(context: Context) -> list[NextStep]:
    demo = NextStep(command="yieldbot demo", why="shows the whole job on a local market, without money")
    return [
        NextStep(command=f"{context.program} init", why="asks six questions and writes the configuration"),
        *([demo] if in_checkout() else []),
        NextStep(command="yieldbot --help", why="lists every command; another configuration is named by --config"),
    ]


def _lacking(file: Path, tables: dict[str, Any], context: Context) -> list[NextStep]:
    """What the configuration needs before any chain can be read."""
    jobs = tables.get("jobs")
    if not jobs:
        return [NextStep(command=f"edit {file}", why="add a [[jobs]] table with wallet, chain and asset")]
    return [
        NextStep(
            command=f"edit {file.parent / '.env'}", why=f"write the RPC URL of {chain} there, as {name}=https://..."
        )
        for chain, name in _variables(file, jobs)
        if not context.gives(name)
    ][:MOST_OF_A_KIND]


def _variables(file: Path, jobs: Any) -> Iterator[tuple[str, str]]:
    """The chains of the jobs, each with the variable of its RPC URL; a fault in a table is left to ``check``."""
    files = chain_names(file)
    chains = [one.get("chain") for one in jobs if isinstance(one, dict)] if isinstance(jobs, list) else []
    for chain in dict.fromkeys(one for one in chains if isinstance(one, str) and one in files):
        name = read_toml(files[chain]).get("rpc_env")
        if isinstance(name, str):
            yield chain, name


def _of_journal(file: Path, path: Path, context: Context) -> NextDocument:
    """What the journal says is due: open transactions, stopped accounts, plans that wait; else the usual commands."""
    program = context.program
    if not path.exists():
        steps = [
            NextStep(command=f"{program} check", why="names what is missing or wrong, with the remedy"),
            NextStep(command=f"{program} plan", why="what it would do, and why; signs nothing"),
            NextStep(command=f"{program} dry-run", why="the same, rehearsed on a fork of the chain"),
            NextStep(command=f"{program} run --approve ask", why="shows the plan and asks before anything is signed"),
        ]
        return _document(file, "configured; nothing has run here yet", steps)
    now = int(time.time())
    with Journal.read(path) as journal:
        waiting = [one.plan.id for one in journal.plans(PlanStatus.QUEUED) if one.plan.expires_at > now]
        stopped = journal.stopped_accounts()
        open_count = len(journal.open_transactions())
    states, steps = list[str](), list[NextStep]()
    if open_count:
        states.append(f"{counted(open_count, 'transaction is', 'transactions are')} still open")
        steps.append(NextStep(command=f"{program} run --approve ask", why="settles what is open before anything else"))
    if stopped:
        (_, owner), reason = next(iter(stopped.items()))
        states.append(f"account {owner} is stopped ({reason})")
        steps.append(NextStep(command=f"{program} resume --clear", why="lets it sign again, after you have looked"))
    if waiting:
        states.append(f"{counted(len(waiting), 'plan waits', 'plans wait')} for you")
        steps.append(NextStep(command=f"{program} history --waiting", why="lists every call of it"))
        steps += [
            NextStep(command=f"{program} approve {one}", why="rehearses it again, shows every call, signs and sends")
            for one in waiting[:MOST_OF_A_KIND]
        ]
    if not steps:
        states.append("configured; nothing is open and no plan waits")
        steps = [
            NextStep(command=f"{program} positions", why="what you hold and what it has earned"),
            NextStep(command=f"{program} plan", why="whether a move pays now, and why"),
            NextStep(command=f"{program} run --approve ask", why="shows the plan and asks before anything is signed"),
            NextStep(command=f"{program} history", why="what was done"),
        ]
    return _document(file, "; ".join(states), steps)
