"""Programs of the cluster replaced by others."""

from __future__ import annotations

import base64

import pytest

from yieldbot.chains.solana.node.client import AccountImage
from yieldbot.sandbox.solana.node import SvmSandbox


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def put(sandbox: SvmSandbox, address: str, image: AccountImage) -> None:
    data = base64.b64encode(image.data).decode()
    sandbox.rpc("svm_setAccount", address, image.lamports, image.program, data, image.executable)
