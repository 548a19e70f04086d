"""Reads of who controls contracts: one flow over all contracts of a chain, in few bounded rounds.

Every address is read in the same way (its code, EIP-1967's slots, the functions of VIEWS that its code has), and
addresses in its answers are read in the next round. Answers are kept as raw 32-byte words, which ``control_facts.py``
interprets. A contract may answer anything, so nothing here decodes more than a word, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from yieldbot.model.controls import Dependency
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import CodeHead, EthCall, EthCode, EthSlot, Flow
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.evm.role_reads import Holders
from yieldbot.protocols.reads import ReadHandle, Reads

SLOTS = {
    "implementation": 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC,
    "admin": 0xB53127684A568B3173AE13B9F8A6016E243E63B6E8EE1178D6A717850B5D6103,
    "beacon": 0xA3F0AD74E5423AEBFD80D3EF4346578335A9A72AEAEE59FF6CB3582B35133D50,
    "old implementation": 0x7050C9E0F4CA769C69BD3A8EF740BC37934F8E2C036E5A723FD8EE048ED3F8C3,
    "old admin": 0x10D6A54A4754C8869D6886B5F5D7FBFA5B4522237EA5C60D11BC4E7A1FF9390B,
    "zero": 0,
}
"""Storage slots: EIP-1967's three (keccak256 of eip1967.proxy.<name>, less one), the two of proxies from before it
(keccak256 of org.zeppelinos.proxy.<name>: USDC's and others), and slot 0, where a Safe's proxy keeps its singleton."""
PROXY_SLOTS = ("implementation", "admin", "beacon")
"""Those of EIP-1967. The others are read of code that is not known yet, and of code that had something in them."""
OLD_SLOTS = ("old implementation", "old admin")
VIEWS = {
    "owner": "owner()",
    "getOwner": "getOwner()",
    "admin": "admin()",
    "governor": "governor()",
    "governorAdmin": "governorAdmin()",
    "upgradeAdmin": "upgradeAdmin()",
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
    "masterMinter": "masterMinter()",
    "minter": "minter()",
    "wards": "wards(address)",
    "isMinter": "isMinter(address)",
    "minters": "minters(address)",
    "globals": "globals()",
    "withdrawalManager": "withdrawalManager()",
    "defaultTimelockParameters": "defaultTimelockParameters()",
    "PUBLIC_ROLE": "PUBLIC_ROLE()",
    "managersAdmin": "ADMIN_ROLE()",
    "nonsense": "yieldbotReadsWhatNoContractHas()",
}
"""View functions that are tried at every address, by name. ``executorSettings`` is of Aave's PayloadsController, level
1; ``roleCount`` is of role 0; ``PUBLIC_ROLE`` and ``managersAdmin`` are of an AccessManager; ``modules`` asks for a
Safe's first MOST_MODULES; ``wards``, ``isMinter`` and ``minters`` of the zero address, since whoever answers has such a
list (MINT_LISTS). ``nonsense`` is no contract's function: one that answers it answers any call, so its answers
are not believed."""
NAMES_NEXT = (
    *("owner", "getOwner", "admin", "governor", "guardian", "pauseGuardian", "curator", "getACLAdmin"),
    *("governorAdmin", "upgradeAdmin"),
    *("ADDRESSES_PROVIDER", "POOL", "implementation", "comptrollerImplementation", "getPriceOracle"),
    *("oracle", "interestRateModel", "getACLManager", "getPoolConfigurator", "defaultAdmin", "authority"),
    *("manager", "globals", "poolDelegate", "withdrawalManager", "liquidity adapter", "masterMinter", "minter"),
)
"""Views whose answers name addresses that are read next."""
MINT_LISTS = ("wards", "isMinter", "minters")
"""Views that say of one address whether it may mint, and of nobody who all of them are."""
OF_CONTROLLERS = (
    *("owner", "getOwner", "admin", "governor", "getACLAdmin", "ADDRESSES_PROVIDER", "POOL"),
    *("governorAdmin", "upgradeAdmin"),
    *("getPoolConfigurator", "getACLManager", "getPriceOracle", "defaultAdmin", "authority", "globals", "poolDelegate"),
)
"""Views that are read of a contract that is read only because it controls another."""
CODE_ONLY = ("implementation", "comptrollerImplementation", "interestRateModel")
"""Views whose addresses are read for their code alone."""
SAFE_PROXIES = (
    "b89c1b3bdf2cf8827818646bce9a8f6e372885f8c55e5c07acbd307cb133b000",
    "d7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c",
)
"""keccak256 of the code of Safe's own proxies, 1.3.0 and 1.4.1 (the second is that of the package's artifact)."""
MOST_MODULES = 10
"""Most modules of one Safe that are read; at this number there may be more."""
BARE, EMPTY = "", "0"
"""In place of a code key: BARE for an address of which only the code is read, EMPTY for one without code."""
MOST_ROUNDS = 4
"""Most rounds of one look: a contract, its admin, the admin's owner, and the controller behind; further ones are
unknown."""
KNOWN = Address("known")
"""In place of a contract of the list: the origin of addresses that are known from the last look."""
MOST_OF_ONE = 40
"""Most addresses that are read because of one contract, so that one that names ever new addresses costs no more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The answers of one address."""

    address: Address
    """The address."""
    code: CodeHead | None
    """The contract's code; None: it could not be read."""
    slots: Mapping[str, int | None] = field(default_factory=dict)
    """The number in each of SLOTS; None: not readable; no key: not read."""
    answers: Mapping[str, bytes] = field(default_factory=dict)
    """Answers by name of VIEWS (and of a dependency's own views); a call that reverted has no entry."""

    roles: tuple[Holders, ...] = ()
    """Its roles and who holds them, where they were read."""

    def word(self, name: str) -> int | None:
        """A view's first 32-byte word; None: it returned less."""
        answer = self.answers.get(name, b"")
        return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None

    def named(self, name: str) -> Address | None:
        """The address that a view returns, zero included; None: it returned no address."""
        word = self.word(name)
        return None if word is None or word >= 2**160 else address_of(word)

    def slot(self, name: str) -> Address | None:
        """The address in one of EIP-1967's slots; None: it is empty, or holds no address."""
        word = self.slots.get(name)
        return address_of(word) if word and word < 2**160 else None

    @property
    def minimal(self) -> Address | None:
        """The contract whose code a minimal proxy (EIP-1167) runs; None: it is none."""
        head = self.code.head if self.code is not None else b""
        if len(head) == 45 and head.startswith(MINIMAL[0]) and head.endswith(MINIMAL[1]):
            return address_of(int.from_bytes(head[10:30], "big"))
        return None

    @property
    def in_storage(self) -> Address | None:
        """The contract whose code it runs by a storage slot; None: it has none there."""
        return self.slot("implementation") or self.slot("old implementation")

    @property
    def runs(self) -> Address | None:
        """The contract whose code it runs, by a storage slot or as a minimal proxy; None: neither."""
        return self.in_storage or self.minimal


MINIMAL = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
"""EIP-1167: the code before and after the address."""


@dataclass(frozen=True, slots=True)
class KnownCode:
    """Results of earlier looks that hold as long as the code is the same."""

    keys: Mapping[Address, str] = field(default_factory=dict)
    """Code key of each address (``key_of``)."""
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By code key, the views that answered, and those of OLD_SLOTS that are not empty."""
    next: tuple[Address, ...] = ()
    """Addresses that other contracts named at the last look, to be read in the first round."""


def key_of(reading: Reading, readings: Mapping[Address, Reading]) -> str:
    """The hash of an address's code, and the hash of the code that it runs."""
    own = reading.code.hash.hex() if reading.code else "?"
    runs = readings.get(reading.runs) if reading.runs else None
    return own if runs is None or runs.code is None else f"{own}/{runs.code.hash.hex()}"


class Companion(Protocol):
    """A reader whose reads are made in the same rounds as the views of the addresses."""

    def ask(self, reads: Reads, at: Collection[Address], readings: Mapping[Address, Reading]) -> None:
        """Add the round's reads. at: the addresses that are read in this round; readings: those read before."""

    def hear(self, readings: Mapping[Address, Reading]) -> Iterable[tuple[Address, Address]]:
        """Take the round's answers; returns (address, the contract that named it) of each address to read next."""


def read_controls(
    wanted: Sequence[Dependency], known: KnownCode | None = None, beside: Sequence[Companion] = ()
) -> Flow[dict[Address, Reading]]:
    """Read the contracts and the addresses that they name, in at most MOST_ROUNDS rounds; in one round if ``known``
    covers everything and nothing has changed. beside: further readers whose reads are made in the same rounds and that
    keep their own results."""
    known = known or KnownCode()
    own_views = {one.address: one.views for one in wanted}
    bare = {address for address, key in known.keys.items() if key in (BARE, EMPTY)}
    # All addresses known from the last look share one budget, since each could name many new ones.
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
        # New or changed code may have other functions, so every view is tried.
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
    """Limits how many addresses are read because of each contract."""

    root: dict[Address, Address]
    """By address, the contract that it is read for."""
    spent: dict[Address, int] = field(default_factory=dict)
    """By contract, the number of addresses read."""

    def allows(self, named: Address, by: Address) -> bool:
        """Whether an address that another one names may be read."""
        first = self.root.setdefault(named, self.root.get(by, by))
        self.spent[first] = self.spent.get(first, 0) + 1
        return self.spent[first] <= MOST_OF_ONE


def remembered(wanted: Sequence[Dependency], readings: Mapping[Address, Reading]) -> KnownCode:
    """The results that the next look may use: for every address that the contracts still lead to."""
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
            there = {*reading.answers, *(name for name in OLD_SLOTS if reading.slots.get(name)), *before}
            views[keys[one]] = tuple(name for name in (*VIEWS, *OLD_SLOTS) if name in there)
    return KnownCode(keys, views, tuple(one for one in reached if one not in own))


@dataclass(frozen=True, slots=True)
class _Plan:
    """The reads of one address in one round."""

    address: Address
    """The address."""
    code: ReadHandle
    """The read of the contract's code."""
    slots: Mapping[str, ReadHandle]
    """Reads of storage slots, by the slot's name."""
    views: Mapping[str, ReadHandle]
    """Reads of view functions by name, those of the dependency itself among them."""
    partial: bool
    """Whether some views are left out because the code is known."""

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
        """Add the reads of an address: only its code, or the views that its code had at the last look, or
        everything."""
        key = known.keys.get(at)
        code = reads.add(EthCode(at, optional=True))
        if bare:
            return cls(at, code, {}, {}, key == EMPTY)
        partial = not again and key is not None and key in known.views
        names = known.views[key] if partial and key is not None else tuple(VIEWS)
        old = tuple(name for name in OLD_SLOTS if name in names)
        slots = tuple(SLOTS) if not partial or key in SAFE_PROXIES else (*PROXY_SLOTS, *old)
        calls = {name: calldata(name) for name in names if name in VIEWS} | dict(own)
        return cls(
            at,
            code,
            {name: reads.add(EthSlot(at, SLOTS[name], optional=True)) for name in slots},
            {name: reads.add(EthCall(at, data, optional=True)) for name, data in calls.items()},
            partial,
        )

    def reading(self) -> Reading:
        """The answers of an address."""
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
    """(view or slot, address) of each address that a reading names and that is to be read."""
    for name in (*PROXY_SLOTS, *OLD_SLOTS):
        if (named := reading.slot(name)) is not None:
            yield "implementation" if name.endswith("implementation") else f"slot {name}", named
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
    words = (0,) if name in MINT_LISTS else words
    return selector_of(VIEWS[name]) + b"".join(word.to_bytes(32, "big") for word in words)


def address_of(word: int) -> Address:
    """The address in a word."""
    return checksum(f"0x{word:040x}")
