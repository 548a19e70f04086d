"""An allowance for a stranger, as a wallet may have given one."""

from __future__ import annotations

from tests.kit.contracts import calldata, send
from yieldbot.model.ids import Address
from yieldbot.sandbox.evm.node import Sandbox

STRANGER = Address("0x000000000000000000000000000000000000dEaD")


def allow(sandbox: Sandbox, token: str, spender: str, raw: int) -> None:
    send(sandbox, token, calldata("approve(address,uint256)", spender, raw), sender=sandbox.wallet)
