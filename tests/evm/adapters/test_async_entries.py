"""Deposit requests (EIP-7540) that were made elsewhere: counted while they wait, claimed by three arguments."""

from __future__ import annotations

from eth_abi.abi import encode

from tests.bench.accuracy import Accuracy
from tests.evm.adapters.test_traps import PUT_RAW, Trap
from tests.kit.evm.conformance import check_calls
from yieldbot.protocols.evm.abi import selector_of
from yieldbot.protocols.evm.erc4626 import Erc4626

NEEDS: tuple[str, ...] = ()
CLAIM = selector_of("mint(uint256,address,address)")


async def test_a_deposit_request_is_seen_claimed_and_left_again(chain: Accuracy) -> None:
    trap, adapter, me = await Trap.of(chain, "AsyncVault", True, deposited_raw=0), Erc4626(), chain.owner
    await chain.fund(me, PUT_RAW)
    ours = adapter.deposit(await trap.state(), trap.market.asset.amount(PUT_RAW), me)
    check_calls(chain, trap.market, ours, PUT_RAW)
    vault = bytes(12) + bytes.fromhex(trap.market.address[2:])
    await chain.send(
        trap.market.asset.address, selector_of("approve(address,uint256)") + vault + PUT_RAW.to_bytes(32, "big")
    )
    asked = selector_of("requestDeposit(uint256,address,address)") + encode(
        ["uint256", "address", "address"], [PUT_RAW, me, me]
    )
    assert [call.data for call in ours] == [asked]
    await chain.send(trap.market.address, asked)
    waits = await trap.state()
    assert waits.leaving is not None and waits.leaving.entering == waits.held.raw == PUT_RAW
    assert any("wait to be deposited by request" in flag for flag in waits.flags)
    assert adapter.collect_exit(waits, me) == () and adapter.withdraw(waits, None, me) == adapter.cancel_exit(waits, me)
    check_calls(chain, trap.market, adapter.cancel_exit(waits, me), None)
    await trap.d.send(trap.contract, "serveDeposit", me)
    ready = await trap.state()
    assert ready.leaving is not None and ready.leaving.entered and ready.leaving.back.raw == ready.held.raw == PUT_RAW
    claim = adapter.cancel_exit(ready, me)
    check_calls(chain, trap.market, claim, None)
    assert [call.data[:4] for call in claim] == [CLAIM]
    await chain.do(claim, me)
    inside = await trap.state()
    assert inside.leaving is None and inside.shares > 0 and inside.held.raw >= PUT_RAW - 1
    await chain.do(adapter.request_exit(inside, None, me), me)
    left = await trap.state()
    assert left.leaving is not None and left.leaving.requested == left.held and not left.shares
