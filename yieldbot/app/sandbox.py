"""``sandbox up | down | warp | status``: a local market of real protocols, with play money."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from yieldbot.app.sandbox_documents import (
    SandboxDocument,
    SandboxDownDocument,
    SandboxStatusDocument,
    SandboxUpDocument,
    SandboxWarpDocument,
    SolanaSandbox,
)
from yieldbot.app.step_times import step
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox import FOLDER
from yieldbot.sandbox.evm.artifacts import is_compiled
from yieldbot.sandbox.local import Local, known, needs_checkout

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.sandbox.local import SvmSandbox

DIRECTORY = FOLDER
"""Default folder of the sandbox."""
MOST_DAYS = 3650

Answer = TypeVar("Answer", bound=SandboxDocument)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRequest:
    """Which sandbox, by its folder."""

    directory: Path = DIRECTORY
    """Its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxUpRequest(SandboxRequest):
    """A sandbox to start."""

    chain: str = "evm"
    """Which chains: ``evm``, ``solana`` or ``both``."""
    also: tuple[str, ...] = ()
    """Protocols and exchanges that it has in addition to its own market."""
    everything: bool = False
    """Whether it has every protocol and exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxWarpRequest(SandboxRequest):
    """Let days pass on a sandbox."""

    days: float
    """How many days pass; above 0."""


def place(given: Path | None, context: Context) -> Path:
    """The sandbox's folder: the given one, else that of a named configuration, else this one if it is a sandbox's, else
    the default."""
    if given is not None:
        return given
    beside = context.config.absolute().parent
    return beside if context.names_config or _is_sandbox(beside) else DIRECTORY


def _is_sandbox(folder: Path) -> bool:
    """Whether a folder has a sandbox's configuration."""
    return any((folder / "chains" / f"{name}.toml").exists() for name in ("sandbox", "solana-sandbox"))


def up(request: SandboxUpRequest, context: Context) -> SandboxUpDocument:
    """Starts the sandbox (the first time it compiles the contracts) and writes its configuration. Raises ConfigError
    for a folder with another configuration in it, for one that a sandbox runs from (a new one has a new chain and
    wallet: what was done on the old one would be gone), and for an unknown protocol."""
    needs_checkout()
    no_real_folder(request.directory)
    not_running(request.directory)
    also = known(request.chain) if request.everything else request.also
    with starting(context.say, request.directory, request.chain, also):
        found = Local.up(request.directory, request.chain, context.say, also=also)
    return _running(SandboxUpDocument, found)


@contextmanager
def starting(say: Callable[[str], None], directory: Path, chain: str, also: Sequence[str] = ()) -> Iterator[None]:
    """Say how long the start of such a sandbox took the last time here, and remember how long this one takes."""
    first = " compiling" if chain != "solana" and not is_compiled() else ""
    with step(say, directory, f"sandbox {chain} {' '.join(sorted(also))}{first}", "starting the sandbox"):
        yield


def down(request: SandboxRequest) -> SandboxDownDocument:
    """Stops the sandbox; its files stay."""
    nodes = Local.down(request.directory)
    return SandboxDownDocument(directory=str(request.directory.absolute()), stopped=bool(nodes), nodes=nodes)


def warp(request: SandboxWarpRequest) -> SandboxWarpDocument:
    """Lets days pass on the sandbox. Raises ConfigError for an invalid number of days, and if none runs."""
    if not 0 < request.days <= MOST_DAYS:
        raise ConfigError(f"{request.days:g} days: name a number above 0, up to {MOST_DAYS}")
    found = Local.load(request.directory)
    found.warp(request.days)
    return _running(SandboxWarpDocument, found)


def status(request: SandboxRequest) -> SandboxStatusDocument:
    """The present blocks of the sandbox's chains. Raises ConfigError where none runs."""
    return _running(SandboxStatusDocument, Local.load(request.directory))


def no_real_folder(directory: Path) -> None:
    """Raise ConfigError for a folder with a configuration that is not a sandbox's, and that would be overwritten."""
    ours = _is_sandbox(directory)
    for name in ("yieldbot.toml", "journal.sqlite", ".env"):
        if not ours and (directory / name).exists():
            raise ConfigError(f"--dir {directory}: {name} exists there and is not a sandbox's: name another folder")


def not_running(directory: Path) -> None:
    """Raise ConfigError where a sandbox runs from this folder."""
    if Local.running(directory):
        raise ConfigError(
            f"a sandbox runs from {directory}: `yieldbot sandbox status` shows it. A new one begins a new chain with a"
            " new wallet; for that, end this one first with `yieldbot sandbox down`"
        )


def _running(answer: type[Answer], found: Local) -> Answer:
    directory, config = str(found.directory), str(found.config)
    solana = _solana(found.solana) if found.solana else None
    if found.evm is not None:
        now = found.evm.status()
        return answer(
            directory=directory,
            config=config,
            rpc_url=found.evm.rpc_url,
            wallet=found.evm.wallet,
            transactions=found.evm.transactions,
            height=now.height,
            timestamp=now.timestamp,
            addresses=dict(found.evm.addresses),
            solana=solana,
        )
    assert solana is not None  # one of them runs
    return answer(
        directory=directory,
        config=config,
        rpc_url=solana.rpc_url,
        wallet=solana.wallet,
        height=solana.height,
        timestamp=solana.timestamp,
        addresses=solana.addresses,
        solana=solana,
    )


def _solana(found: SvmSandbox) -> SolanaSandbox:
    slot = found.rpc("getSlot", {"commitment": "processed"})
    return SolanaSandbox(
        rpc_url=found.rpc_url,
        wallet=found.wallet,
        height=slot,
        timestamp=found.rpc("getBlockTime", slot),
        addresses=dict(found.addresses),
    )
