"""The sandbox in a folder, with an EVM chain, a Solana cluster, or both in one configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import in_checkout
from yieldbot.sandbox.evm import exchanges, protocols
from yieldbot.sandbox.evm import node as evm
from yieldbot.sandbox.files import as_written, keep_changed
from yieldbot.sandbox.solana import node as solana
from yieldbot.sandbox.solana import protocols as programs
from yieldbot.sandbox.solana.compile import all_programs
from yieldbot.sandbox.solana.market import STANDARD
from yieldbot.sandbox.solana.node import SvmSandbox as SvmSandbox

CHAINS = ("evm", "solana", "both")


def needs_checkout() -> None:
    """Raises ConfigError where the sandbox's packages and compilers cannot be: in an installed wheel."""
    if not in_checkout():
        raise ConfigError(
            "the sandbox needs a checkout of yieldbot: clone its repository, and run ./scripts/demo there, which "
            "installs everything; with a real chain, `yieldbot paper` and `yieldbot plan` move no money either"
        )


def known(chain: str) -> tuple[str, ...]:
    """The names of everything that the sandbox of these chains can deploy, sorted."""
    of_evm = (*protocols.found(), *exchanges.found()) if chain != "solana" else ()
    of_solana = tuple(one.protocol for one in programs.found()) if chain != "evm" else ()
    return tuple(sorted({*of_evm, *of_solana}))


@dataclass(frozen=True, slots=True)
class Further:
    """What is deployed in addition to the sandbox's own market."""

    protocols: tuple[str, ...]
    """On the EVM chain."""
    exchanges: tuple[str, ...]
    """On the EVM chain."""
    solana: tuple[str, ...]
    """On the Solana cluster."""

    @classmethod
    def of(cls, chain: str, names: Sequence[str]) -> Further:
        """Raises ConfigError for a name that none of these chains has."""
        there = known(chain)
        for name in names:
            if name not in there:
                raise ConfigError(f"the sandbox of --chain {chain} has no {name!r}: it has {', '.join(sorted(there))}")
        of_solana = {one.protocol for one in programs.found()} - {*STANDARD}
        return cls(
            tuple(name for name in names if name in protocols.found()),
            tuple(name for name in names if name in exchanges.found()),
            tuple(name for name in names if name in of_solana),
        )


@dataclass(frozen=True, slots=True)
class Local:
    """The nodes that run from one folder: an EVM chain, a Solana cluster, or both."""

    directory: Path
    """The sandbox's folder."""
    evm: evm.Sandbox | None
    """The EVM node; None: none runs."""
    solana: solana.SvmSandbox | None
    """The Solana node; None: none runs."""

    @classmethod
    def up(
        cls,
        directory: Path,
        chain: str,
        say: Callable[[str], None],
        *,
        temporary: bool = False,
        also: Sequence[str] = (),
    ) -> Self:
        """Start the chains that ``chain`` names (one of ``CHAINS``); a sandbox that runs there is stopped first.

        ``temporary``: the nodes die with this process. ``also``: protocols and exchanges that are deployed on the EVM
        chain in addition to its own market. A yieldbot.toml that a person has changed is kept under another
        name, since a new one must name the new wallet. Raises ConfigError, TransientError.
        """
        needs_checkout()
        more = Further.of(chain, also)
        if (kept := keep_changed(directory)) is not None:
            say(f"yieldbot.toml has been changed by hand: kept as {kept}")
        cls.down(directory)
        served = None
        if chain == "solana":
            (directory / "chains" / "sandbox.toml").unlink(missing_ok=True)
        else:
            (directory / "chains" / f"{solana.NAME}.toml").unlink(missing_ok=True)
            with ThreadPoolExecutor(1) as beside:  # Solana's programs are compiled meanwhile; start() says what fails
                if chain == "both":
                    beside.submit(all_programs)
                served = asyncio.run(
                    evm.start(directory, say, temporary=temporary, protocols=more.protocols, exchanges=more.exchanges)
                )
        try:
            cluster, at = None, None if served is None else served.status().timestamp  # one clock for both
            if chain != "evm":
                cluster = solana.start(directory, say, temporary=temporary, protocols=more.solana, at=at)
        except BaseException:
            if served is not None:
                served.stop()
            raise
        as_written(directory)
        return cls(directory.absolute(), served, cluster)

    @classmethod
    def running(cls, directory: Path) -> bool:
        """Whether a chain of a sandbox runs from a folder."""
        return evm.current(directory) is not None or solana.current(directory) is not None

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The sandbox that runs from a folder. Raises ConfigError if none does."""
        found = cls(directory, evm.current(directory), solana.current(directory))
        if found.evm is None and found.solana is None:
            raise ConfigError(
                f"no sandbox runs from {directory}: start one with `yieldbot sandbox up --dir {directory}`"
            )
        return found

    @classmethod
    def down(cls, directory: Path) -> tuple[str, ...]:
        """Stop what runs from a folder; returns the nodes that did. Configuration, keys and journal stay."""
        try:
            found = cls.load(directory)
        except ConfigError:
            return ()
        nodes = [f"EVM node at {found.evm.rpc_url}"] if found.evm is not None else []
        nodes += [f"Solana node at {found.solana.rpc_url}"] if found.solana is not None else []
        found.stop()
        return tuple(nodes)

    @property
    def config(self) -> Path:
        """Its yieldbot.toml."""
        return self.directory / "yieldbot.toml"

    def warp(self, days: float) -> None:
        """Let ``days`` pass on each chain. Prices move a little meanwhile."""
        for chain in (self.evm, self.solana):
            if chain is not None:
                chain.warp(days)
        if self.evm is not None and days > 0:
            self.evm.publish()

    def stop(self) -> None:
        """Stop the nodes; the folder stays."""
        for chain in (self.evm, self.solana):
            if chain is not None:
                chain.stop()
