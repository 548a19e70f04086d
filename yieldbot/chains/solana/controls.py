"""One look at the programs that a Solana cluster's markets depend on: when each was last deployed, and who may upgrade
it.

An upgrade authority is often the vault of a multisig: an address derived from the multisig, which no account names. The
chain's file may name the multisig; else the accounts in the vault's last transactions are tried, and a match is stored.
Either way the vault's address is derived again from the multisig, so that a false claim fails. A vault without a known
multisig counts as an unknown contract, the worst case.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from yieldbot.chains.solana import multisigs
from yieldbot.errors import TransientError
from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Controls, Look, Part
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.model.market import Kind, Market

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.answers import AccountImage
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.settings import SvmLimits

MOST_SIGNATURES, MOST_ACCOUNTS = 5, 60
"""Most transactions of a vault that are searched for its multisig, and most accounts in them that are read."""
AGAIN_SECONDS = 7 * 86_400
"""Seconds after which a vault whose multisig was not found is searched again."""
LEAST_SLOT_SECONDS = 0.4
"""The shortest duration of a slot, in seconds."""
PROGRAM_TAG, PROGRAM_BYTES = b"\x02\0\0\0", 36
"""UpgradeableLoaderState::Program: its tag, then the address of the account with its code."""
DATA_TAG, DATA_BYTES = b"\x03\0\0\0", 45
"""UpgradeableLoaderState::ProgramData before the code: tag, slot of the last deployment (8 bytes), 1 and the upgrade
authority, or 0."""


async def look(
    node: Node, limits: SvmLimits, markets: Sequence[Market], block: BlockRef, known: Mapping[str, Any]
) -> Look:
    """The facts about the programs of the markets now. known: ``Look.known`` of the last look. Raises TransientError
    where they cannot be read."""
    programs = {
        m.id: Address(m.params["program"]) for m in markets if m.kind is not Kind.IDLE and "program" in m.params
    }
    listed = list(dict.fromkeys(programs.values()))
    images = await node.heads(listed, PROGRAM_BYTES) if listed else {}
    behind = {one: data for one in listed if (data := data_of(images[one])) is not None}
    deployed = await node.heads(list(behind.values()), DATA_BYTES) if behind else {}
    authorities = dict.fromkeys(filter(None, (authority_of(deployed.get(one)) for one in behind.values())))
    book = _Book.of(known, limits)
    await book.read(node, tuple(authorities), block)
    facts = {
        one: _aged(
            book.with_members(facts_of(one, images[one], behind.get(one), deployed, block.height, book.who)), block
        )
        for one in listed
    }
    controls = {
        market: Controls(market=market, contracts=(facts[program],), block=block.height, time=block.timestamp)
        for market, program in programs.items()
    }
    return Look(
        block=block.height,
        time=block.timestamp,
        controls=controls,
        since=block.height + 1,
        known=book.kept(),
    )


@dataclass(slots=True)
class _Book:
    """Identifies upgrade authorities."""

    limits: SvmLimits
    """The multisigs and durable nonces that the chain file names."""
    found: dict[Address, Address]
    """Multisigs by the vault that they sign for, from earlier looks."""
    searched: dict[Address, int]
    """When a vault's transactions were searched, in unix seconds."""
    who: dict[Address, Controller] = field(default_factory=dict)
    """The controller behind each authority."""
    nonces: dict[Address, tuple[Address, str]] = field(default_factory=dict)
    """By durable nonce account: (its authority, the hash that it stores)."""

    @classmethod
    def of(cls, known: Mapping[str, Any], limits: SvmLimits) -> _Book:
        """Made from what the last look stored; empty if that cannot be decoded."""
        try:
            found = {Address(at): Address(one) for at, one in known["multisigs"].items()}
            return cls(limits, found, {Address(at): int(time) for at, time in known["searched"].items()})
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls(limits, {}, {})

    def kept(self) -> dict[str, Any]:
        """What is stored for the next look."""
        return {"multisigs": dict(self.found), "searched": dict(self.searched)}

    async def read(self, node: Node, authorities: tuple[Address, ...], block: BlockRef) -> None:
        """Identify these authorities: one request for all their accounts, and a few more for each unknown vault."""
        wanted = [*authorities, *self.limits.multisigs, *self.limits.durable_nonces, *self.found.values()]
        images = await node.heads(list(dict.fromkeys(wanted)), multisigs.HEAD_BYTES) if wanted else {}
        for address in self.limits.durable_nonces:
            if (nonce := multisigs.nonce_authority(images.get(address))) is not None:
                self.nonces[address] = nonce
        for address in authorities:
            self.who[address] = authority(address, images)
            unknown = self.who[address].kind is ControllerKind.CONTRACT
            if unknown and block.timestamp - self.searched.get(address, 0) >= AGAIN_SECONDS:
                self.searched[address] = block.timestamp
                more = await _beside(node, address)
                self.who[address] = authority(address, images | more)
            who = self.who[address]
            if who.kind is ControllerKind.SAFE and who.address is not None:
                self.found[address] = who.address

    def with_members(self, facts: ContractFacts) -> ContractFacts:
        """The facts with the multisig's signers, and the durable nonces that any of them may use."""
        owners = facts.upgrade_by.owners
        mine = [
            (at, hash_) for at, (by, hash_) in self.nonces.items() if by in owners or by == facts.upgrade_by.address
        ]
        values = [("signers", ", ".join(sorted(owners)))] if owners else []
        values += [(f"durable nonce {at}", f"{self.nonces[at][0]} may use it, at {hash_}") for at, hash_ in mine]
        return replace(facts, values=(*facts.values, *values))


async def _beside(node: Node, vault: Address) -> dict[Address, AccountImage | None]:
    """The accounts in a vault's last transactions, with the first bytes of their data; empty if the node does not
    return them."""
    from solders.transaction import VersionedTransaction

    try:
        rows = await node.request("getSignaturesForAddress", [vault, {"limit": MOST_SIGNATURES}])
        named = dict[Address, None]()
        for row in rows if isinstance(rows, list) else ():
            if len(named) >= MOST_ACCOUNTS:
                break
            answer = await node.transaction(str(row["signature"]), "confirmed")
            if answer is None:
                continue
            keys = VersionedTransaction.from_bytes(base64.b64decode(answer["transaction"][0])).message.account_keys
            loaded = answer["meta"].get("loadedAddresses") or {}
            named |= dict.fromkeys(Address(str(key)) for key in keys)
            named |= dict.fromkeys(
                Address(str(one)) for side in ("writable", "readonly") for one in loaded.get(side, ())
            )
        return await node.heads(list(named)[:MOST_ACCOUNTS], multisigs.HEAD_BYTES) if named else {}
    except (TransientError, KeyError, TypeError, ValueError):  # for any malformed answer the vault stays unknown
        return {}


def _aged(facts: ContractFacts, block: BlockRef) -> ContractFacts:
    """The facts with the time of the last deployment, computed from its slot at LEAST_SLOT_SECONDS a slot, so that the
    code is at least as old."""
    if facts.created_block is None or not 0 < facts.created_block <= block.height:
        return facts
    seconds = int((block.height - facts.created_block) * LEAST_SLOT_SECONDS)
    return replace(facts, created_at=block.timestamp - seconds)


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
    who: Mapping[Address, Controller] | None = None,
) -> ContractFacts:
    """Facts about one program. who: the controllers of authorities whose accounts were read. Pure."""

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
            return made(NO_ONE)  # it can no longer be upgraded
        return made(_unknown("its account cannot be read"), missing=("its code's account",))
    data = image_data(deployed.get(behind))
    if data is None:
        return made(_unknown("its code's account cannot be read"), missing=("its code's account",))
    at, holder = int.from_bytes(data[4:12], "little"), authority_of(deployed.get(behind))
    return made(NO_ONE if holder is None else (who or {}).get(holder) or authority(holder), at=at)


def image_data(image: AccountImage | None) -> bytes | None:
    """The first bytes of a ProgramData account; None for any other account."""
    if image is None or len(image.data) < DATA_BYTES or not image.data.startswith(DATA_TAG) or image.data[12] > 1:
        return None
    return image.data[:DATA_BYTES]


def authority_of(image: AccountImage | None) -> Address | None:
    """The upgrade authority in a ProgramData account; None if it has none, and for any other account."""
    data = image_data(image)
    return None if data is None or data[12] == 0 else _key(data[13:45])


def authority(address: Address, images: Mapping[Address, AccountImage | None] | None = None) -> Controller:
    """Who an upgrade authority is: a multisig whose vault it is, a governance, a key, or an address that no key can
    have. images: accounts among which its multisig may be."""
    known = images or {}
    if (one := multisigs.owner_of(address, known)) is not None:
        return multisigs.controller(one)
    if (votes := multisigs.governance(address, known.get(address))) is not None:
        return votes
    return multisigs.key_or_vault(address)


def _unknown(why: str) -> Controller:
    return Controller(kind=ControllerKind.UNKNOWN, why=why)


def _key(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data)))
