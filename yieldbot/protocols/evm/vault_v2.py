"""Describes changes that a Morpho Vault V2 announces: its curator submits calldata, which may be called once a timelock
has passed. Each is described with the value in force. Pure; never raises, whatever the calldata and answers are.

Source: morpho-org/vault-v2, VaultV2.sol (submit, accept, revoke, caps, gates), MorphoMarketV1AdapterV2.sol (ids).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.controls import span
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.text import one_line
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.reads import Reads

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_events import ScheduledCall

MOST_ADAPTERS = 4
"""Adapters of one vault whose addresses are compared from look to look; each change is an event too."""
MOST_SUBMITTED = 20
"""Most announced changes of one look whose present values are read."""
LIQUIDITY_ADAPTER = "liquidity adapter"
ASKED = (
    (LIQUIDITY_ADAPTER, selector_of("liquidityAdapter()")),
    ("adapter registry", selector_of("adapterRegistry()")),
    ("gate on withdrawals", selector_of("receiveAssetsGate()")),
    ("gate on sending shares", selector_of("sendSharesGate()")),
    *((f"adapter {i}", selector_of("adapters(uint256)") + i.to_bytes(32, "big")) for i in range(MOST_ADAPTERS)),
)
"""Views, as (name, calldata), that are read from vaults of no other known kind; only a Vault V2 answers them."""
FUNCTIONS = {
    "setIsAllocator(address,bool)": ("{0} allocates", "isAllocator(address)"),
    "setReceiveSharesGate(address)": ("the gate on receiving shares", "receiveSharesGate()"),
    "setSendSharesGate(address)": ("the gate on sending shares (it can keep depositors in)", "sendSharesGate()"),
    "setReceiveAssetsGate(address)": ("the gate on withdrawals (it can keep depositors in)", "receiveAssetsGate()"),
    "setSendAssetsGate(address)": ("the gate on deposits", "sendAssetsGate()"),
    "setAdapterRegistry(address)": ("the registry of adapters", "adapterRegistry()"),
    "addAdapter(address)": ("adapter {0} may get its money", "isAdapter(address)"),
    "removeAdapter(address)": ("adapter {0} may get its money", "isAdapter(address)"),
    "increaseTimelock(bytes4,uint256)": ("the wait of {0}", "timelock(bytes4)"),
    "decreaseTimelock(bytes4,uint256)": ("the wait of {0}", "timelock(bytes4)"),
    "abdicate(bytes4)": ("{0} can never be called again", "abdicated(bytes4)"),
    "setPerformanceFee(uint256)": ("its performance fee", "performanceFee()"),
    "setManagementFee(uint256)": ("its management fee a year", "managementFee()"),
    "setPerformanceFeeRecipient(address)": ("who gets its performance fee", "performanceFeeRecipient()"),
    "setManagementFeeRecipient(address)": ("who gets its management fee", "managementFeeRecipient()"),
    "increaseAbsoluteCap(bytes,uint256)": ("its cap of {0}", "absoluteCap(bytes32)"),
    "increaseRelativeCap(bytes,uint256)": ("its cap of {0}, of its money", "relativeCap(bytes32)"),
    "setForceDeallocatePenalty(address,uint256)": (
        "what a depositor pays to take out of adapter {0}",
        "forceDeallocatePenalty(address)",
    ),
}
"""By signature of a function that can be announced: (a text about what changes, the view that returns the value in
force)."""
ADDED = {"addAdapter": True, "removeAdapter": False, "abdicate": True}
"""Functions without a new value among their arguments, with the value that the call sets."""


@dataclass(frozen=True, slots=True)
class _Change:
    """One call that the vault has announced."""

    name: str
    """The function's name."""
    what: str
    """A text about what changes."""
    after: Any
    """The new value."""
    view: bytes
    """Calldata of the view that returns the value in force."""


@cache
def _by_selector() -> Mapping[bytes, str]:
    return {selector_of(signature): signature for signature in FUNCTIONS}


def name_of(selector: bytes) -> str:
    """The name of a function that can be announced; for other functions the selector in hex."""
    found = _by_selector().get(bytes(selector))
    return found.split("(")[0] if found else f"0x{bytes(selector).hex()}"


def _change(call: ScheduledCall) -> _Change | None:
    """The change that a call of the vault's own functions would make; None if that function cannot be announced."""
    from eth_abi.abi import decode

    signature = _by_selector().get(call.data[:4])
    if signature is None:
        return None
    name, types = signature.split("(")[0], signature.rstrip(")").split("(")[1].split(",")
    try:
        values = decode(types, call.data[4:])
    except Exception:  # a curator may submit any bytes
        return None
    what, view = FUNCTIONS[signature]
    first, inside = values[0], view.rstrip(")").split("(")[1]
    data = selector_of(view)
    if inside == "address":
        data += bytes.fromhex(first[2:]).rjust(32, b"\0")
    elif inside:
        data += first.ljust(32, b"\0") if inside == "bytes4" else keccak(first)
    shown = id_words(first) if types[0] == "bytes" else name_of(first) if types[0] == "bytes4" else first
    shown = checksum(shown) if types[0] == "address" else shown
    return _Change(name, what.format(shown), ADDED.get(name, values[-1]), data)


def id_words(data: bytes) -> str:
    """A text about what a cap limits, from the id's preimage: Morpho's adapters have an id for the adapter, for each
    collateral and for each market."""
    from eth_abi.abi import decode

    for types in (["string", "address", "(address,address,address,address,uint256)"], ["string", "address"]):
        try:
            name, at, *market = decode(types, data)
        except Exception:  # made by an adapter that is not known here
            continue
        if market:
            _, collateral, oracle, *_ = market[0]
            return f"the market of collateral {checksum(collateral)}, oracle {checksum(oracle)}"
        what = {"this": "adapter", "collateralToken": "all that is lent against"}.get(name, one_line(name, 40))
        return f"{what} {checksum(at)}"
    return f"0x{data[:16].hex()}…"


def read_values(calls: Iterable[ScheduledCall]) -> Flow[list[bytes]]:
    """The values in force that announced calls would change, in order, ABI-encoded; empty bytes where the vault does
    not answer."""
    reads = Reads()
    handles = []
    for call in list(calls)[:MOST_SUBMITTED]:
        change = _change(call)
        handles.append(None if change is None else reads.add(EthCall(call.target, change.view, optional=True)))
    if reads.handles:
        yield from reads.made()
    return [b"" if handle is None else handle.data for handle in handles]


def words_of(call: ScheduledCall, in_force: bytes, asset: Token | None) -> str:
    """A text about an announced call with the values before and after, amounts in the vault's asset; empty for an
    unknown function. in_force: see ``read_values``."""
    change = _change(call)
    if change is None:
        return ""
    if change.name == "abdicate":
        return change.what
    after = _shown(change, change.after, asset)
    word = int.from_bytes(in_force[:32], "big") if len(in_force) >= 32 else None
    to, at = (":", "now it is") if _is_yes(change) else (" becomes", "it is")
    if word is None:
        return f"{change.what}{to} {after}"
    before = _shown(change, checksum(f"0x{word % 2**160:040x}") if isinstance(change.after, str) else word, asset)
    return f"{change.what}{to} {after}, {at} {before}"


def harmless(call: ScheduledCall) -> bool:
    """Whether an announced call only restricts the vault's managers: it gives a function up for ever or lengthens its
    timelock."""
    change = _change(call)
    return change is not None and change.name in ("abdicate", "increaseTimelock")


def _is_yes(change: _Change) -> bool:
    return change.name in ADDED or change.name == "setIsAllocator"


def _shown(change: _Change, value: Any, asset: Token | None) -> str:
    if isinstance(value, str):
        return checksum(value) if int(value, 16) else "nobody"
    if _is_yes(change):
        return "yes" if value else "no"
    number = int(value)
    if "Timelock" in change.name:
        return span(number) if number < 2**40 else "for ever"
    if change.name == "increaseAbsoluteCap":
        if number >= 2**128 - 1:
            return "without limit"
        return str(number) if asset is None else str(Amount(asset, number))
    yearly = SECONDS_PER_YEAR if change.name == "setManagementFee" else 1
    return f"{number * yearly / 1e16:.6g} %"


def holds(address: Address, answers: Mapping[str, bytes]) -> bool:
    """Whether a contract has the views of a Vault V2, by its answers."""
    return len(answers.get(LIQUIDITY_ADAPTER, b"")) == 32
