"""Messages and calls that give control of an account away."""

from __future__ import annotations

from typing import Any

from tests.kit.evm.clear import USDC

ZERO = "0x" + "00" * 20
VRS = (0, bytes(32), bytes(32))
NONCE = bytes(32)
MULTISEND = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"

SAFE_TX = (
    "execTransaction(address t, uint256 v, bytes d, uint8 o, uint256 a, uint256 b, uint256 p, address k, address r, "
    "bytes g)"
)

MANAGER = "allowBySig(address o, address m, bool a, uint256 n, uint256 e, uint8 v, bytes32 r, bytes32 s)"
MORPHO = (
    "setAuthorizationWithSig((address a, address b, bool c, uint256 n, uint256 d) x, (uint8 v, bytes32 r, bytes32 s) y)"
)
MOVED = "address f, address t, uint256 x, uint256 a, uint256 b, bytes32 n, "

SETUP = "setup(address[] o, uint256 n, address t, bytes d, address f, address k, uint256 p, address r)"


def safe(to: str, operation: int, data: bytes = b"", price: int = 0, refund: str = ZERO) -> tuple[Any, ...]:
    return (to, 0, data, operation, 0, 0, price, ZERO, refund, b"")


EXECUTE = "execute(bytes c, bytes[] i, uint256 d)"
DETAILS = "(address,uint160,uint48,uint48)"


def permit(spender: str, amount: int) -> tuple[Any, ...]:
    return ((USDC, amount, 1_800_000_000, 0), spender, 9)
