"""A Safe's proposal, with doubles of the device and the chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as Keys

from tests.kit.chain_double import ChainDouble, settings
from tests.kit.wiring import (
    BLOCK,
    EXPIRES,
    KEY,
    OWNER,
    POOL,
    RAW,
    SHARES,
    STRANGER,
    USDC,
    plan,
    supply_data,
    word,
    work,
)
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import Fees, allowance_call
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.evm.signing.safe import ApprovedSafeTx
from yieldbot.chains.evm.signing.safe_tx import EXEC, NOBODY, batch
from yieldbot.execution.approvals import Approval
from yieldbot.model.ids import Address
from yieldbot.model.native import native_token
from yieldbot.model.tx import Delta

SAFE = Address("0x5AfE5afE5AfE5afE5aFe5AFe5Afe5afE5aFe5AFE")
SEND = settings().safe_multisend

PLAN = replace(plan(), owner=SAFE)
APPROVAL = Approval(PLAN, "you", EXPIRES)
ALLOW, SUPPLY = allowance_call(USDC, POOL, RAW, "Aave v3"), replace(work().calls[0], data=supply_data(to=SAFE))
WORK: LegWork = replace(work(), calls=(SUPPLY,))
DELTAS = (Delta(USDC, -RAW), Delta(SHARES, RAW), Delta(native_token(settings()), 0))
REHEARSAL = Rehearsal(
    BLOCK,
    (RehearsedLeg(0, (RehearsedTx(ALLOW, 50_000, 80_000), RehearsedTx(SUPPLY, 200_000, 300_000)), DELTAS),),
    Fees(1, 1),
)
AT, TO = (USDC.address.lower(), SAFE.lower()), (SHARES.address.lower(), SAFE.lower())


class Device:
    """A double of a device with the key 0x11...11, which signs a Safe's hash. spoils: it returns a signature of another
    key."""

    address = OWNER

    def __init__(self, spoils: bool = False) -> None:
        self.key = "22" * 32 if spoils else KEY
        self.asked: list[ApprovedSafeTx] = []

    def sign_safe(self, approved: ApprovedSafeTx) -> bytes:
        self.asked.append(approved)
        return bytes(Keys.unsafe_sign_hash(approved.hash, self.key).signature)


def chain_with(owners: tuple[str, ...] = (STRANGER, OWNER), threshold: int = 2, nonce: int = 9) -> ChainDouble:
    """A double of a chain with the Safe, on whose fork the batch succeeds as planned."""
    chain = ChainDouble(code={SAFE.lower(): "0x01", SEND.lower(): "0x01"}, tokens={AT: RAW, TO: 0})
    chain.answers = {
        (SAFE.lower(), selector("getOwners()").hex()): encode(["address[]"], [owners]),
        (SAFE.lower(), selector("getThreshold()").hex()): encode(["uint256"], [threshold]),
        (SAFE.lower(), selector("nonce()").hex()): encode(["uint256"], [nonce]),
    }

    def effect(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        wanted = batch(SAFE, 8453, [ALLOW, SUPPLY], SEND, nonce)
        agreed = word(OWNER) + bytes(32) + b"\x01"
        kinds = ["address", "uint256", "bytes", "uint8", "uint256", "uint256", "uint256", "address", "address", "bytes"]
        data = encode(kinds, [SEND, 0, wanted.data, 1, 0, 0, 0, NOBODY, NOBODY, agreed])
        steps = {name: params for name, params in fork.asked if name.startswith("anvil_")}
        alone = steps["anvil_setStorageAt"] == [SAFE, "0x4", "0x" + (1).to_bytes(32, "big").hex()]
        if not alone or steps["anvil_impersonateAccount"] != [OWNER] or steps["anvil_setBalance"][0] != OWNER:
            return None
        if (fields["from"], fields["to"], fields["data"]) != (OWNER, SAFE, "0x" + (selector(EXEC) + data).hex()):
            return None
        fork.tokens[AT] -= RAW
        fork.tokens[TO] += RAW
        return []

    chain.effect = effect
    return chain
