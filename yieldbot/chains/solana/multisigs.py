"""Multisigs, councils and prepared signatures on Solana, from the bytes of their accounts. Pure.

Layouts: Squads-Protocol/v4 ``state/multisig.rs`` and ``seeds.rs``; Squads-Protocol/squads-mpl (v3) ``state.rs``;
solana-labs/solana-program-library governance ``state/governance.rs``; Solana's ``nonce/state``. Whether a vault belongs
to a multisig is checked by deriving the vault's address, since no account states it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from yieldbot.model.controls import Controller, ControllerKind
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.answers import AccountImage

SQUADS_V4 = Address("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf")
SQUADS_V3 = Address("SMPLecH534NA9acpos4G6x7uf3LWbCAwZQE9e8ZekMu")
GOVERNANCE = Address("GovER5Lthms3bLBqWub97yVrMmEogzX7xNjdXpPPCVZw")
"""The governance program that most organisations share; other deployments of it are not recognised here."""
SYSTEM = Address("11111111111111111111111111111111")
VAULTS = 16
"""Vaults derived for each multisig: both programs number them from 0 (v3's 0 signs for itself)."""
MOST_MEMBERS = 200
VOTE = 2
"""The permission to vote (1 proposes, 4 executes)."""
LONGEST_LOCK = 90 * 86_400
"""Seconds: Squads v4's MAX_TIME_LOCK."""
GOVERNANCES = (18, 19, 20, 21)
"""GovernanceAccountType of a governance, of any kind, version 2."""
NONCE_BYTES = 80
HEAD_BYTES = 8192
"""Bytes of an account that are read: 200 members take 6,732."""


@dataclass(frozen=True, slots=True)
class Multisig:
    """Contents of a Squads account."""

    address: Address
    """The account."""
    program: Address
    """SQUADS_V4 or SQUADS_V3."""
    threshold: int
    """Votes needed for a transaction."""
    voters: tuple[Address, ...]
    """Members who may vote."""
    time_lock: int = 0
    """Seconds from the last vote to the execution; v3 has none."""
    config_authority: Address | None = None
    """The only account that changes members, threshold and time lock; None: the members vote on changes."""


@cache
def tag(name: str) -> bytes:
    """The discriminator of an Anchor account: the first bytes of its name's hash."""
    from hashlib import sha256

    return sha256(f"account:{name}".encode()).digest()[:8]


def multisig(address: Address, image: AccountImage | None) -> Multisig | None:
    """A Squads account, decoded; None for any other account, and for one whose contents contradict each other."""
    if image is None:
        return None
    found = None
    if image.program == SQUADS_V4 and image.data.startswith(tag("Multisig")):
        found = _v4(address, image.data)
    elif image.program == SQUADS_V3 and image.data.startswith(tag("Ms")):
        found = _v3(address, image.data)
    if found is None or not 0 < found.threshold <= len(found.voters) or len(set(found.voters)) < len(found.voters):
        return None
    return found if 0 <= found.time_lock <= LONGEST_LOCK else None


def _v4(address: Address, data: bytes) -> Multisig | None:
    """Decode a Squads v4 multisig; None: it is none. Layout: create_key, config_authority, threshold u16, time_lock
    u32, two indexes u64, rent_collector (an option), bump, members (key, mask of permissions)."""
    if len(data) < 99:
        return None
    authority, threshold = data[40:72], int.from_bytes(data[72:74], "little")
    time_lock = int.from_bytes(data[74:78], "little")
    if data[94] > 1:
        return None
    at = 95 + 32 * data[94] + 1
    count = int.from_bytes(data[at : at + 4], "little")
    members = data[at + 4 : at + 4 + 33 * count]
    if len(data) < at + 4 or count > MOST_MEMBERS or len(members) < 33 * count:
        return None
    rows = [members[n : n + 33] for n in range(0, len(members), 33)]
    voters = tuple(_key(row[:32]) for row in rows if row[32] & VOTE)
    return Multisig(address, SQUADS_V4, threshold, voters, time_lock, _key(authority) if any(authority) else None)


def _v3(address: Address, data: bytes) -> Multisig | None:
    """Decode a Squads v3 multisig; None: it is none. Layout: threshold u16, authority_index u16, two indexes u32, bump,
    create_key, a flag, keys."""
    if len(data) < 58:
        return None
    threshold, count = int.from_bytes(data[8:10], "little"), int.from_bytes(data[54:58], "little")
    keys = data[58 : 58 + 32 * count]
    if count > MOST_MEMBERS or len(keys) < 32 * count:
        return None
    return Multisig(address, SQUADS_V3, threshold, tuple(_key(keys[n : n + 32]) for n in range(0, len(keys), 32)))


def vaults(one: Multisig) -> tuple[Address, ...]:
    """The addresses that a multisig signs for."""
    from solders.pubkey import Pubkey

    program, own = Pubkey.from_string(one.program), bytes(Pubkey.from_string(one.address))
    seeds: Iterable[list[bytes]]
    if one.program == SQUADS_V4:
        seeds = ([b"multisig", own, b"vault", bytes([n])] for n in range(VAULTS))
    else:
        seeds = ([b"squad", own, n.to_bytes(4, "little"), b"authority"] for n in range(VAULTS))
    return tuple(Address(str(Pubkey.find_program_address(each, program)[0])) for each in seeds)


def owner_of(vault: Address, images: Mapping[Address, AccountImage | None]) -> Multisig | None:
    """The multisig among these accounts that signs for an address; None if none does."""
    for address, image in images.items():
        found = multisig(address, image)
        if found is not None and vault in vaults(found):
            return found
    return None


def controller(one: Multisig) -> Controller:
    """Who acts through a multisig. If its members are set by a separate authority it is only as strong as that
    authority, and its time lock gives no protection: both can be changed at once."""
    behind = None if one.config_authority is None else key_or_vault(one.config_authority)
    return Controller(
        kind=ControllerKind.SAFE,
        address=one.address,
        threshold=one.threshold,
        owners=one.voters,
        delay_seconds=None if behind is not None else one.time_lock or None,
        behind=behind,
        why="" if behind is None else "its members are set by somebody else",
    )


def key_or_vault(address: Address) -> Controller:
    """A key; or, for an address off the ed25519 curve, a program that signs for it."""
    from solders.pubkey import Pubkey

    if Pubkey.from_string(address).is_on_curve():
        return Controller(kind=ControllerKind.EOA, address=address)
    why = "a program signs for it: a multisig's vault, or the like"
    return Controller(kind=ControllerKind.CONTRACT, address=address, why=why)


def governance(address: Address, image: AccountImage | None) -> Controller | None:
    """The controller behind an account of the shared governance program (SPL Governance): its voters act, after the
    hold-up time; None for any other account."""
    if image is None or image.program != GOVERNANCE or len(image.data) < 84 or image.data[0] not in GOVERNANCES:
        return None
    threshold = image.data[69]
    if threshold > 2:
        return None
    at = 70 + (threshold < 2) + 8
    seconds = int.from_bytes(image.data[at : at + 4], "little")
    if seconds > 365 * 86_400:
        return None
    return Controller(kind=ControllerKind.GOVERNOR, address=address, delay_seconds=seconds or None)


def nonce_authority(image: AccountImage | None) -> tuple[Address, str] | None:
    """(authority, hash stored now) of a durable nonce account; None for any other account.

    version u32, state u32 (1: in use), authority, hash, fee u64.
    """
    if image is None or image.program != SYSTEM or len(image.data) != NONCE_BYTES:
        return None
    version, state = (int.from_bytes(image.data[at : at + 4], "little") for at in (0, 4))
    return (_key(image.data[8:40]), _key(image.data[40:72])) if version in (0, 1) and state == 1 else None


def _key(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data)))
