"""The world of a run on the EVM sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from yieldbot.chains.evm.signing.keystore import KeystoreSigner
from yieldbot.config.load import load
from yieldbot.execution.approvals import Auto, DeclineAll, PreApproved, Queue
from yieldbot.execution.passphrases import passphrase
from yieldbot.execution.world import Wiring
from yieldbot.journal.store import Journal
from yieldbot.model.settings import Settings
from yieldbot.sandbox.evm.node import Sandbox


@contextmanager
def world(sandbox: Sandbox, approver: object = Auto, settings: Settings | None = None) -> Iterator[Wiring]:
    settings = settings or load(sandbox.directory / "yieldbot.toml")
    with Journal.open(settings.data_dir / "journal.sqlite") as journal:
        chosen = {
            Auto: lambda: Auto(journal, settings.policy),
            Queue: lambda: Queue(journal),
            DeclineAll: lambda: DeclineAll(),
        }.get(approver, lambda: PreApproved(journal, str(approver)))()
        yield Wiring(
            settings=settings,
            journal=journal,
            approver=chosen,
            signer_of=lambda wallet: KeystoreSigner(wallet.keystore, passphrase(wallet, {}, None)),
            now=lambda: int(time.time()),
            say=lambda line: None,
        )


def transactions(sandbox: Sandbox) -> int:
    return int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16)
