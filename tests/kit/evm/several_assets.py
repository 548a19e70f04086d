"""Settings of a job of several assets on the sandbox."""

from __future__ import annotations

import pytest

from tests.kit.pools import without_exchange
from yieldbot.sandbox.evm.node import Sandbox

BASE = """
[policy.bases.USD]
unit = "USD"
assets = { USDC = 1.0, DAI = 0.6 }
"""


@pytest.fixture
def dollars(sandbox: Sandbox) -> Sandbox:
    """The sandbox with one job over both of its stablecoins, which are swapped in one pool."""
    without_exchange(sandbox, "uniswap_v4")
    text = sandbox.config.read_text()
    assert text.count('asset = "USDC"') == 1
    sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
    return sandbox
