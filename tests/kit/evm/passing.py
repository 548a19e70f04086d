"""Time that passes in a sandbox, and others who lend there."""

from __future__ import annotations

from yieldbot.sandbox.evm.node import Sandbox


def at(sandbox: Sandbox, seconds: int) -> None:
    """Mine a block at this time."""
    sandbox.rpc("evm_setNextBlockTimestamp", hex(seconds))
    sandbox.rpc("evm_mine")


def newest(sandbox: Sandbox) -> int:
    """The newest block's time."""
    return int(sandbox.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def others_supply(sandbox: Sandbox, whole: int) -> None:
    """Somebody else lends so much to Aave, whose rate falls."""
    (sender, *_), usdc, pool = sandbox.rpc("eth_accounts"), sandbox.addresses["usdc"], sandbox.addresses["aave_pool"]

    def word(value: str | int) -> str:
        return (value[2:].lower() if isinstance(value, str) else f"{value:x}").zfill(64)

    raw = whole * 10**6
    for to, data in (
        (usdc, "0x40c10f19" + word(sender) + word(raw)),  # mint(address,uint256)
        (usdc, "0x095ea7b3" + word(pool) + word(raw)),  # approve(address,uint256)
        (pool, "0x617ba037" + word(usdc) + word(raw) + word(sender) + word(0)),  # supply
    ):
        sent = sandbox.rpc("eth_sendTransaction", {"from": sender, "to": to, "data": data, "gas": hex(600_000)})
        sandbox.rpc("evm_mine")
        assert sandbox.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"
