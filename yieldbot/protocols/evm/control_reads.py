"""Reads of who controls contracts: one flow over all contracts of a chain, in few bounded rounds.

Every address is read alike (its code, EIP-1967's slots, the view functions of VIEWS that its code has), and whoever
its answers name is read in the next round. What an address answers is kept as words: ``control_facts.py`` says what
they mean. A contract may answer anything, so nothing here decodes more than a word and nothing raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from yieldbot.model.controls import Dependency
from yieldbot.model.ids import Address
from yieldbot.model.reads import CodeHead, EthCall, EthCode, EthSlot, Flow
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.evm.role_reads import Holders
from yieldbot.protocols.reads import ReadHandle, Reads

SLOTS = {
    "implementation": 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC,
    "admin": 0xB53127684A568B3173AE13B9F8A6016E243E63B6E8EE1178D6A717850B5D6103,
    "beacon": 0xA3F0AD74E5423AEBFD80D3EF4346578335A9A72AEAEE59FF6CB3582B35133D50,
    "zero": 0,
}
"""Storage slots: EIP-1967's three (keccak256 of eip1967.proxy.<name>, less one), and slot 0, where a Safe's proxy keeps
its singleton."""
PROXY_SLOTS = ("implementation", "admin", "beacon")
"""Those of EIP-1967. Slot 0 is read of Safe's proxies, and of code that is not known yet."""
VIEWS = {
    "owner": "owner()",
    "getOwner": "getOwner()",
    "admin": "admin()",
    "governor": "governor()",
    "pendingOwner": "pendingOwner()",
    "pendingAdmin": "pendingAdmin()",
    "guardian": "guardian()",
    "pauseGuardian": "pauseGuardian()",
    "curator": "curator()",
    "timelock": "timelock()",
    "pendingTimelock": "pendingTimelock()",
    "pendingGuardian": "pendingGuardian()",
    "getACLManager": "getACLManager()",
    "getACLAdmin": "getACLAdmin()",
    "getPriceOracle": "getPriceOracle()",
    "getPoolConfigurator": "getPoolConfigurator()",
    "ADDRESSES_PROVIDER": "ADDRESSES_PROVIDER()",
    "POOL": "POOL()",
    "implementation": "implementation()",
    "comptrollerImplementation": "comptrollerImplementation()",
    "interestRateModel": "interestRateModel()",
    "oracle": "oracle()",
    "aggregator": "aggregator()",
    "getThreshold": "getThreshold()",
    "getOwners": "getOwners()",
    "nonce": "nonce()",
    "modules": "getModulesPaginated(address,uint256)",
    "getMinDelay": "getMinDelay()",
    "delay": "delay()",
    "votingPeriod": "votingPeriod()",
    "executorSettings": "getExecutorSettingsByAccessControl(uint8)",
    "hasRoles": "DEFAULT_ADMIN_ROLE()",
    "roleCount": "getRoleMemberCount(bytes32)",
    "defaultAdmin": "defaultAdmin()",
    "pendingDefaultAdmin": "pendingDefaultAdmin()",
    "authority": "authority()",
    "poolDelegate": "poolDelegate()",
    "globals": "globals()",
    "defaultTimelockParameters": "defaultTimelockParameters()",
    "PUBLIC_ROLE": "PUBLIC_ROLE()",
    "managersAdmin": "ADMIN_ROLE()",
    "nonsense": "yieldbotReadsWhatNoContractHas()",
}
"""View functions that are tried at every address, by name. ``executorSettings`` is of Aave's PayloadsController, level
1; ``roleCount`` is of role 0; ``PUBLIC_ROLE`` and ``managersAdmin`` are of an AccessManager; ``modules`` asks
for a Safe's first MOST_MODULES. ``nonsense`` exists nowhere: whoever answers it answers anything."""
NAMES_NEXT = (
    *("owner", "getOwner", "admin", "governor", "guardian", "pauseGuardian", "curator", "getACLAdmin"),
    *("ADDRESSES_PROVIDER", "POOL", "implementation", "comptrollerImplementation", "getPriceOracle"),
    *("oracle", "interestRateModel", "getACLManager", "getPoolConfigurator", "defaultAdmin", "authority"),
    *("manager", "globals", "poolDelegate", "liquidity adapter"),
)
"""Views whose answers name addresses that are read next."""
OF_CONTROLLERS = (
    *("owner", "getOwner", "admin", "governor", "getACLAdmin", "ADDRESSES_PROVIDER", "POOL"),
    *("getPoolConfigurator", "getACLManager", "getPriceOracle", "defaultAdmin", "authority", "globals", "poolDelegate"),
)
"""Those of a contract that is read only because it controls another."""
CODE_ONLY = ("implementation", "comptrollerImplementation", "interestRateModel")
"""Those of which only the code is read."""
SAFE_PROXIES = (
    "b89c1b3bdf2cf8827818646bce9a8f6e372885f8c55e5c07acbd307cb133b000",
    "d7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c",
)
"""keccak256 of the code of Safe's own proxies, 1.3.0 and 1.4.1 (the second is that of the package's artifact)."""
MOST_MODULES = 10
"""Modules of one Safe that are read; with so many there may be more."""
BARE, EMPTY = "", "0"
"""In place of a key: of an address of which the code alone is read, and of one that has no code."""
MOST_ROUNDS = 4
"""Rounds of one reading: a contract, its admin, who owns that, and who is behind; further ones are unknown."""
KNOWN = Address("known")
"""In place of a contract of the list: what addresses of the last look lead to."""
MOST_OF_ONE = 40
"""Addresses that are read because of one contract of a list: one that names ever new ones costs no more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one address answered."""

    address: Address
    """The address."""
    code: CodeHead | None
    """Its code; None: not readable."""
    slots: Mapping[str, int | None] = field(default_factory=dict)
    """The number in each of SLOTS; None: not readable; no key: not read."""
    answers: Mapping[str, bytes] = field(default_factory=dict)
    """What each of VIEWS (and of a dependency's own views) answered, where it did; a revert has no entry."""

    roles: tuple[Holders, ...] = ()
    """Its roles and who holds them, where they were read."""

    def word(self, name: str) -> int | None:
        """A view's first word; None where it gave less than one."""
        answer = self.answers.get(name, b"")
        return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None

    def named(self, name: str) -> Address | None:
        """The address that a view answers with, zero included; None where it answers with none."""
        word = self.word(name)
        return None if word is None or word >= 2**160 else address_of(word)

    def slot(self, name: str) -> Address | None:
        """The address in one of EIP-1967's slots; None: it is empty, or holds no address."""
        word = self.slots.get(name)
        return address_of(word) if word and word < 2**160 else None

    @property
    def minimal(self) -> Address | None:
        """What a minimal proxy (EIP-1167) runs."""
        head = self.code.head if self.code is not None else b""
        if len(head) == 45 and head.startswith(MINIMAL[0]) and head.endswith(MINIMAL[1]):
            return address_of(int.from_bytes(head[10:30], "big"))
        return None

    @property
    def runs(self) -> Address | None:
        """Whose code it runs, where it says so in a slot or is a minimal proxy."""
        return self.slot("implementation") or self.minimal


MINIMAL = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
"""EIP-1167: the code before and behind the address."""


@dataclass(frozen=True, slots=True)
class KnownCode:
    """What earlier looks found that does not change while a code stays the same."""

    keys: Mapping[Address, str] = field(default_factory=dict)
    """Each address's code and what it runs, as ``key_of`` writes it."""
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By such a key, the views that answer."""
    next: tuple[Address, ...] = ()
    """Addresses that were read because others named them, read in the first round this time."""


def key_of(reading: Reading, readings: Mapping[Address, Reading]) -> str:
    """The hash of an address's code, and the hash of the code that it runs."""
    own = reading.code.hash.hex() if reading.code else "?"
    runs = readings.get(reading.runs) if reading.runs else None
    return own if runs is None or runs.code is None else f"{own}/{runs.code.hash.hex()}"


class Companion(Protocol):
    """What is read beside the views of the addresses, in the same rounds."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """Add the round's reads. at: the addresses that are read in this round; readings: those read before."""

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """Take the round's answers; (address, by) of everybody who is to be read next, and who named it."""


def read_controls(
    wanted: Sequence[Dependency], known: KnownCode | None = None, beside: Sequence[Companion] = ()
) -> Flow[dict[Address, Reading]]:
    """Read the contracts, and whoever they name, in at most MOST_ROUNDS rounds; one round where ``known`` has all of
    them and nothing has changed. beside: what else is read in these rounds; its answers are kept there."""
    known = known or KnownCode()
    own_views = {one.address: one.views for one in wanted}
    bare = {address for address, key in known.keys.items() if key in (BARE, EMPTY)}
    # What was known shares one allowance: each of many known addresses could name as many new ones.
    budget = _Budget(dict.fromkeys(known.next, KNOWN) | {one.address: one.address for one in wanted})
    readings: dict[Address, Reading] = {}
    at = list(dict.fromkeys([*own_views, *known.next]))
    for _ in range(MOST_ROUNDS):
        reads = Reads()
        plans = [
            _Plan.made(reads, one, known, own_views.get(one, ()), bare=one in bare, again=one in readings) for one in at
        ]
        for companion in beside:
            companion.ask(reads, at, readings)
        if not reads.handles:
            break
        yield from reads.made()
        readings |= {plan.address: plan.reading() for plan in plans}
        # Code that is not what it was, or where there was none, may have other functions: every one is tried.
        at = [one.address for one in plans if one.partial and _changed(one.address, readings, known)]
        bare -= set(at)
        named = [
            (found, plan.address, name)
            for plan in plans
            for name, found in _next(readings[plan.address], of_controller=plan.address not in own_views)
        ]
        named += [(found, by, "") for companion in beside for found, by in companion.hear(readings)]
        for found, by, name in named:
            if found not in readings and found not in at and budget.allows(found, by):
                at.append(found)
                if name in CODE_ONLY:
                    bare.add(found)
    return readings


@dataclass(slots=True)
class _Budget:
    """How many addresses are read because of each contract of the list."""

    root: dict[Address, Address]
    """By address, the contract of the list that it is read for."""
    spent: dict[Address, int] = field(default_factory=dict)
    """By such a contract, how many were."""

    def allows(self, named: Address, by: Address) -> bool:
        """Whether an address that another names may be read."""
        first = self.root.setdefault(named, self.root.get(by, by))
        self.spent[first] = self.spent.get(first, 0) + 1
        return self.spent[first] <= MOST_OF_ONE


def remembered(wanted: Sequence[Dependency], readings: Mapping[Address, Reading]) -> KnownCode:
    """What the next look may take as known: of every address that the contracts still lead to."""
    own = {one.address for one in wanted}
    reached, left = dict[Address, bool](), list(own)
    while left:
        one = left.pop()
        if one in reached or one not in readings:
            continue
        reached[one] = True
        left += [named for _, named in _next(readings[one], of_controller=one not in own)]
    keys, views = dict[Address, str](), dict[str, tuple[str, ...]]()
    for one in reached:
        reading = readings[one]
        if reading.code is None:
            continue
        keys[one] = EMPTY if not reading.code.size else key_of(reading, readings) if reading.slots else BARE
        if reading.slots and reading.code.size:
            before = views.get(keys[one], ("nonsense",))
            views[keys[one]] = tuple(name for name in VIEWS if name in reading.answers or name in before)
    return KnownCode(keys, views, tuple(one for one in reached if one not in own))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is read at one address in one round."""

    address: Address
    """The address."""
    code: ReadHandle
    """Its code."""
    slots: Mapping[str, ReadHandle]
    """Slots by name."""
    views: Mapping[str, ReadHandle]
    """Views by name, a dependency's own among them."""
    partial: bool
    """Whether less is read than could be, because the code is known."""

    @classmethod
    def made(
        cls,
        reads: Reads,
        at: Address,
        known: KnownCode,
        own: tuple[tuple[str, bytes], ...],
        *,
        bare: bool,
        again: bool,
    ) -> _Plan:
        """Add the reads of an address: its code alone, what its code had at the last look, or everything."""
        key = known.keys.get(at)
        code = reads.add(EthCode(at, optional=True))
        if bare:
            return cls(at, code, {}, {}, key == EMPTY)
        partial = not again and key is not None and key in known.views
        slots = SLOTS if not partial or key in SAFE_PROXIES else PROXY_SLOTS
        names = known.views[key] if partial and key is not None else tuple(VIEWS)
        calls = {name: calldata(name) for name in names} | dict(own)
        return cls(
            at,
            code,
            {name: reads.add(EthSlot(at, SLOTS[name], optional=True)) for name in slots},
            {name: reads.add(EthCall(at, data, optional=True)) for name, data in calls.items()},
            partial,
        )

    def reading(self) -> Reading:
        """What the answers say."""
        try:
            code = CodeHead.of(self.code.data)
        except ValueError:
            code = None
        words = {name: handle.data for name, handle in self.slots.items()}
        slots = {name: int.from_bytes(word, "big") if word else None for name, word in words.items()}
        answers = {name: handle.data for name, handle in self.views.items() if handle.data}
        return Reading(self.address, code, slots, answers)


def _changed(address: Address, readings: Mapping[Address, Reading], known: KnownCode) -> bool:
    reading, key = readings[address], known.keys[address]
    if key == EMPTY:
        return reading.code is not None and reading.code.size > 0
    return key_of(reading, readings) != key


def _next(reading: Reading, *, of_controller: bool) -> Iterable[tuple[str, Address]]:
    """(view or slot, address) of everybody whom a reading names and who is to be read."""
    for name in ("implementation", "admin", "beacon"):
        if (named := reading.slot(name)) is not None:
            yield name if name == "implementation" else f"slot {name}", named
    if reading.minimal is not None:
        yield "implementation", reading.minimal
    for name in OF_CONTROLLERS if of_controller else NAMES_NEXT:
        if (named := reading.named(name)) is not None and int(named, 16):
            yield name, named
    for module in modules_of(reading) or ():
        yield "module", module
    for role in reading.roles:
        for account, *_ in role.accounts:
            if int(account, 16) and account != reading.address:
                yield f"role {role.name}", account


def modules_of(reading: Reading) -> tuple[Address, ...] | None:
    """The modules of a Safe's proxy, which act without its owners' signatures; None where its answer is none, or it is
    no Safe's proxy."""
    if reading.code is None or reading.code.hash.hex() not in SAFE_PROXIES:
        return None
    answer = reading.answers.get("modules", b"")
    words = [int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer) - len(answer) % 32, 32)]
    if len(words) < 3 or words[0] != 64 or words[2] > MOST_MODULES or len(words) < 3 + words[2]:
        return None
    found = words[3 : 3 + words[2]]
    return tuple(map(address_of, found)) if all(1 < word < 2**160 for word in found) else None


def calldata(name: str) -> bytes:
    """The calldata of one of VIEWS."""
    words = {"executorSettings": (1,), "roleCount": (0,), "modules": (1, MOST_MODULES)}.get(name, ())
    return selector_of(VIEWS[name]) + b"".join(word.to_bytes(32, "big") for word in words)


def address_of(word: int) -> Address:
    """The address in a word."""
    return checksum(f"0x{word:040x}")
