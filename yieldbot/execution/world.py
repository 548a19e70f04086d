"""What a wiring of the cycle is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from yieldbot.execution.approvals import Approver
from yieldbot.journal.store import Journal
from yieldbot.model.policy import Settings, Wallet
from yieldbot.protocols.evm.base import YieldAdapter
from yieldbot.protocols.solana.base import SvmAdapter


class SignerOf(Protocol):
    """The signer of a wallet, of its own family (the ``Signer`` of its wing); its passphrase, AWS or its device is
    asked only when something is to be signed."""

    def __call__(self, wallet: Wallet) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One wiring of the stages. ``now``: unix seconds. ``say``: one progress line for the person who watches.

    ``open_key``: called before a plan is rehearsed; may open the wallet's signer, so that a wrong passphrase ends the
    job (ConfigError) before anything is approved.
    """

    settings: Settings
    adapters: Mapping[str, YieldAdapter]
    journal: Journal
    approver: Approver
    signer_of: SignerOf
    now: Callable[[], int]
    say: Callable[[str], None]
    open_key: Callable[[Wallet], None] = lambda wallet: None
    svm_adapters: Mapping[str, SvmAdapter] = field(default_factory=dict)
