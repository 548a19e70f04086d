"""From a chain's settings to the chain: the one place that knows which wing serves which family."""

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
    from yieldbot.execution.world import World
    from yieldbot.model.settings import ChainSettings, Job


def chain_of(settings: ChainSettings) -> Chain:
    """The chain, by its family's wing, which is imported only when one of its chains is asked for."""
    return cast("Chain", import_module(f"yieldbot.chains.{settings.family.name}.chain").Chain(settings))


def session(world: World, job: Job) -> AbstractAsyncContextManager[Session]:
    """The job's chain, to be acted on."""
    return chain_of(job.chain).session(world, job)


def watch(job: Job) -> AbstractAsyncContextManager[Watch]:
    """The job's chain, to be looked at."""
    return chain_of(job.chain).watch(job)


def decode(asked: ToDecode) -> Decoded:
    """What somebody would sign on a chain, in words, by its family's wing. Raises ConfigError."""
    return cast("Decoded", import_module(f"yieldbot.chains.{asked.chain.family.name}.decode").decode(asked))


def messages() -> Messages:
    """The wing whose accounts sign messages as JSON (EIP-712)."""
    return cast("Messages", import_module("yieldbot.chains.evm.decode"))


def tools(anvil: Path | None) -> list[Finding]:
    """The programs of this machine that rehearsals run. ``anvil``: where the configuration says it is."""
    from yieldbot.chains.evm.node.anvil import find_anvil

    try:
        return [Finding("anvil", str(find_anvil(anvil)))]
    except ConfigError as missing:
        return [Finding("anvil", "no rehearsal is possible", str(missing), MISCONFIGURED)]
