"""The world of a run on the Solana sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from yieldbot.app import cycle
from yieldbot.chains.solana.signing.keystore import KeystoreSigner
from yieldbot.config.load import load
from yieldbot.execution.approvals import Auto
from yieldbot.execution.passphrases import passphrase
from yieldbot.execution.world import Wiring
from yieldbot.journal.store import Journal
from yieldbot.model.settings import Settings
from yieldbot.sandbox.solana.node import SvmSandbox


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


@contextmanager
def world(sandbox: SvmSandbox, settings: Settings | None = None) -> Iterator[Wiring]:
    settings = settings or load(sandbox.config)
    with Journal.open(settings.data_dir / "journal.sqlite") as journal:
        yield Wiring(
            settings=settings,
            journal=journal,
            approver=Auto(journal, settings.policy),
            signer_of=lambda wallet: KeystoreSigner(wallet.keystore, passphrase(wallet, {}, None)),  # type: ignore
            now=lambda: int(time.time()),
            say=lambda line: None,
        )


def wealth(report: cycle.Report) -> int:
    assert report.after is not None
    return sum(state.held.raw for state in report.after.states.values())


def for_sol(sandbox: SvmSandbox) -> str:
    """The sandbox's settings, for SOL instead of USDC."""
    settings = sandbox.config.read_text().replace('asset = "USDC"', 'asset = "SOL"')
    for was, now in (("idle_buffer", "1"), ("min_position", "1"), ("min_move", "0.1"), ("auto_max_move", "100")):
        before = next(line for line in settings.splitlines() if line.startswith(was + " "))
        settings = settings.replace(before, f'{was} = "{now}"')
    return settings


def excluding(sandbox: SvmSandbox, settings: str, *names: str) -> None:
    sandbox.config.write_text(settings.replace("[policy]", f"[policy]\nexclude = {list(names)}", 1))
