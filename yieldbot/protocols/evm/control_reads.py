"""Reads of who controls contracts: one flow over all contracts of a chain, in few bounded rounds.

Every address is read alike (its code, EIP-1967's slots, the view functions of VIEWS that its code has), and whoever
its answers name is read in the next round. What an address answers is kept as words: ``control_facts.py`` says what
they mean. A contract may answer anything, so nothing here decodes more than a word and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from yieldbot.model.controls import Dependency
from yieldbot.model.ids import Address
from yieldbot.model.reads import CodeHead, EthCall, EthCode, EthSlot, Flow, Read
from yieldbot.protocols.evm.abi import checksum, selector_of

SLOTS = {
    "implementation": 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC,
    "admin": 0xB53127684A568B3173AE13B9F8A6016E243E63B6E8EE1178D6A717850B5D6103,
    "beacon": 0xA3F0AD74E5423AEBFD80D3EF4346578335A9A72AEAEE59FF6CB3582B35133D50,
    "zero": 0,
}
"""Storage slots: EIP-1967's three (keccak256 of eip1967.proxy.<name>, less one), and slot 0, where a Safe's proxy keeps
its singleton."""
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
    "getMinDelay": "getMinDelay()",
    "delay": "delay()",
    "votingPeriod": "votingPeriod()",
    "executorSettings": "getExecutorSettingsByAccessControl(uint8)",
    "hasRoles": "DEFAULT_ADMIN_ROLE()",
    "nonsense": "yieldbotReadsWhatNoContractHas()",
}
"""View functions that are tried at every address, by name. ``executorSettings`` is of Aave's PayloadsController, level
1. ``nonsense`` exists nowhere: whoever answers it answers anything."""
NAMES_NEXT = (
    *("owner", "getOwner", "admin", "governor", "guardian", "pauseGuardian", "curator", "getACLAdmin"),
    *("ADDRESSES_PROVIDER", "POOL", "implementation", "comptrollerImplementation", "getPriceOracle"),
    *("oracle", "interestRateModel", "getACLManager", "getPoolConfigurator"),
)
"""Views whose answers name addresses that are read next."""
OF_CONTROLLERS = (
    *("owner", "getOwner", "admin", "governor", "getACLAdmin", "ADDRESSES_PROVIDER", "POOL"),
    *("getPoolConfigurator", "getACLManager", "getPriceOracle"),
)
"""Those of a contract that is read only because it controls another."""
CODE_ONLY = ("implementation", "comptrollerImplementation", "interestRateModel")
"""Those of which only the code is read."""
BARE = ""
"""In place of a key: of an address of which the code alone is read."""
MOST_ROUNDS = 4
"""Rounds of one reading: a contract, its admin, who owns that, and who is behind; further ones are unknown."""
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


def read_controls(wanted: Sequence[Dependency], known: KnownCode | None = None) -> Flow[dict[Address, Reading]]:
    """Read the contracts, and whoever they name, in at most MOST_ROUNDS rounds; one round where ``known`` has all of
    them and nothing has changed."""
    known = known or KnownCode()
    own_views = {one.address: one.views for one in wanted}
    bare = {address for address in known.next if known.keys.get(address) == BARE}
    budget = _Budget({one.address: one.address for one in wanted})
    readings: dict[Address, Reading] = {}
    at = list(dict.fromkeys([*own_views, *known.next]))
    for _ in range(MOST_ROUNDS):
        if not at:
            break
        plans = [
            (one, None if one in bare else _names(one, known, again=one in readings), own_views.get(one, ()))
            for one in at
        ]
        answers = list((yield [read for plan in plans for read in _reads(*plan)]))
        for plan in plans:
            count = _count(*plan)
            readings[plan[0]] = _reading(*plan, answers[:count])
            answers = answers[count:]
        # Code that is not what it was may have other functions: every one is tried.
        old = [one for one, names, _ in plans if names and len(names) < len(VIEWS)]
        at = [one for one in old if key_of(readings[one], readings) != known.keys[one]]
        for one, _, _ in plans:
            for name, named in _next(readings[one], of_controller=one not in own_views):
                if named not in readings and named not in at and budget.allows(named, one):
                    at.append(named)
                    if name in CODE_ONLY:
                        bare.add(named)
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
        keys[one] = key_of(reading, readings) if reading.slots else BARE
        if reading.slots:
            before = views.get(keys[one], ("nonsense",))
            views[keys[one]] = tuple(name for name in VIEWS if name in reading.answers or name in before)
    return KnownCode(keys, views, tuple(one for one in reached if one not in own))


def _names(address: Address, known: KnownCode, *, again: bool) -> tuple[str, ...]:
    """The views to try at an address: those that its code had, or all."""
    key = known.keys.get(address)
    return tuple(VIEWS) if again or key is None else known.views.get(key, tuple(VIEWS))


def _reads(address: Address, names: Sequence[str] | None, own: Sequence[tuple[str, bytes]]) -> list[Read]:
    if names is None:
        return [EthCode(address, optional=True)]
    return [
        EthCode(address, optional=True),
        *(EthSlot(address, slot, optional=True) for slot in SLOTS.values()),
        *(EthCall(address, calldata(name), optional=True) for name in names),
        *(EthCall(address, data, optional=True) for _, data in own),
    ]


def _count(address: Address, names: Sequence[str] | None, own: Sequence[object]) -> int:
    return 1 if names is None else 1 + len(SLOTS) + len(names) + len(own)


def _reading(
    address: Address, names: Sequence[str] | None, own: Sequence[tuple[str, bytes]], answers: Sequence[bytes]
) -> Reading:
    try:
        code = CodeHead.of(answers[0])
    except ValueError:
        code = None
    if names is None:
        return Reading(address, code)
    words = answers[1 : 1 + len(SLOTS)]
    slots = {name: int.from_bytes(word, "big") if word else None for name, word in zip(SLOTS, words, strict=True)}
    asked = (*names, *(name for name, _ in own))
    found = zip(asked, answers[1 + len(SLOTS) :], strict=True)
    return Reading(address, code, slots, {name: answer for name, answer in found if answer})


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


def calldata(name: str) -> bytes:
    """The calldata of one of VIEWS."""
    tail = (1).to_bytes(32, "big") if name == "executorSettings" else b""
    return selector_of(VIEWS[name]) + tail


def address_of(word: int) -> Address:
    """The address in a word."""
    return checksum(f"0x{word:040x}")
