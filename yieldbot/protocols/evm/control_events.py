"""Events by which contracts say that somebody else controls them, or that something of theirs changes: in words. Pure;
logs may hold anything, and one that cannot be read is shown by its name alone.

Sources: OpenZeppelin (Ownable, Ownable2Step, AccessControl, ERC1967Utils, TimelockController, Governor), Safe,
Compound's Timelock, Comptroller, cToken and Comet's Configurator, Aave's PoolConfigurator, PoolAddressesProvider,
AaveOracle and PayloadsController, Morpho Blue and MetaMorpho.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from yieldbot.model.controls import ControlEvent, Pending
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthLog
from yieldbot.model.text import one_line
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.role_reads import numbers

MOST_OF_ONE = 50
"""Events of one contract in one look that are shown one by one; more are one line, and the worst case is assumed."""
LONGEST = 200
"""Characters of an event's words."""

EVENTS = {
    "OwnershipTransferred(address indexed before, address indexed after)": "its owner is now {after}, it was {before}",
    "OwnershipTransferStarted(address indexed before, address indexed after)": "{after} may become its owner",
    "OwnershipHandoverRequested(address indexed after)": "{after} may become its owner",
    "SetOwner(address indexed after)": "its owner is now {after}",
    "GovernorTransferred(address indexed before, address indexed after)": (
        "its governor is now {after}, it was {before}"
    ),
    "RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)": (
        "{account} gets the role {role}"
    ),
    "RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)": (
        "{account} loses the role {role}"
    ),
    "RoleGranted(uint64 indexed role, address indexed account, uint32 delay, uint48 since, bool after)": (
        "{account} gets the role {role}, acts {delay} s after it said so"
    ),
    "RoleRevoked(uint64 indexed role, address indexed account)": "{account} loses the role {role}",
    "AuthorityUpdated(address after)": "{after} now says who may do what",
    "DefaultAdminTransferScheduled(address indexed after, uint48 due)": "{after} may become its admin",
    "RoleAdminChanged(bytes32 indexed role, bytes32 indexed before, bytes32 indexed after)": (
        "the role {role} is given by {after}, it was by {before}"
    ),
    "Upgraded(address indexed after)": "its code is now that of {after}",
    "AdminChanged(address before, address after)": "its proxy's admin is now {after}, it was {before}",
    "BeaconUpgraded(address indexed after)": "its beacon is now {after}",
    "NewImplementation(address before, address after)": "its code is now that of {after}, it was that of {before}",
    "NewPendingImplementation(address before, address after)": "its code may become that of {after}",
    "NewAdmin(address before, address after)": "its admin is now {after}, it was {before}",
    "NewPendingAdmin(address before, address after)": "{after} may become its admin",
    "NewAdmin(address indexed after)": "its admin is now {after}",
    "NewPendingAdmin(address indexed after)": "{after} may become its admin",
    "NewDelay(uint256 indexed after)": "its delay is now {after} s",
    "MinDelayChange(uint256 before, uint256 after)": "its delay is now {after} s, it was {before} s",
    "CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, "
    "bytes32 predecessor, uint256 delay)": "a call of {target} is scheduled, in {delay} s",
    "CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data)": (
        "a scheduled call of {target} was made"
    ),
    "Cancelled(bytes32 indexed id)": "a scheduled call was cancelled",
    "QueueTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a call of {target} {signature} is queued",
    "ExecuteTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a queued call of {target} {signature} was made",
    "CancelTransaction(bytes32 indexed id, address indexed target, uint256 value, string signature, bytes data, "
    "uint256 eta)": "a queued call of {target} {signature} was cancelled",
    "ProposalQueued(uint256 id, uint256 eta)": "proposal {id} is queued",
    "ProposalExecuted(uint256 id)": "proposal {id} was carried out",
    "ProposalCanceled(uint256 id)": "proposal {id} was cancelled",
    "OperationScheduled(bytes32 indexed id, uint32 indexed nonce, uint48 eta, address caller, address target, "
    "bytes data)": "a call of {target} is scheduled",
    "OperationExecuted(bytes32 indexed id, uint32 indexed nonce)": "a scheduled call was made",
    "OperationCanceled(bytes32 indexed id, uint32 indexed nonce)": "a scheduled call was cancelled",
    "PayloadQueued(uint40 id)": "payload {id} is queued",
    "PayloadExecuted(uint40 id)": "payload {id} was carried out",
    "PayloadCancelled(uint40 id)": "payload {id} was cancelled",
    "AddedOwner(address after)": "{after} is a signer now",
    "RemovedOwner(address before)": "{before} is no signer any more",
    "ChangedThreshold(uint256 after)": "it needs {after} signatures now",
    "EnabledModule(address after)": "module {after} may act without signatures",
    "DisabledModule(address before)": "module {before} may not act any more",
    "ChangedMasterCopy(address after)": "its code is now that of {after}",
    "ChangedGuard(address after)": "its guard is now {after}",
    "SubmitTimelock(uint256 after)": "its timelock may become {after} s",
    "SetTimelock(address indexed caller, uint256 after)": "its timelock is now {after} s",
    "SubmitGuardian(address indexed after)": "{after} may become its guardian",
    "SetGuardian(address indexed caller, address indexed after)": "its guardian is now {after}",
    "SetCurator(address indexed after)": "its curator is now {after}",
    "SetIsAllocator(address indexed account, bool after)": "{account} allocates: {after}",
    "SubmitCap(address indexed caller, bytes32 indexed market, uint256 after)": (
        "its cap of {market} may become {after}"
    ),
    "SetCap(address indexed caller, bytes32 indexed market, uint256 after)": "its cap of {market} is now {after}",
    "SubmitMarketRemoval(address indexed caller, bytes32 indexed market)": "market {market} may be removed with a loss",
    "RevokePendingTimelock(address indexed caller)": "its timelock stays",
    "RevokePendingGuardian(address indexed caller)": "its guardian stays",
    "RevokePendingCap(address indexed caller, bytes32 indexed market)": "its cap of {market} stays",
    "RevokePendingMarketRemoval(address indexed caller, bytes32 indexed market)": "market {market} stays",
    "SetFee(address indexed caller, uint256 after)": "its fee is now {after} (1e18 is all)",
    "SetFee(bytes32 indexed market, uint256 after)": "the fee of market {market} is now {after} (1e18 is all)",
    "EnableIrm(address indexed after)": "rate model {after} may be used",
    "PauseAction(bool supply, bool transfer, bool withdraw, bool absorb, bool buy)": (
        "paused are: supply {supply}, withdrawals {withdraw}, liquidations {absorb}"
    ),
    "SetBaseTokenPriceFeed(address indexed comet, address indexed before, address indexed after)": (
        "the oracle of {comet}'s asset becomes {after}, it was {before}"
    ),
    "UpdateAssetPriceFeed(address indexed comet, address indexed asset, address before, address after)": (
        "the oracle of collateral {asset} of {comet} becomes {after}, it was {before}"
    ),
    "UpdateAssetSupplyCap(address indexed comet, address indexed asset, uint128 before, uint128 after)": (
        "the cap of collateral {asset} of {comet} becomes {after}, it was {before}"
    ),
    "SetSupplyKink(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s kink becomes {after}, it was {before}"
    ),
    "SetSupplyPerYearInterestRateSlopeHigh(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s supply rate above the kink becomes {after}, it was {before}"
    ),
    "SetBorrowPerYearInterestRateSlopeHigh(address indexed comet, uint64 before, uint64 after)": (
        "{comet}'s borrow rate above the kink becomes {after}, it was {before}"
    ),
    "CometDeployed(address indexed comet, address indexed after)": "new code for {comet} is deployed: {after}",
    "NewPriceOracle(address before, address after)": "its oracle is now {after}, it was {before}",
    "NewMarketInterestRateModel(address before, address after)": "its rate model is now {after}, it was {before}",
    "NewReserveFactor(uint256 before, uint256 after)": (
        "its reserve factor is now {after}, it was {before} (1e18 is all)"
    ),
    "NewCollateralFactor(address market, uint256 before, uint256 after)": (
        "the collateral factor of {market} is now {after}, it was {before} (1e18 is all)"
    ),
    "NewPauseGuardian(address before, address after)": "its pause guardian is now {after}, it was {before}",
    "NewSupplyCap(address indexed market, uint256 after)": "the supply cap of {market} is now {after}",
    "NewBorrowCap(address indexed market, uint256 after)": "the borrow cap of {market} is now {after}",
    "ActionPaused(address market, string action, bool after)": "{action} of {market} is paused: {after}",
    "SupplyCapChanged(address indexed asset, uint256 before, uint256 after)": (
        "the supply cap of {asset} is now {after}, it was {before}"
    ),
    "BorrowCapChanged(address indexed asset, uint256 before, uint256 after)": (
        "the borrow cap of {asset} is now {after}, it was {before}"
    ),
    "ReserveInterestRateDataChanged(address indexed asset, address indexed strategy, bytes data)": (
        "the rates of {asset} change: optimum, base, slope 1, slope 2 in bp are {data}"
    ),
    "ReserveInterestRateStrategyChanged(address indexed asset, address before, address after)": (
        "the rate model of {asset} is now {after}, it was {before}"
    ),
    "CollateralConfigurationChanged(address indexed asset, uint256 ltv, uint256 threshold, uint256 bonus)": (
        "{asset} as collateral: {ltv} bp are lent against it, liquidated from {threshold} bp"
    ),
    "ReserveFactorChanged(address indexed asset, uint256 before, uint256 after)": (
        "the reserve factor of {asset} is now {after} bp, it was {before} bp"
    ),
    "ReserveFrozen(address indexed asset, bool after)": "{asset} is frozen: {after}",
    "ReservePaused(address indexed asset, bool after)": "{asset} is paused: {after}",
    "ATokenUpgraded(address indexed asset, address indexed proxy, address indexed after)": (
        "the aToken of {asset} runs the code of {after} now"
    ),
    "AssetSourceUpdated(address indexed asset, address indexed after)": "the oracle of {asset} is now {after}",
    "PriceOracleUpdated(address indexed before, address indexed after)": "its oracle is now {after}, it was {before}",
    "PoolUpdated(address indexed before, address indexed after)": "its pool's code is now {after}, it was {before}",
    "PoolConfiguratorUpdated(address indexed before, address indexed after)": (
        "its configurator's code is now {after}, it was {before}"
    ),
    "ACLManagerUpdated(address indexed before, address indexed after)": (
        "its role manager is now {after}, it was {before}"
    ),
    "ACLAdminUpdated(address indexed before, address indexed after)": "who gives roles is now {after}, it was {before}",
}
"""Each event with what it says."""
OPENS = (
    *("CallScheduled", "QueueTransaction", "ProposalQueued", "OperationScheduled"),
    *("SubmitMarketRemoval", "NewPendingImplementation"),
)
"""Events that announce a change which no view of the contract tells."""
CLOSES = (
    *("CallExecuted", "Cancelled", "ExecuteTransaction", "CancelTransaction", "ProposalExecuted", "ProposalCanceled"),
    *("RevokePendingMarketRemoval", "NewImplementation", "OperationExecuted", "OperationCanceled"),
)
"""Events that end such an announcement."""


@dataclass(frozen=True, slots=True)
class ScheduledCall:
    """A call that an event announces."""

    target: Address
    """The contract that would be called."""
    value: int
    """Wei that go with it."""
    data: bytes
    """Calldata."""


@dataclass(frozen=True, slots=True)
class DescribedEvent:
    """An event in words, and the call that it announces."""

    event: ControlEvent
    """The event."""
    call: ScheduledCall | None = None
    """The announced call; None: it announces none."""
    delay_seconds: int | None = None
    """Seconds after the event's block from which it may be made; None where the event says a time, or none."""
    payload: str = ""
    """Of an Aave payload, "call/" and its number: what it would do is in its own contract; empty for other events."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of event."""

    name: str
    """Its name."""
    words: str
    """What it says, with its arguments' names in braces."""
    fields: tuple[tuple[str, str, bool], ...]
    """Each argument's type, name, and whether it is indexed."""


@cache
def kinds() -> Mapping[bytes, tuple[_Kind, ...]]:
    """The events by their first topic. One topic may belong to several, whose arguments are indexed differently."""
    from eth_utils.crypto import keccak

    found: dict[bytes, tuple[_Kind, ...]] = {}
    for signature, words in EVENTS.items():
        name, inside = signature.rstrip(")").split("(")
        parts = [part.split() for part in re.split(r",\s*", inside)]
        fields = tuple((part[0], part[-1], len(part) == 3) for part in parts)
        topic = keccak(text=f"{name}({','.join(kind for kind, _, _ in fields)})")
        found[topic] = (*found.get(topic, ()), _Kind(name, words, fields))
    return found


def topics() -> tuple[bytes, ...]:
    """The first topics of all events that are read."""
    return tuple(kinds())


def topics_of(names: Sequence[str]) -> tuple[bytes, ...]:
    """The first topics of the events of some names."""
    return tuple(topic for topic, found in kinds().items() if any(one.name in names for one in found))


def described(logs: Sequence[EthLog]) -> list[DescribedEvent]:
    """The events in words, in their order; a contract's flood is one line."""
    counts: dict[str, int] = {}
    for log in logs:
        counts[log.address.lower()] = counts.get(log.address.lower(), 0) + 1
    found: list[DescribedEvent] = []
    flooded = set[str]()
    for log in logs:
        at = log.address.lower()
        if counts[at] <= MOST_OF_ONE:
            if (one := described_one(log)) is not None:
                found.append(one)
        elif at not in flooded:
            flooded.add(at)
            found.append(_flood(log, counts[at]))
    return found


def _flood(log: EthLog, count: int) -> DescribedEvent:
    words = f"{count:,} events in one look, more than {MOST_OF_ONE}: not told one by one, the worst is assumed"
    pending = Pending(what="anything", after=words, source=f"events of {log.address}", id=f"flood/{log.block}")
    return DescribedEvent(
        ControlEvent(
            contract=_checksum(log.address),
            what="flood",
            words=words,
            block=log.block,
            index=log.index,
            tx=log.tx,
            pending=pending,
        )
    )


def described_one(log: EthLog) -> DescribedEvent | None:
    """One event in words; None for one that is not read."""
    candidates = kinds().get(log.topics[0] if log.topics else b"", ())
    if not candidates:
        return None
    kind = next((one for one in candidates if sum(i for _, _, i in one.fields) == len(log.topics) - 1), candidates[0])
    contract = _checksum(log.address)
    event = ControlEvent(
        contract=contract, what=kind.name, words=f"{kind.name}, unreadable", block=log.block, index=log.index, tx=log.tx
    )
    try:
        values = _values(kind, log)
        shown = {name: _shown(kind_of, name, values[name]) for kind_of, name, _ in kind.fields}
        event = replace(event, words=one_line(kind.words.format(**shown), LONGEST))
    except Exception:  # whatever a log holds, it is an event that is shown
        return DescribedEvent(event)
    number = values.get("id", values.get("market"))
    key = f"call/{_id(number)}" if number is not None else "implementation"
    if kind.name in CLOSES:
        return DescribedEvent(replace(event, closes=key))
    if kind.name not in OPENS:
        return DescribedEvent(event, payload=key if kind.name == "PayloadQueued" else "")
    eta, delay = values.get("eta"), values.get("delay")
    due = int(eta) if eta is not None and int(eta) < 2**40 else None
    pending = Pending(
        what="scheduled call" if "target" in values else "change",
        after=event.words,
        due=due,
        source=f"{kind.name} of {contract}, block {log.block}",
        id=key,
    )
    event = replace(event, pending=pending)
    wait = int(delay) if delay is not None and int(delay) < 2**40 else None
    if "target" not in values:
        return DescribedEvent(event, None, wait)
    data = bytes(values["data"])
    if signature := str(values.get("signature", "")):
        from yieldbot.protocols.evm.abi import selector_of

        data = selector_of(signature) + data
    return DescribedEvent(event, ScheduledCall(_checksum(values["target"]), int(values.get("value", 0)), data), wait)


def _values(kind: _Kind, log: EthLog) -> dict[str, Any]:
    """The arguments by name. Raises where the log is not one of this kind."""
    from eth_abi.abi import decode

    indexed = [(name, type_) for type_, name, is_indexed in kind.fields if is_indexed]
    inside = [(name, type_) for type_, name, is_indexed in kind.fields if not is_indexed]
    if len(log.topics) - 1 > len(indexed):  # a newer version indexes what an older one did not
        extra = len(log.topics) - 1 - len(indexed)
        indexed, inside = indexed + inside[:extra], inside[extra:]
    found = {name: decode([type_], topic)[0] for (name, type_), topic in zip(indexed, log.topics[1:], strict=True)}
    found |= dict(zip((name for name, _ in inside), decode([t for _, t in inside], log.data), strict=True))
    return found


def _shown(kind: str, name: str, value: Any) -> str:
    if kind == "address":
        return "nobody" if int(value, 16) == 0 else checksum(value)
    if kind == "bool":
        return "yes" if value else "no"
    if kind == "bytes32":
        return _role(value) if name in ("role", "before", "after") else f"0x{value.hex()[:8]}…"
    if kind == "bytes":
        words = [int.from_bytes(value[at : at + 32], "big") for at in range(0, min(len(value), 128), 32)]
        return ", ".join(map(str, words))
    return one_line(str(value), 80)


def _role(value: bytes) -> str:
    return numbers().get(int.from_bytes(value, "big"), f"0x{value.hex()[:8]}…")


def _id(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _checksum(address: str) -> Address:
    try:
        return checksum(address)
    except ValueError:
        return Address(address)
