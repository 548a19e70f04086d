"""Interprets the answers of ``control_reads.py``: who controls a contract. Pure. Never raises: answers that make no
sense give UNKNOWN with the reason.

Sources: EIP-1967 (proxies), EIP-1167 (minimal proxies), EIP-7702 (keys that delegate); OpenZeppelin's Ownable,
Ownable2Step, AccessControl, AccessManager, ProxyAdmin, TimelockController, Governor; Compound's Timelock, Unitroller;
Safe 1.1.1 to 1.4.1; Aave's PoolAddressesProvider, PayloadsController and Executor; Morpho's MetaMorpho.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from yieldbot.model.controls import (
    NO_ONE,
    ContractFacts,
    Controller,
    ControllerKind,
    Dependency,
    Part,
    Pending,
    Power,
    Role,
    weakest,
)
from yieldbot.model.ids import Address
from yieldbot.model.text import counted
from yieldbot.protocols.evm import maple
from yieldbot.protocols.evm.comet_queue import PREFIX, changes_of
from yieldbot.protocols.evm.control_reads import MINT_LISTS, MOST_MODULES, SAFE_PROXIES, Reading, address_of, modules_of

SAFE_SINGLETONS = (
    "0xd9Db270c1B5E3Bd161E8c8503c55cEABeE709552",
    "0x3E5c63644E683549055b9Be8653de26E0B4CD36E",
    "0x69f4D1788e39c87893C980c06EdF4b7f686e2938",
    "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA",
    "0x41675C099F32341bf84BFc5382aF534df5C7461a",
    "0x29fcB43b46531BcA003ddC8FCB67FFE91900C762",
)
"""Safe 1.3.0 (two deployments) and 1.4.1, each with its L2 form, where Safe's list of deployments has them."""
LONGEST_DELAY = 365 * 86_400
"""Seconds; a longer delay is not credible and counts as unknown."""
MOST_OWNERS = 200
MOST_BEHIND = 8
"""Longest chain of controllers that is followed."""
CIRCLE = "it is controlled by what it controls"
DELEGATES = b"\xef\x01\x00"
"""Prefix of the code of an EIP-7702 account: a key whose account runs a contract's code."""
NOBODYS = ("0x" + "00" * 20, "0x" + "00" * 18 + "dead")
BEHIND = (
    *("owner", "getOwner", "admin", "governor", "getACLAdmin", "ADDRESSES_PROVIDER", "POOL", "authority"),
    *("governorAdmin", "upgradeAdmin"),
)
"""View functions that name the controller of a contract; the first that names somebody counts."""
TWO = {"pendingTimelock": "timelock seconds", "pendingGuardian": "guardian", "pendingDefaultAdmin": "default admin"}
"""Views that return (the announced value, unix seconds from which it may take effect)."""
RIGHTS = {
    "guardian": "guardian",
    "pauseGuardian": "pause guardian",
    "curator": "curator",
    "getACLAdmin": "role admin",
    "poolDelegate": "pool delegate",
    "masterMinter": "master minter",
    "minter": "minter",
}
VALUES = {
    "getPriceOracle": "oracle",
    "oracle": "oracle",
    "aggregator": "oracle source",
    "interestRateModel": "rate model",
    "getPoolConfigurator": "configurator",
    "getACLManager": "role manager",
}
MOST_STEPS = 2000
"""Most controllers that are looked at for one contract: contracts that name each other in every way have no end."""
Readings = Mapping[Address, Reading]


class _Bounded(dict[Address, Reading]):
    """The readings, each look at a controller counted; beyond MOST_STEPS nothing is known any more."""

    steps = 0

    def followed(self, address: Address) -> Reading | None:
        self.steps += 1
        return super().get(address) if self.steps <= MOST_STEPS else None


def facts_of(wanted: Dependency, found: Readings, block: int = 0) -> ContractFacts:
    """The facts about one contract of a list, from everything that was read."""
    readings = _Bounded(found)
    reading = readings.get(wanted.address)
    if reading is None:
        return ContractFacts(
            address=wanted.address,
            part=wanted.part,
            name=wanted.name,
            block=block,
            upgrade_by=unknown(None, "not read"),
            owner=unknown(None, "not read"),
            missing=("all of it: not read",),
        )
    missing = []
    if reading.code is None:
        missing.append("code: not readable")
    if any(value is None for value in reading.slots.values()):
        missing.append("storage: not readable, so that nobody knows whether its code can be exchanged")
    roles = _roles(wanted, reading, readings)
    missing += dict.fromkeys(f"holders of {role.name}: {role.missing}" for role in roles if role.missing)
    runs, beacon = runs_of(reading, readings), reading.slot("beacon")
    behind = readings.get(runs) if runs else None
    if runs and (behind is None or behind.code is None):
        missing.append(f"code of what it runs, {runs}")
    answers_all = "nonsense" in reading.answers
    if answers_all:
        missing.append("its views: it answers functions that no contract has")
    return ContractFacts(
        address=wanted.address,
        part=wanted.part,
        name=wanted.name,
        code_hash=reading.code.hash.hex() if reading.code and reading.code.size else "",
        implementation=runs,
        implementation_hash=behind.code.hash.hex() if behind and behind.code and behind.code.size else "",
        beacon=beacon,
        upgrade_by=_upgrader(reading, readings),
        owner=unknown(None, "it answers anything") if answers_all else _owner(reading, readings),
        rights=()
        if answers_all
        else tuple(
            (name, controller_of(named, readings, (wanted.address,)))
            for view, name in RIGHTS.items()
            if (named := reading.named(view)) is not None
        ),
        roles=roles,
        values=() if answers_all else _values(wanted, reading),
        pending=() if answers_all else _pending(wanted, reading, readings),
        block=block,
        missing=tuple(missing),
    )


def unknown(address: Address | None, why: str) -> Controller:
    """A controller that is not known: the worst is assumed."""
    return Controller(kind=ControllerKind.UNKNOWN, address=address, why=why)


def runs_of(reading: Reading, readings: Readings) -> Address | None:
    """The contract whose code a proxy runs: by EIP-1967 (also through its beacon), EIP-1167, or its own view
    function; None: its own."""
    if reading.runs is not None:
        return reading.runs
    if (beacon := reading.slot("beacon")) is not None:
        return readings[beacon].named("implementation") if beacon in readings else None
    for view in ("comptrollerImplementation", "implementation"):
        named = reading.named(view)
        if named is not None and int(named, 16):
            return named
    return None


def _upgrader(reading: Reading, readings: Readings, seen: tuple[Address, ...] = ()) -> Controller:
    """Who may exchange a contract's code. seen: addresses on the way to the contract."""
    me = (*seen, reading.address)
    if any(reading.slots.get(name, 0) is None for name in ("implementation", "admin", "beacon")):
        return unknown(None, "its proxy's slots cannot be read")
    if (beacon := reading.slot("beacon")) is not None:
        return controller_of(beacon, readings, me)
    if (admin := reading.slot("admin") or reading.slot("old admin")) is not None:
        return controller_of(admin, readings, me)
    if reading.in_storage is None and runs_of(reading, readings) in (None, reading.minimal):
        return NO_ONE
    if "nonsense" in reading.answers:
        return unknown(None, "a proxy that names no admin")
    # A proxy whose admin is not in its storage, or UUPS.
    if (found := _first(reading, readings, ("ADDRESSES_PROVIDER", "POOL", *BEHIND[:4]), me)) is not None:
        return found
    may = [
        controller_of(account, readings, me, late=delay)
        for role in reading.roles
        if role.power in (Power.ADMIN, Power.UPGRADE)
        for account, delay, _ in role.accounts
        if account != reading.address
    ]
    return weakest(may) or unknown(None, "a proxy that names no admin")


def _owner(reading: Reading, readings: Readings) -> Controller:
    """Who may change a contract's settings."""
    views = ("owner", "getOwner", "admin", "governor", "ADDRESSES_PROVIDER", "authority", "governorAdmin")
    return _first(reading, readings, views, (reading.address,)) or NO_ONE


def _first(
    reading: Reading, readings: Readings, views: tuple[str, ...], seen: tuple[Address, ...]
) -> Controller | None:
    """The controller that the first of these views names; nobody if a view returns the zero address and none names an
    address; None if no view answers."""
    named = [found for view in views if (found := reading.named(view)) is not None]
    if not named:
        return None
    return controller_of(next((one for one in named if int(one, 16)), named[0]), readings, seen)


def _roles(wanted: Dependency, reading: Reading, readings: Readings) -> tuple[Role, ...]:
    """A contract's roles, or those of the contract that it consults: an Aave pool consults its provider's
    ACLManager."""
    if "nonsense" in reading.answers:
        return ()
    book = reading
    ways: list[tuple[str, ...]] = [("authority",)]
    if wanted.part in (Part.POOL, Part.INSIDE):
        ways.append(("ADDRESSES_PROVIDER", "getACLManager"))
    for way in ways:
        at: Reading | None = None if book.roles else reading
        for view in way:
            named = at.named(view) if at is not None else None
            at = readings.get(named) if named is not None else None
        book = at or book
    found = []
    for role in book.roles:
        mine = [
            one
            for one in role.accounts
            if one[0] not in (reading.address, book.address) and one[0].lower() not in NOBODYS
        ]
        holders = tuple(controller_of(account, readings, late=delay) for account, delay, _ in mine)
        given = tuple(block for _, _, block in mine)
        found.append(Role(name=role.name, power=role.power, holders=holders, given=given, missing=role.missing))
    if wanted.part in (Part.ASSET, Part.COLLATERAL, Part.BACKER):
        why = "the token says it of one address, and lists nobody"
        lists = [view for view in MINT_LISTS if reading.word(view) is not None]
        found += [Role(name=view, power=Power.MINT, missing=why) for view in lists]
    return tuple(found)


def controller_of(address: Address, readings: Readings, seen: tuple[Address, ...] = (), *, late: int = 0) -> Controller:
    """The holder of a right, with the controllers behind it. seen: addresses on the way to it; late: delay in
    seconds that an AccessManager imposes on it."""
    found = _as_its_code(_controller_of(address, readings, seen), readings, seen)
    if 0 < late <= LONGEST_DELAY and found.kind not in (ControllerKind.NONE, ControllerKind.UNKNOWN):
        return Controller(kind=ControllerKind.TIMELOCK, delay_seconds=late, behind=found)
    return found


def _as_its_code(found: Controller, readings: Readings, seen: tuple[Address, ...]) -> Controller:
    """A controller that is a proxy is as weak as whoever may exchange its code, who could make its delay and its votes
    anything. One that only its own decisions can exchange is as it says."""
    reading = readings.get(found.address) if found.address is not None else None
    if reading is None or found.kind not in (ControllerKind.TIMELOCK, ControllerKind.GOVERNOR, ControllerKind.CONTRACT):
        return found
    by = _upgrader(reading, readings, seen)
    last = list(by.chain)[-1]
    if by.kind is ControllerKind.NONE or last.why == CIRCLE or weakest((by, found)) is not by:
        return found
    why = "its code can be exchanged"
    return Controller(
        kind=ControllerKind.CONTRACT, address=found.address, behind=by, code_hash=found.code_hash, why=why
    )


def _controller_of(address: Address, readings: Readings, seen: tuple[Address, ...]) -> Controller:
    if address.lower() in NOBODYS:
        return NO_ONE
    if address in seen:
        return unknown(address, CIRCLE)
    if len(seen) > MOST_BEHIND:
        return unknown(address, f"more than {MOST_BEHIND} controllers behind each other")
    reading = readings.followed(address) if isinstance(readings, _Bounded) else readings.get(address)
    if reading is None:
        return unknown(address, "not followed so far")
    if reading.code is None:
        return unknown(address, "its code cannot be read")
    if reading.code.size == 0 or (reading.code.size == 23 and reading.code.head.startswith(DELEGATES)):
        return Controller(kind=ControllerKind.EOA, address=address)
    if "nonsense" in reading.answers:
        return unknown(address, "it answers anything")
    code = reading.code.hash.hex()
    if "getThreshold" in reading.answers or "getOwners" in reading.answers:
        return _safe(reading, readings, code, (*seen, address))
    behind = _behind(reading, readings, (*seen, address))
    delay = next((word for view in ("getMinDelay", "delay") if (word := reading.word(view)) is not None), None)
    delay = maple.delay_of(reading) if delay is None else delay
    settings = reading.answers.get("executorSettings", b"")
    if len(settings) == 64:  # Aave's PayloadsController: acts on votes, through the executor that it names
        if address_of(int.from_bytes(settings[:32], "big") % 2**160) != (seen[-1] if seen else None):
            return unknown(address, "it does not name the executor that it owns")
        delay = int.from_bytes(settings[32:], "big")
        if delay > LONGEST_DELAY:
            return unknown(address, f"a delay of {delay} s")
        return Controller(kind=ControllerKind.GOVERNOR, address=address, delay_seconds=delay, code_hash=code)
    if delay is not None:
        if delay > LONGEST_DELAY:
            return unknown(address, f"a delay of {delay} s")
        kind = ControllerKind.TIMELOCK
        return Controller(kind=kind, address=address, delay_seconds=delay, behind=behind, code_hash=code)
    if reading.word("votingPeriod"):
        return Controller(kind=ControllerKind.GOVERNOR, address=address, code_hash=code)
    return Controller(kind=ControllerKind.CONTRACT, address=address, behind=behind, code_hash=code)


def _behind(reading: Reading, readings: Readings, seen: tuple[Address, ...]) -> Controller | None:
    """The controller of a contract: the one its views name, else the weakest holder of a role by which it acts."""
    named = [found for view in BEHIND if (found := reading.named(view)) not in (None, reading.address)]
    if named:
        return _first(reading, readings, tuple(view for view in BEHIND if reading.named(view) in named), seen)
    powers = (Power.ADMIN, Power.UPGRADE, Power.PROPOSE)
    acts = [role for role in reading.roles if role.power in powers]
    may = [
        controller_of(account, readings, seen, late=delay)
        for role in acts
        for account, delay, _ in role.accounts
        if account != reading.address  # a timelock that administers itself acts only by calls that waited
    ]
    late = next((role.missing for role in acts if role.missing), "")
    return unknown(None, f"holders of its roles: {late}") if late else weakest(may)


def _safe(reading: Reading, readings: Readings, code: str, seen: tuple[Address, ...]) -> Controller:
    """A Safe, verified by its code and its implementation's code, since any contract can answer as one. Its modules
    act without signatures, so it is only as strong as the weakest of them."""
    address, threshold = reading.address, reading.word("getThreshold")
    owners = _addresses(reading.answers.get("getOwners", b""))
    if threshold is None or owners is None or not 0 < threshold <= len(owners) or len(set(owners)) < len(owners):
        count = "unreadable owners" if owners is None else counted(len(set(owners)), "owner")
        return unknown(address, f"it answers as a multisig with threshold {threshold} and {count}")
    singleton = reading.slots.get("zero")
    runs = address_of(singleton) if singleton and singleton < 2**160 else None
    if code not in SAFE_PROXIES or runs not in SAFE_SINGLETONS:
        return Controller(
            kind=ControllerKind.CONTRACT,
            address=address,
            threshold=threshold,
            owners=owners,
            code_hash=code,
            why="it answers as a multisig, but its code is not that of a Safe known here",
        )
    own = Controller(kind=ControllerKind.SAFE, address=address, threshold=threshold, owners=owners, code_hash=code)
    modules = modules_of(reading)
    if modules is None or len(modules) >= MOST_MODULES:
        why = "its modules cannot be read" if modules is None else f"{MOST_MODULES} modules and more"
        return replace(own, behind=unknown(None, why))
    weak = weakest([own, *(controller_of(one, readings, seen) for one in modules)])
    return own if weak is own or weak is None else replace(own, behind=weak, why="a module acts without signatures")


def _addresses(answer: bytes) -> tuple[Address, ...] | None:
    """An answer of type address[]; None for anything else."""
    words = [int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer) - len(answer) % 32, 32)]
    if len(words) < 2 or words[0] != 32 or words[1] > MOST_OWNERS or len(words) < 2 + words[1]:
        return None
    found = words[2 : 2 + words[1]]
    return tuple(address_of(word) for word in found) if all(0 < word < 2**160 for word in found) else None


def _values(wanted: Dependency, reading: Reading) -> tuple[tuple[str, str], ...]:
    """A contract's settings as text; answers of a dependency's own views in hex, shortened if they are long."""
    found = {name: str(at) for view, name in VALUES.items() if (at := reading.named(view)) and int(at, 16)}
    if (delay := reading.word("timelock")) is not None and delay <= LONGEST_DELAY:
        found["timelock seconds"] = str(delay)
    for name, _ in wanted.views:
        answer = reading.answers.get(name, b"")
        if not name.startswith(("pending ", PREFIX)) and len(answer) >= 32:
            found[name] = ", ".join(words_of(answer)[: 1 if name in ONE_WORD else None])
    return tuple(found.items())


ONE_WORD = ("oracle source",)
"""Settings of which the first word counts alone: in Fraxlend's the prices follow it, which move."""
MOST_WORDS = 16
"""Most words of a setting that are kept."""


def words_of(answer: bytes) -> list[str]:
    """The 32-byte words of an answer as text: an address where it can only be one, else a number."""
    words = [int.from_bytes(answer[at : at + 32], "big") for at in range(0, min(len(answer), 32 * MOST_WORDS), 32)]
    return [address_of(word) if 2**128 <= word < 2**160 else str(word) for word in words]


def _pending(wanted: Dependency, reading: Reading, readings: Readings) -> tuple[Pending, ...]:
    """The changes that a contract's own views announce."""
    found = list[Pending]()
    for name, _ in wanted.views:
        comet = readings.get(Address(name.removeprefix(PREFIX))) if name.startswith(PREFIX) else None
        if comet is not None and "nonsense" not in comet.answers:
            found += changes_of(wanted.address, comet, reading.answers.get(name, b""))
    for view, what, now in (("pendingOwner", "owner", "owner"), ("pendingAdmin", "admin", "admin")):
        named, before = reading.named(view), reading.named(now)
        if named is not None and int(named, 16):
            source = f"{wanted.address} {view}()"
            found.append(
                Pending(what=what, after=named, before=before or "", source=source, id=f"{view}/{named.lower()}")
            )
    two = [*TWO.items(), *((n, n.removeprefix("pending ")) for n, _ in wanted.views if n.startswith("pending "))]
    for view, what in two:
        answer = reading.answers.get(view, b"")
        due = int.from_bytes(answer[32:64], "big") if len(answer) >= 64 else 0
        if not 0 < due < 2**40:
            continue
        (after,) = words_of(answer[:32])
        found.append(
            Pending(what=what, after=after, due=due, source=f"{wanted.address} {view}", id=f"{view}/{after}/{due}")
        )
    return tuple(found)
