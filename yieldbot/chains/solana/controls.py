"""One look at what a Solana cluster's markets stand on: each market's program, when it was deployed last, and who may
deploy it anew.

A multisig's vault (Squads and others) is an address that no key has; which multisig's, and how many must sign, its
account does not say. It is a contract that nobody is known to be behind: the worst case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Controls, Look, Part
from yieldbot.model.ids import Address
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.model.market import Kind, Market

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.answers import AccountImage
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.amounts import BlockRef

PROGRAM_TAG, PROGRAM_BYTES = b"\x02\0\0\0", 36
"""UpgradeableLoaderState::Program: its tag, then the address of the account with its code."""
DATA_TAG, DATA_BYTES = b"\x03\0\0\0", 45
"""UpgradeableLoaderState::ProgramData before the code: tag, slot of the last deployment (8 bytes), 1 and the upgrade
authority, or 0."""


async def look(node: Node, markets: Sequence[Market], block: BlockRef) -> Look:
    """The facts about the programs of the markets now. Raises TransientError where they cannot be read."""
    programs = {
        m.id: Address(m.params["program"]) for m in markets if m.kind is not Kind.IDLE and "program" in m.params
    }
    known = list(dict.fromkeys(programs.values()))
    images = await node.heads(known, PROGRAM_BYTES) if known else {}
    behind = {one: data for one in known if (data := data_of(images[one])) is not None}
    deployed = await node.heads(list(behind.values()), DATA_BYTES) if behind else {}
    facts = {one: facts_of(one, images[one], behind.get(one), deployed, block.height) for one in known}
    controls = {
        market: Controls(market=market, contracts=(facts[program],), block=block.height, time=block.timestamp)
        for market, program in programs.items()
    }
    return Look(block=block.height, time=block.timestamp, controls=controls, since=block.height + 1)


def data_of(image: AccountImage | None) -> Address | None:
    """The account with an upgradeable program's code; None for any other account."""
    if image is None or image.program != UPGRADEABLE_LOADER or len(image.data) < PROGRAM_BYTES:
        return None
    return _key(image.data[4:36]) if image.data.startswith(PROGRAM_TAG) else None


def facts_of(
    program: Address,
    image: AccountImage | None,
    behind: Address | None,
    deployed: Mapping[Address, AccountImage | None],
    slot: int,
) -> ContractFacts:
    """The facts about one program. Pure."""

    def made(upgrade_by: Controller, *, at: int | None = None, missing: tuple[str, ...] = ()) -> ContractFacts:
        values = () if at is None else (("deployed at slot", str(at)),)
        return ContractFacts(
            address=program,
            part=Part.POOL,
            name="program",
            implementation=behind,
            values=values,
            upgrade_by=upgrade_by,
            created_block=at,
            block=slot,
            missing=missing,
        )

    if image is None:
        return made(_unknown("there is no such program"), missing=("the program",))
    if behind is None:
        if image.executable and image.program != UPGRADEABLE_LOADER:
            return made(NO_ONE)  # deployed for good
        return made(_unknown("its account cannot be read"), missing=("its code's account",))
    data = image_data(deployed.get(behind))
    if data is None:
        return made(_unknown("its code's account cannot be read"), missing=("its code's account",))
    at, holder = int.from_bytes(data[4:12], "little"), data[12:45]
    return made(NO_ONE if holder[0] == 0 else authority(_key(holder[1:])), at=at)


def image_data(image: AccountImage | None) -> bytes | None:
    """The head of a ProgramData account; None where it is none."""
    if image is None or len(image.data) < DATA_BYTES or not image.data.startswith(DATA_TAG) or image.data[12] > 1:
        return None
    return image.data[:DATA_BYTES]


def authority(address: Address) -> Controller:
    """Who an upgrade authority is: a key, or an address that no key can have, which a program signs for."""
    from solders.pubkey import Pubkey

    if Pubkey.from_string(address).is_on_curve():
        return Controller(kind=ControllerKind.EOA, address=address)
    why = "a program signs for it: a multisig's vault, or the like"
    return Controller(kind=ControllerKind.CONTRACT, address=address, why=why)


def _unknown(why: str) -> Controller:
    return Controller(kind=ControllerKind.UNKNOWN, why=why)


def _key(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data)))
