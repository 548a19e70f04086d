"""Who holds the roles of a contract: OpenZeppelin's AccessControl, with or without a list of them, and AccessManager.

A contract with a list (AccessControlEnumerable) is asked for it. Of one without a list, and of an AccessManager, the
events by which roles were given are read, back to the contract's creation as far as the node serves them, and each
account found so is asked about with ``hasRole``: an event says who may hold a role, the contract who does. A holder
that could not be asked about counts as one. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from yieldbot.model.controls import Power
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthCall, EthLogs, LogSpan
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.reads import ReadHandle, Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

ADMIN = "DEFAULT_ADMIN_ROLE"
ROLES = {
    ADMIN: Power.ADMIN,
    "TIMELOCK_ADMIN_ROLE": Power.ADMIN,
    "ADMIN_ROLE": Power.ADMIN,
    "OWNER_ROLE": Power.ADMIN,
    "GOVERNANCE_ROLE": Power.ADMIN,
    "GOVERNOR_ROLE": Power.ADMIN,
    "POOL_ADMIN": Power.UPGRADE,
    "UPGRADER_ROLE": Power.UPGRADE,
    "UPGRADE_ROLE": Power.UPGRADE,
    "PROXY_ADMIN_ROLE": Power.UPGRADE,
    "MINTER_ROLE": Power.MINT,
    "MINT_ROLE": Power.MINT,
    "MINTER": Power.MINT,
    "SUPPLY_CONTROLLER_ROLE": Power.MINT,
    "PROPOSER_ROLE": Power.PROPOSE,
    "PAUSER_ROLE": Power.PAUSE,
    "PAUSE_ROLE": Power.PAUSE,
    "GUARDIAN_ROLE": Power.PAUSE,
    "EMERGENCY_ADMIN": Power.PAUSE,
    "BLACKLISTER_ROLE": Power.PAUSE,
    "RISK_ADMIN": Power.SETTINGS,
    "ASSET_LISTING_ADMIN": Power.SETTINGS,
    "MANAGER_ROLE": Power.SETTINGS,
    "OPERATOR_ROLE": Power.SETTINGS,
    "CURATOR_ROLE": Power.SETTINGS,
    "SETTER_ROLE": Power.SETTINGS,
    "TAKER_ROLE": Power.SETTINGS,
    "ORACLE_ROLE": Power.SETTINGS,
    "EXECUTOR_ROLE": Power.OTHER,
    "CANCELLER_ROLE": Power.OTHER,
    "KEEPER_ROLE": Power.OTHER,
    "FLASH_BORROWER": Power.OTHER,
    "BRIDGE": Power.OTHER,
}
"""By name, what each role permits; a role's number is the keccak256 hash of its name (the first is 0)."""
MANAGERS_ADMIN = "ADMIN_ROLE of its AccessManager"
FIRST_MEMBERS, MOST_MEMBERS = 4, 12
"""Holders of one role that are requested at first, and at most."""
MOST_CANDIDATES = 60
"""Most accounts of one contract that are checked with ``hasRole``."""
MOST_UNNAMED = 10
"""Most accounts of one contract that are checked for roles whose names are not known."""
FIRST_PARTS, LATER_PARTS = 8, 1
"""Requests for past events in a contract's first look, and in each later one until all are read."""
OVERLAP_BLOCKS = 12
"""Blocks that the next look reads again: what a reorganisation moved is not missed."""
PUBLIC = 2**64 - 1
"""``PUBLIC_ROLE()`` of an AccessManager, whose roles are 64 bits wide."""


@dataclass(frozen=True, slots=True)
class Holders:
    """One role and who holds it."""

    name: str
    """As ``Role.name``."""
    power: Power
    """As ``Role.power``."""
    accounts: tuple[tuple[Address, int, int], ...]
    """(holder, delay in seconds that an AccessManager imposes, 0: none; block of the event that granted the role, 0:
    not known)."""
    missing: str = ""
    """As ``Role.missing``."""


@dataclass(frozen=True, slots=True)
class KnownRoles:
    """What the last look found of one contract."""

    how: str
    """How its holders are found: LISTED, EVENTS or MANAGER."""
    candidates: tuple[tuple[int, Address, int], ...] = ()
    """(role, account that held it at the last look, block of the event that granted it)."""
    since: int = 0
    """The block from which events were read; 0: all."""
    until: int = 0
    """The block up to which they were read."""


LISTED, EVENTS, MANAGER = "list", "events", "manager"
"""How holders are found: by the contract's list, by events, by an AccessManager's events."""


@cache
def numbers() -> Mapping[int, str]:
    """The known roles' names by their numbers."""
    return {0 if name == ADMIN else int.from_bytes(keccak(name.encode()), "big"): name for name in ROLES}


@cache
def granted() -> tuple[bytes, bytes]:
    """First topics of the events by which AccessControl and AccessManager give roles."""
    old = keccak(b"RoleGranted(bytes32,address,address)")
    return old, keccak(b"RoleGranted(uint64,address,uint32,uint48,bool)")


@dataclass(slots=True)
class _State:
    """State of one contract in this look."""

    address: Address
    """The contract."""
    how: str
    """As ``KnownRoles.how``."""
    floor: int
    """Block before which the contract did not exist."""
    since: int
    """The block from which events were read."""
    until: int
    """The block up to which they were read."""
    first: bool
    """Whether it is looked at for the first time."""
    holds: dict[tuple[int, Address], tuple[bool | None, int]] = field(default_factory=dict)
    """By role and account, (whether the account holds the role, None: not checked; delay of its calls in seconds)."""
    blocks: dict[tuple[int, Address], int] = field(default_factory=dict)
    """By role and account, the block of the event that gave it."""
    counts: dict[int, int] = field(default_factory=dict)
    """By role, the number of holders that the contract reports."""
    asked: dict[tuple[int, Address], ReadHandle] = field(default_factory=dict)
    """``hasRole`` reads of the round, by role and account."""
    members: dict[tuple[int, int], ReadHandle] = field(default_factory=dict)
    """Reads of role members in the round, by role and index."""
    counted: dict[int, ReadHandle] = field(default_factory=dict)
    """Reads of holder counts in the round, by role."""
    begun: bool = False
    """Whether any read was made."""
    past_asked: bool = False
    """Whether its past events were requested in this look."""
    cut: bool = False
    """Whether there were more candidates than are checked."""

    @property
    def listed(self) -> bool:
        """Whether it lists its holders."""
        return self.how == LISTED

    @property
    def manager(self) -> bool:
        """Whether it is an AccessManager."""
        return self.how == MANAGER


@dataclass(slots=True)
class RoleReads:
    """A ``Companion`` of ``read_controls`` that reads roles."""

    head: int
    """The block of the look."""
    known: Mapping[Address, KnownRoles] = field(default_factory=dict)
    """What the last look found."""
    floors: Mapping[Address, int] = field(default_factory=dict)
    """Blocks before which contracts did not exist, if known."""
    states: dict[Address, _State] = field(default_factory=dict)
    """The state of each contract in this look."""
    spans: list[tuple[ReadHandle, EthLogs]] = field(default_factory=list)
    """Reads of events in the round."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """Add the round's reads. at: the addresses that are read in this round; readings: those read before."""
        for address, reading in readings.items():
            if address not in self.states and has_roles(reading):
                listed = LISTED if "roleCount" in reading.answers else EVENTS
                self._begin(address, MANAGER if is_manager(reading) else listed)
        for address in at:
            if address not in self.states and address in self.known:
                self._begin(address, self.known[address].how)
        for state in self.states.values():
            if state.listed:
                self._ask_list(reads, state)
            else:
                self._ask_candidates(reads, state)
        self._ask_events(reads)

    def hear(self, readings: Mapping[Address, Reading]) -> Iterator[tuple[Address, Address]]:
        """Take the round's answers; returns (holder, contract) of each address to read next."""
        for handle, read in self.spans:
            self._heard(handle.data, read)
        self.spans = []
        for state in self.states.values():
            for role, handle in state.counted.items():
                if len(handle.data) >= 32:
                    state.counts[role] = int.from_bytes(handle.data[:32], "big")
            for (role, _), handle in state.members.items():
                word = int.from_bytes(handle.data[:32], "big")
                if len(handle.data) >= 32 and word < 2**160:
                    state.holds[role, _address(word)] = (True, 0)
            for key, handle in state.asked.items():
                if len(handle.data) >= 32:
                    delay = int.from_bytes(handle.data[32:64], "big") if len(handle.data) >= 64 else 0
                    state.holds[key] = (int.from_bytes(handle.data[:32], "big") == 1, delay)
            state.counted, state.members, state.asked = {}, {}, {}
            for (_, account), (holds, _) in state.holds.items():
                if holds is not False and int(account, 16):
                    yield account, state.address

    def of(self, address: Address) -> tuple[Holders, ...]:
        """The roles of a contract with their holders, the admin role first; empty: it has none."""
        state = self.states.get(address)
        if state is None:
            return ()
        held: dict[int, list[tuple[Address, int, int]]] = {0: []}
        for (role, account), (holds, delay) in state.holds.items():
            if holds is not False:
                held.setdefault(role, []).append((account, delay, state.blocks.get((role, account), 0)))
        late = "" if state.since <= state.floor else f"no node tells whom it was given to before block {state.since:,}"
        if state.listed:
            late = "" if 0 in state.counts else "its list of holders was not served"
        if state.cut:
            late = f"more than {MOST_CANDIDATES} accounts were given roles"
        return tuple(
            Holders(*_named(role, manager=state.manager), tuple(accounts), _many(state, role, accounts) or late)
            for role, accounts in held.items()
        )

    def remembered(self) -> dict[Address, KnownRoles]:
        """What the next look may take as known."""
        found = {}
        for address, state in self.states.items():
            standing = [] if state.listed else [key for key, (holds, _) in state.holds.items() if holds is not False]
            kept = tuple((*key, state.blocks.get(key, 0)) for key in standing)
            since = 0 if state.since <= state.floor else state.since
            found[address] = KnownRoles(state.how, kept, since, max(0, state.until - OVERLAP_BLOCKS))
        return found

    def _begin(self, address: Address, how: str) -> None:
        before = self.known.get(address)
        if before is not None and before.how != how:
            before = None
        since, until = (before.since, before.until) if before else (self.head + 1, self.head)
        state = _State(address, how, self.floors.get(address, 0), since, until, before is None)
        for role, account, given in before.candidates if before else ():
            state.holds[role, account], state.blocks[role, account] = (None, 0), given
        self.states[address] = state

    def _ask_list(self, reads: Reads, state: _State) -> None:
        if not state.begun:
            state.begun = True
            for role in numbers():
                state.counted[role] = reads.add(_call(state.address, "getRoleMemberCount(bytes32)", role))
                for place in range(FIRST_MEMBERS):
                    state.members[role, place] = reads.add(
                        _call(state.address, "getRoleMember(bytes32,uint256)", role, place)
                    )
            return
        if state.past_asked:
            return
        state.past_asked = True
        for role, count in state.counts.items():
            for place in range(FIRST_MEMBERS, min(count, MOST_MEMBERS)):
                state.members[role, place] = reads.add(
                    _call(state.address, "getRoleMember(bytes32,uint256)", role, place)
                )

    def _ask_candidates(self, reads: Reads, state: _State) -> None:
        state.begun = True
        signature = "hasRole(uint64,address)" if state.manager else "hasRole(bytes32,address)"
        for (role, account), (holds, _) in state.holds.items():
            if holds is None:
                state.asked[role, account] = reads.add(_call(state.address, signature, role, int(account, 16)))

    def _ask_events(self, reads: Reads) -> None:
        groups: dict[tuple[int, int, bool], list[Address]] = {}
        for state in self.states.values():
            if state.listed or state.past_asked:
                continue
            state.past_asked = True
            if state.until < self.head:
                groups.setdefault((state.until + 1, self.head, False), []).append(state.address)
                state.until = self.head
            if state.since > state.floor:
                groups.setdefault((state.floor, state.since - 1, True), []).append(state.address)
        for (first, last, past), addresses in groups.items():
            new = any(self.states[one].first for one in addresses)
            parts = (FIRST_PARTS if new else LATER_PARTS) if past else 0
            read = EthLogs(tuple(addresses), granted(), first, last, optional=True, past_parts=parts)
            self.spans.append((reads.add(read), read))

    def _heard(self, answer: bytes, read: EthLogs) -> None:
        states = {one.lower(): self.states[one] for one in read.addresses}
        if not answer:
            if not read.past_parts:  # read again by the next look
                for state in states.values():
                    state.until = self.known[state.address].until
            return
        span = LogSpan.decoded(answer)
        for state in states.values():
            if read.past_parts:
                state.since = min(state.since, span.since)
            elif span.since > read.first:  # later looks read the blocks in between as they read a past
                state.since = span.since
        for log in span.logs:
            at = states.get(log.address.lower())
            if at is None or len(log.topics) < 3 or any(log.topics[2][:12]):
                continue
            role, account = int.from_bytes(log.topics[1], "big"), _address(int.from_bytes(log.topics[2], "big"))
            if (role, account) not in at.holds:
                self._candidate(at, role, account)
            at.blocks[role, account] = max(log.block, at.blocks.get((role, account), 0))

    def _candidate(self, state: _State, role: int, account: Address) -> None:
        _, power = _named(role, manager=state.manager)
        if power is Power.OTHER:
            if sum(_named(one, manager=state.manager)[1] is Power.OTHER for one, _ in state.holds) < MOST_UNNAMED:
                state.holds[role, account] = (None, 0)
        elif len(state.holds) < MOST_CANDIDATES:
            state.holds[role, account] = (None, 0)
        else:
            state.cut = True


def with_roles(readings: Mapping[Address, Reading], book: RoleReads) -> dict[Address, Reading]:
    """The readings with their roles added."""
    return {at: replace(one, roles=book.of(at)) if at in book.states else one for at, one in readings.items()}


def has_roles(reading: Reading) -> bool:
    """Whether a contract has roles; a contract that answers any call is not believed."""
    return "nonsense" not in reading.answers and ("hasRoles" in reading.answers or is_manager(reading))


def is_manager(reading: Reading) -> bool:
    """Whether it is OpenZeppelin's AccessManager."""
    return reading.word("PUBLIC_ROLE") == PUBLIC and reading.word("managersAdmin") == 0


def _named(role: int, *, manager: bool) -> tuple[str, Power]:
    if manager:
        return (MANAGERS_ADMIN, Power.ADMIN) if role == 0 else (f"role {role}", Power.OTHER)
    name = numbers().get(role)
    return (name, ROLES[name]) if name else (f"role 0x{role:064x}"[:15] + "…", Power.OTHER)


def _many(state: _State, role: int, accounts: Collection[Any]) -> str:
    count = state.counts.get(role, 0)
    return f"{min(count, 10**6):,} holders, of which {len(accounts)} were read" if count > len(accounts) else ""


def _call(to: Address, signature: str, *words: int) -> EthCall:
    return EthCall(to, selector_of(signature) + b"".join(word.to_bytes(32, "big") for word in words), optional=True)


def _address(word: int) -> Address:
    return checksum(f"0x{word:040x}")
