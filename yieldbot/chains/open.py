"""Finds the package of a chain's family. No other module does."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from yieldbot.chains.findings import MISCONFIGURED, Finding
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.chains.decoding import Decoded, Messages, ToDecode
    from yieldbot.chains.ports import Chain, Session, Watch
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import ChainSettings, Job


def chain_of(settings: ChainSettings) -> Chain:
    """The chain; its family's package is imported on first use."""
    return cast("Chain", import_module(f"yieldbot.chains.{settings.family.name}.chain").Chain(settings))


def session(world: Wiring, job: Job) -> AbstractAsyncContextManager[Session]:
    """Opens the job's chain for reading and for sending transactions."""
    return chain_of(job.chain).session(world, job)


def watch(job: Job) -> AbstractAsyncContextManager[Watch]:
    """Opens the job's chain for reading only."""
    return chain_of(job.chain).watch(job)


def decode(request: ToDecode) -> Decoded:
    """Decodes a call or transaction, by the family of its chain. Raises ConfigError for bytes that cannot be
    decoded."""
    return cast("Decoded", import_module(f"yieldbot.chains.{request.chain.family.name}.decode").decode(request))


def messages() -> Messages:
    """The family that decodes messages to sign (EIP-712)."""
    return cast("Messages", import_module("yieldbot.chains.evm.decode"))


def tools(anvil: Path | None) -> list[Finding]:
    """Findings about the programs that rehearsals run. anvil: the configured path; None: it is searched for."""
    from yieldbot.chains.evm.node.anvil import find_anvil

    try:
        return [Finding("anvil", str(find_anvil(anvil)))]
    except ConfigError as missing:
        return [Finding("anvil", "no rehearsal is possible", str(missing), MISCONFIGURED)]
