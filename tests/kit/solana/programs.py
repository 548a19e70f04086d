"""Replaces programs of the cluster by doubles that keep deposits, and reads what the journal then has."""

from __future__ import annotations

import base64
from typing import TypeVar

import pytest

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.execution.world import Wiring
from yieldbot.journal.exit_entries import ExitProven
from yieldbot.model.ids import Address
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import named, program_image
from yieldbot.sandbox.solana.node import SvmSandbox

TRAP = "Save turbo (double)"
E = TypeVar("E")


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def put(sandbox: SvmSandbox, address: str, image: AccountImage) -> None:
    data = base64.b64encode(image.data).decode()
    sandbox.rpc("svm_setAccount", address, image.lamports, image.program, data, image.executable)


def becomes(sandbox: SvmSandbox, trap: str, name: str = "save", address: Address | None = None) -> None:
    """Replace the program of a market by its double compiled with ``trap`` ("": without one). address: the program's;
    None: that of Save's turbo market."""
    image = program_image(program(name, trap))
    code = base64.b64encode(image.data).decode()
    at = address or named("turbo", "program")
    sandbox.rpc("svm_setAccount", at, image.lamports, image.program, code, True)


def written(w: Wiring, kind: type[E]) -> list[E]:
    return [record.entry for record in w.journal.history() if isinstance(record.entry, kind)]


def into(proofs: list[ExitProven]) -> set[str]:
    return {proof.market_id for proof in proofs}
