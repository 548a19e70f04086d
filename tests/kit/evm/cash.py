"""Sets the cash of the sandbox's first Aave market, by a lender who withdraws or deposits."""

from __future__ import annotations

from tests.kit.contracts import call, calldata, send
from yieldbot.model.ids import MarketId
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6
NAME = "Aave v3"


def aave_id(sandbox: Sandbox) -> MarketId:
    """The market's id."""
    return MarketId(f"aave_v3/31337/{sandbox.addresses['aave_pool'].lower()}/{sandbox.addresses['usdc'].lower()}")


def cash(sandbox: Sandbox) -> int:
    """The market's cash, in base units."""
    usdc, pool = sandbox.addresses["usdc"], sandbox.addresses["aave_pool"]
    a_token = "0x" + call(sandbox, pool, "getReserveAToken(address)", usdc)[12:].hex()
    return int.from_bytes(call(sandbox, usdc, "balanceOf(address)", a_token), "big")


def put_in(sandbox: Sandbox, whole: int) -> None:
    """Supply ``whole`` USDC from our wallet, without the program."""
    usdc, pool = sandbox.addresses["usdc"], sandbox.addresses["aave_pool"]
    send(sandbox, usdc, calldata("approve(address,uint256)", pool, whole * USDC), sender=sandbox.wallet)
    data = calldata("supply(address,uint256,address,uint16)", usdc, whole * USDC, sandbox.wallet, 0)
    send(sandbox, pool, data, sender=sandbox.wallet)


def leave_cash(sandbox: Sandbox, whole: float) -> None:
    """Make the market's cash ``whole`` USDC: the lender withdraws or deposits the difference."""
    usdc, pool, wanted = sandbox.addresses["usdc"], sandbox.addresses["aave_pool"], round(whole * USDC)
    lender, there = sandbox.rpc("eth_accounts")[0], cash(sandbox)
    if there > wanted:
        send(sandbox, pool, calldata("withdraw(address,uint256,address)", usdc, there - wanted, lender))
    else:
        send(sandbox, pool, calldata("supply(address,uint256,address,uint16)", usdc, wanted - there, lender, 0))
