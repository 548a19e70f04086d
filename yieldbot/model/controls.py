"""Who may change the contracts (programs) that a market depends on, and after what delay: facts of one look, and
changes between looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.look_through import Backing
from yieldbot.model.money_flows import Holders, MarketFlows, TokenMove


class Part(StrEnum):
    """The role that a contract has for a market that depends on it."""

    POOL = "pool"
    """It holds the money: a pool, a vault, a comptroller's market, a program."""
    ADMIN = "admin"
    """It can change the pool: an addresses provider, a configurator, a comptroller, a role manager."""
    ORACLE = "oracle"
    """It prices collateral, or names the price feeds that do."""
    RATE_MODEL = "rate model"
    """It sets what borrowers pay."""
    COLLATERAL = "collateral"
    """The token that the money was lent against in an isolated market; on Solana also a pool's."""
    BACKER = "backer"
    """A token on which a tenth of the market rests, as looks found through pools and vaults."""
    ASSET = "asset"
    """The token that is deposited: its issuer may freeze it."""
    INSIDE = "inside"
    """A pool or vault that the money is lent on to (look-through)."""


class ControllerKind(StrEnum):
    """What kind of party can change a contract."""

    NONE = "none"
    """Nobody: the right was given up, or does not exist."""
    GOVERNOR = "governor"
    """A contract that acts on votes (one that has a voting period)."""
    TIMELOCK = "timelock"
    """A contract that makes a call only some time after the call was announced."""
    SAFE = "safe"
    """A multisig: a Safe on EVM chains, a Squads multisig on Solana."""
    CONTRACT = "contract"
    """Another kind of contract; who acts through it is ``behind``, as far as the contract says."""
    EOA = "eoa"
    """A single key."""
    UNKNOWN = "unknown"
    """It could not be read, or its answer makes no sense: the worst case is assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who holds a right over a contract."""

    kind: ControllerKind
    """What kind of party it is."""
    address: Address | None = None
    """Its address; None for NONE, and for UNKNOWN where not even that could be read."""
    threshold: int | None = None
    """Signatures that a multisig needs: ``getThreshold()`` of a Safe, bytes of a Squads account; None for others."""
    owners: tuple[Address, ...] = ()
    """A multisig's signers: ``getOwners()`` of a Safe, members with a vote of a Squads account."""
    delay_seconds: int | None = None
    """Seconds from the announcement of a call to its execution: ``getMinDelay()``, ``delay()`` or ``timelock()``,
    whichever the contract has; ``time_lock`` of a Squads account; None where it states none."""
    behind: Controller | None = None
    """The controller that acts through it, if that is one address: a timelock's admin, a contract's owner; None:
    unknown, or there is none."""
    code_hash: str = ""
    """keccak256 of its code in hex (``eth_getCode``); empty for a key, and where it was not read."""
    why: str = ""
    """For UNKNOWN, why: what could not be read, or what made no sense."""

    @property
    def chain(self) -> Iterator[Controller]:
        """This controller and everybody behind it, the nearest first."""
        at: Controller | None = self
        while at is not None:
            yield at
            at = at.behind

    @property
    def last(self) -> str:
        """The first known address in the chain of controllers, in lower case: the holder's own, else that of the next
        controller behind it; empty if none is known."""
        return next((one.address.lower() for one in self.chain if one.address is not None), "")

    @property
    def warning_seconds(self) -> int:
        """Seconds from the announcement of a call to its execution: the longest delay in the chain of controllers; 0
        without a delay. The delays are not added up, since controllers may announce at the same time."""
        return max((one.delay_seconds or 0 for one in self.chain), default=0)

    @property
    def signatures(self) -> int:
        """Number of keys that must agree to a call, by the last known controller in the chain: a multisig's threshold,
        1 for a single key, 0 for UNKNOWN; a governor counts as ``VOTERS``, and a right that nobody holds as
        ``NOBODY``."""
        last = list(self.chain)[-1]
        if last.kind is ControllerKind.NONE:
            return NOBODY
        if last.kind is ControllerKind.GOVERNOR:
            return VOTERS
        if last.kind is ControllerKind.SAFE:
            return last.threshold or 0
        return 1 if last.kind is ControllerKind.EOA else 0

    @property
    def words(self) -> str:
        """A text about who it is: "timelock 2 days, behind it safe 4 of 7 0x1234…cdef"."""
        return ", behind it ".join(_words(one) for one in self.chain)


class Power(StrEnum):
    """What a role lets its holders do."""

    ADMIN = "admin"
    """Grant any role to any address, or change anything."""
    UPGRADE = "upgrade"
    """Replace the contract's code."""
    MINT = "mint"
    """Mint tokens."""
    PROPOSE = "propose"
    """Propose a call that a timelock executes after its delay."""
    PAUSE = "pause"
    """Pause the contract, or freeze an account."""
    SETTINGS = "settings"
    """Change parameters within the bounds that its code sets."""
    OTHER = "other"
    """Anything else, or not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role of a contract (OpenZeppelin's AccessControl or AccessManager) and who holds it."""

    name: str
    """The role's name if its number is the hash of a known name, else the number, shortened."""
    power: Power
    """What it lets its holders do."""
    holders: tuple[Controller, ...] = ()
    """Everybody who is known to hold it."""
    given: tuple[int, ...] = ()
    """For each holder the block of the event that granted the role; 0: not known."""
    missing: str = ""
    """Why there may be further holders; empty: these are all."""


def weakest(many: Iterable[Controller]) -> Controller | None:
    """The least safe of several controllers, each of which may act alone: those with less than an hour of warning come
    first, then the fewest signatures, then the shortest warning. None if there are no controllers."""
    return min(many, key=lambda one: (one.warning_seconds >= 3600, one.signatures, one.warning_seconds), default=None)


CONFIGURATOR = "PoolConfigurator"
"""Name of the contract through which the settings of all of a pool's markets are changed."""
VOTERS = 100
"""Number of keys that a governor counts as."""
NOBODY = 1000
"""Number of keys that a right held by nobody counts as."""
UNREADABLE = "unreadable"
"""Stands in ``ControlEvent.calls`` for what cannot be decoded."""
NO_ONE = Controller(kind=ControllerKind.NONE)
"""A right that nobody holds."""


def span(seconds: int) -> str:
    """A duration as text: "2 days", "6 h", "90 s"."""
    for size, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = f"{seconds / size:.3g}"
            return f"{count} {'day' if (name, count) == ('days', '1') else name}"
    return f"{seconds} s"


def _words(one: Controller) -> str:
    at = f" {one.address[:6]}…{one.address[-4:]}" if one.address else ""
    match one.kind:
        case ControllerKind.NONE:
            return "nobody"
        case ControllerKind.EOA:
            return f"one key{at}"
        case ControllerKind.SAFE:
            late = f", {span(one.delay_seconds)}" if one.delay_seconds else ""
            return f"multisig {one.threshold} of {len(one.owners)}{late}{at}"
        case ControllerKind.TIMELOCK:
            return f"timelock {span(one.delay_seconds or 0)}{at}"
        case ControllerKind.UNKNOWN:
            return f"unknown{at}" + (f" ({one.why})" if one.why else "")
        case _:
            return f"{one.kind}{at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A change that was announced and has not taken effect."""

    what: str
    """What would change: "owner", "timelock", "cap of market 0x12…", "scheduled call"."""
    after: str
    """Its new value, or what would be called, as text for a person."""
    before: str = ""
    """Its present value; empty where that was not read."""
    due: int | None = None
    """Unix seconds from which it may take effect; None: at once, or not stated."""
    source: str = ""
    """Where it was read: a contract with its function, or an event with its block."""
    id: str = ""
    """Identifies it among the changes announced by the same contract; the same in every look."""
    names: tuple[Address, ...] = ()
    """Those of the contracts read that a scheduled call would call, or that appear in its arguments."""
    itself: bool = False
    """Whether it takes effect at ``due`` by itself, without a further call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFacts:
    """Facts on chain about one contract (program) that a market depends on: its code, and who may change it."""

    address: Address
    """The contract."""
    part: Part
    """Its role for the market."""
    name: str = ""
    """The contract's name in the protocol, as "PoolAddressesProvider"."""
    code_hash: str = ""
    """keccak256 of ``eth_getCode`` in hex; on Solana SHA-256 of the deployed bytes, or slot and authority; empty where
    there is no code."""
    implementation: Address | None = None
    """The contract that a proxy runs: from EIP-1967's implementation slot, the beacon's ``implementation()``, or the 20
    bytes in a minimal proxy (EIP-1167); None if it is no proxy of a known kind."""
    implementation_hash: str = ""
    """keccak256 of the implementation's code."""
    beacon: Address | None = None
    """EIP-1967's beacon slot; None if it is empty."""
    upgrade_by: Controller = NO_ONE
    """Who may replace its code: EIP-1967's admin slot (through ``ProxyAdmin.owner()``), the beacon's owner, or for UUPS
    proxies the contract's own owner; on Solana the program's upgrade authority. NONE: it is no proxy."""
    owner: Controller = NO_ONE
    """Who may change its settings: ``owner()``, ``getOwner()``, ``admin()`` or ``governor()``, whichever it has; NONE
    if it has none of them."""
    rights: tuple[tuple[str, Controller], ...] = ()
    """Further rights by name ("curator", "guardian", "pauseGuardian", "allocator"), as far as the contract states who
    holds them."""
    roles: tuple[Role, ...] = ()
    """Its roles, or those of the contract that it consults about them (Aave's ACLManager, an AccessManager); the admin
    role is always included if roles were read."""
    values: tuple[tuple[str, str], ...] = ()
    """Settings by name that matter to its depositors ("oracle", "timelock seconds", "rate model"), as text."""
    pending: tuple[Pending, ...] = ()
    """Changes that its own view functions announce."""
    created_at: int | None = None
    """Unix seconds at which it was created, or the implementation that it runs if that is younger; at most a day late.
    On Solana the time of the last deployment. None: not known."""
    there_since: int | None = None
    """Unix seconds of the first block at which it and its implementation are known to have existed; they may be older.
    None: not known."""
    created_block: int | None = None
    """Block (slot) of its creation (last deployment); None where that is not known."""
    block: int = 0
    """The block (slot) at which all this was read."""
    missing: tuple[str, ...] = ()
    """Facts that could not be read, each with the reason; the worst is assumed for each."""

    @property
    def changers(self) -> tuple[Controller, ...]:
        """Every controller that alone may change what the contract does: its upgrader, its owner, and holders of roles
        of Power ADMIN or UPGRADE; NONE is left out. If not all holders are known, UNKNOWN is among them."""
        found = [self.upgrade_by, self.owner]
        for role in self.roles:
            if role.power in (Power.ADMIN, Power.UPGRADE):
                found += role.holders
                if role.missing:
                    found.append(Controller(kind=ControllerKind.UNKNOWN, why=f"{role.name}: {role.missing}"))
        return tuple(one for one in found if one.kind is not ControllerKind.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """All contracts that one market depends on."""

    market: MarketId
    """The market."""
    contracts: tuple[ContractFacts, ...]
    """Each contract that was read or tried, the one that holds the money first."""
    block: int = 0
    """The block (slot) at which they were read."""
    time: int = 0
    """Unix seconds of that block."""
    missing: tuple[str, ...] = ()
    """What could not be found at all, such as the rest of a recursion that was cut off."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A contract (program) that a market depends on, as its adapter names it."""

    address: Address
    """The contract."""
    part: Part
    """Its role for the market."""
    name: str = ""
    """Its name in the protocol."""
    views: tuple[tuple[str, bytes], ...] = ()
    """Further settings that matter, as (name, calldata of the view function that returns it). A name that begins with
    "pending " announces a change: the function returns (new value, unix seconds from which it may be accepted)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEvent:
    """An event (or a difference between two looks) that shows that a contract was changed, or will be."""

    contract: Address
    """The contract that was changed, or that announces the change."""
    what: str
    """The event's name, or "difference" if two looks differ."""
    words: str
    """Description for a person, with the values before and after if known."""
    block: int
    """Number of the block (slot) of the event."""
    index: int = 0
    """The event's position in the block, which distinguishes events of one block."""
    tx: str = ""
    """Hash of the event's transaction; empty if the event comes from comparing two looks."""
    pending: Pending | None = None
    """The change that it announces; None: it reports something that has happened."""
    closes: str = ""
    """``Pending.id`` of the announced change that it carries out or cancels; empty: none."""
    weaker: str = ""
    """A text about why the contract has become less safe; empty: it has not, as far as the event shows."""
    calls: tuple[str, ...] = ()
    """The functions that it announces calls of, by their first four bytes in hex: ``0x`` for a transfer of the native
    token alone, ``delegatecall`` for code that runs as the caller itself, UNREADABLE for what cannot be decoded."""

    @property
    def key(self) -> str:
        """Identifies it among all events, the same whenever it is read."""
        return f"{self.contract.lower()}/{self.block}/{self.tx}/{self.index}/{self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the contracts that a chain's markets depend on."""

    block: int
    """The block (slot) of the look."""
    time: int
    """Time of that block, in unix seconds."""
    controls: Mapping[MarketId, Controls]
    """The contracts that each market depends on, by the market's id."""
    events: tuple[ControlEvent, ...] = ()
    """Events since the previous look, the oldest first."""
    since: int = 0
    """The block from which the events are complete."""
    cut: str = ""
    """Why events since the previous look are missing; empty: none are."""
    notes: tuple[str, ...] = ()
    """Lines about web services that failed; nothing depends on them."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What is stored for the next look: a JSON object in a form that only the chain's family knows."""
    backing: Mapping[MarketId, Backing] = field(default_factory=dict)
    """What backs each market's money in the end."""
    flows: Mapping[MarketId, MarketFlows] = field(default_factory=dict)
    """Deposits into and withdrawals from each market since the last look."""
    moves: Mapping[MarketId, tuple[TokenMove, ...]] = field(default_factory=dict)
    """Other changes of followed addresses' balances of assets, each by one market of that asset."""
    holders: Mapping[MarketId, Holders] = field(default_factory=dict)
    """The depositors of each market."""
    lost: Mapping[MarketId, float] = field(default_factory=dict)
    """Bad debt that was realised in each market since the last look, in whole tokens."""
    reward_ends: Mapping[MarketId, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    """By market, (token, unix seconds of the end; None: not known) of reward programmes that are not part of yields."""
    supplies: Mapping[str, float] = field(default_factory=dict)
    """Supply in base units of each token that backs markets, by its address."""
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By source (a pool's key, an oracle's, or ``risk/oracle_prices.FEEDS``), by token address, the price of one base
    unit, in the source's own unit."""
