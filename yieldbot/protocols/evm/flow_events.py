"""Deposits, withdrawals and depositors of markets, from EVM protocols' events. Pure.

Sources of the events: EIP-4626 (Deposit, Withdraw), Aave IPool.sol (Supply, Withdraw), Morpho EventsLib.sol (Supply,
Withdraw, Liquidate's badDebtAssets), CometMainInterface.sol (Supply, Withdraw), CTokenInterfaces.sol and
VTokenInterfaces.sol (Mint, Redeem), aave-v4 IHubBase.sol (Add, Remove).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.keccak import keccak
from yieldbot.model.market import MarketState
from yieldbot.model.money_flows import MoneyFlow
from yieldbot.model.reads import EthCall, EthLog
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.evm.share_calls import SHARE_VAULTS
from yieldbot.protocols.evm.view_words import call, number

MOST_RAW = 2**128
"""Amounts of at least this are taken for nonsense, in base units."""


@dataclass(frozen=True, slots=True)
class Event:
    """Where a flow's values are in one event. Places count its arguments in 32-byte words, indexed ones first (topic 1
    is place 0)."""

    sign: int
    """1: a deposit; -1: a withdrawal; 0: bad debt, which belongs to nobody."""
    account: int
    """Position, among the event's arguments, of the account whose holding changes."""
    amount: int
    """Position of the amount among the event's arguments."""
    others: tuple[int, ...] = ()
    """Positions of other accounts that take part (payer, receiver)."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The contract and events that show a market's flows, and the reads of its depositors' shares."""

    market: MarketId
    """The market."""
    address: Address
    """The contract that emits these events."""
    second: bytes | None
    """The second topic of the market's events (a reserve or a market id); None: all events of the contract belong to
    the market."""
    one: int
    """Base units of a whole token of its asset."""
    events: Mapping[bytes, Event]
    """Where each event's values are, by first topic."""
    whole: EthCall
    """The read of all shares that exist."""
    whole_place: int
    """Index of the 32-byte word in that answer which holds the number."""
    share: Callable[[str], EthCall]
    """Makes the read of one address's shares."""


def _topic(signature: str) -> bytes:
    return keccak(signature.encode())


VAULT = (
    ("Deposit(address,address,uint256,uint256)", Event(1, 1, 2, (0,))),
    ("Withdraw(address,address,address,uint256,uint256)", Event(-1, 2, 3, (0, 1))),
)
AAVE = (
    ("Supply(address,address,address,uint256,uint16)", Event(1, 1, 4, (3,))),
    ("Withdraw(address,address,address,uint256)", Event(-1, 1, 3, (2,))),
)
BLUE = (
    ("Supply(bytes32,address,address,uint256,uint256)", Event(1, 2, 3, (1,))),
    ("Withdraw(bytes32,address,address,address,uint256,uint256)", Event(-1, 1, 4, (2, 3))),
    ("Liquidate(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)", Event(0, 2, 6, (1,))),
)
HUB = (
    ("Add(uint256,address,uint256,uint256)", Event(1, 1, 3)),
    ("Remove(uint256,address,uint256,uint256)", Event(-1, 1, 3)),
)
"""Events of Aave v4's hubs; their accounts are spokes, which hold for many."""
COMET = (
    ("Supply(address,address,uint256)", Event(1, 1, 2, (0,))),
    ("Withdraw(address,address,uint256)", Event(-1, 0, 2, (1,))),
)
CTOKEN = (
    ("Mint(address,uint256,uint256)", Event(1, 0, 1)),
    ("Mint(address,uint256,uint256,uint256)", Event(1, 0, 1)),
    ("Redeem(address,uint256,uint256)", Event(-1, 0, 1)),
    ("Redeem(address,uint256,uint256,uint256)", Event(-1, 0, 1)),
)
"""Events of cTokens; Venus's have a fourth argument."""
WHOLE = {BLUE: "market(bytes32)", HUB: "getAddedShares(uint256)"}
"""The function that gives all shares, where the second topic is its argument; else it is the share token's supply."""


def listening(state: MarketState) -> Listening | None:
    """How a market's flows are read from events; None if its adapter's events are not known, or its params lack what
    they need."""
    try:
        return _listening(state)
    except (KeyError, ValueError, TypeError):
        return None


def _listening(state: MarketState) -> Listening | None:
    market, params = state.market, state.market.params
    at = token = checksum(market.address)
    second: bytes | None = None
    rows: tuple[tuple[str, Event], ...] = COMET
    if market.protocol == "aave_v3":
        at, second, rows = checksum(str(params["pool"])), _padded(market.asset.address), AAVE
        token = checksum(str(params["a_token"]))
    elif market.protocol == "morpho_blue":
        second, rows = bytes.fromhex(str(params["id"]).removeprefix("0x")), BLUE
    elif market.protocol == "aave_v4":
        at, second, rows = checksum(str(params["hub"])), int(params["asset_id"]).to_bytes(32, "big"), HUB
    elif market.protocol in SHARE_VAULTS:
        rows, token = VAULT, checksum(str(params.get("share", market.address)))
    elif market.protocol == "compound_v2":
        rows = CTOKEN
    elif market.protocol != "compound_v3":
        return None
    return Listening(
        market=market.id,
        address=at,
        second=second,
        one=market.asset.one,
        events={_topic(signature): event for signature, event in rows},
        whole=call(at, WHOLE[rows], int.from_bytes(second or b"", "big"))
        if rows in WHOLE
        else call(token, "totalSupply()"),
        whole_place=1 if rows is BLUE else 0,
        share=_position(at, second or b"") if rows is BLUE else _balance(token),
    )


def _padded(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")


def _position(at: Address, market_id: bytes) -> Callable[[str], EthCall]:
    return lambda who: call(at, "position(bytes32,address)", int.from_bytes(market_id, "big"), who)


def _balance(token: Address) -> Callable[[str], EthCall]:
    return lambda who: call(token, "balanceOf(address)", who)


def flows_of(logs: Iterable[EthLog], listened: Sequence[Listening]) -> list[MoneyFlow]:
    """The flows in these events, in order; events that cannot be decoded or belong to none of the markets are left
    out."""
    by: dict[tuple[str, bytes | None], list[Listening]] = {}
    for one in listened:
        by.setdefault((one.address.lower(), one.second), []).append(one)
    found = []
    for log in logs:
        at = log.address.lower()
        second = log.topics[1] if len(log.topics) > 1 else None
        for one in (*by.get((at, second), ()), *(by.get((at, None), ()) if second is not None else ())):
            event = one.events.get(log.topics[0]) if log.topics else None
            if event is not None and (flow := _flow(log, event, one)) is not None:
                found.append(flow)
    return found


def _flow(log: EthLog, event: Event, one: Listening) -> MoneyFlow | None:
    words = [*log.topics[1:], *(log.data[at : at + 32] for at in range(0, len(log.data), 32))]
    try:
        raw = int.from_bytes(words[event.amount], "big") if len(words[event.amount]) == 32 else 0
        account, *others = (_address(words[place]) for place in (event.account, *event.others))
    except (IndexError, ValueError):
        return None
    if not 0 < raw < MOST_RAW:
        return None
    return MoneyFlow(
        market=one.market,
        amount=(event.sign or 1) * raw / one.one,
        lost=event.sign == 0,
        account=account,
        others=tuple(dict.fromkeys(who for who in others if who != account)),
        block=log.block,
        index=log.index,
        tx=log.tx,
    )


def _address(word: bytes) -> Address:
    found = number(word)
    if found is None or len(word) != 32:
        raise ValueError("no address")
    return checksum(f"0x{found:040x}")
