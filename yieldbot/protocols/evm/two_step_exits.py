"""Two-step exits of vaults: what of ours is leaving, and the calls of each step. Pure.

Sources: Ethena's StakedUSDeV2 (``cooldownShares`` sets the assets aside, ``unstake`` pays them once the cooldown has
ended; a second call restarts it for all of them); EIP-7540 (``requestRedeem``, then ``redeem`` of what
``claimableRedeemRequest`` states; a controller's requests are either one, with id 0, or have a number each, which the
requesting transaction emitted: ``model/requests.py``); ERC-7887 (``cancelRedeemRequest``, then
``claimCancelRedeemRequest``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.market import ExitKind, Leaving, MarketState
from yieldbot.model.reads import EthCall
from yieldbot.model.requests import IDS
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm.abi import abi, short

REQUEST_ID = 0
CANCELS = bytes.fromhex("e76cffc7")
"""ERC-7887's interface id of redeem cancelation (the XOR of its four selectors)."""
TWO_STEPS = (ExitKind.COOLDOWN, ExitKind.REQUEST)
NAMES = ("cooldownShares", "unstake", "requestRedeem", "cancelRedeemRequest", "claimCancelRedeemRequest")
ENTRY_CALLS = ("requestDeposit", "mint", "cancelDepositRequest", "claimCancelDepositRequest")
ASKED = ("pendingRedeemRequest", "claimableRedeemRequest", "pendingCancelRedeemRequest", "claimableCancelRedeemRequest")
CANCELS_DEPOSIT = bytes.fromhex("8bf840e3")
"""ERC-7887's interface id of deposit cancelation."""
ENTRIES = (
    "pendingDepositRequest",
    "claimableDepositRequest",
    "pendingCancelDepositRequest",
    "claimableCancelDepositRequest",
)
LATEST = 2**40
"""Times from here on (unix seconds) are taken as invalid."""


def request_reads(where: Mapping[str, object], vault: Address, owner: Address) -> list[EthCall]:
    """Reads of our requests, or else of our cooldown."""
    vault_abi = abi("erc4626")
    if where.get("async_redeem"):
        return [vault_abi.read(vault, name, one, owner, optional=True) for one in ids_of(where) for name in ASKED]
    return [vault_abi.read(vault, "cooldowns", owner, optional=True)]


def entry_reads(where: Mapping[str, object], vault: Address, owner: Address) -> list[EthCall]:
    """Reads of our deposit requests (those of a controller together, id 0) and of their cancellation."""
    if not where.get("async_deposit"):
        return []
    asked = [abi("erc7540").read(vault, name, REQUEST_ID, owner, optional=True) for name in ENTRIES]
    return [*asked, abi("erc7540").read(vault, "maxMint", owner, optional=True)]


@dataclass(frozen=True, slots=True)
class Entries:
    """Our deposit requests, in base units of the asset."""

    pending: int = 0
    """What waits to be served."""
    calling: bool = False
    """Whether a cancellation has been requested and is pending."""
    returned: int = 0
    """What a cancellation has returned and that can be claimed."""
    shares: int = 0
    """Raw shares of what was served, which can be claimed."""


def entries_of(answers: Sequence[bytes]) -> Entries:
    """Our deposit requests from the answers to ``entry_reads``."""
    if not answers:
        return Entries()
    found = [int.from_bytes(one[:32], "big") if len(one) >= 32 else 0 for one in answers]
    pending, claimable, calling, back, shares = found
    return Entries(pending, calling == 1, back, shares if claimable else 0)


def entry_targets(where: Mapping[str, object]) -> frozenset[bytes]:
    """Selectors of the calls of a deposit by request. What was served is claimed by EIP-7540's mint of three
    arguments: in some vaults the one of two does nothing, and ``deposit`` leaves a rest of the shares behind."""
    return frozenset(map(abi("erc7540").selector, ENTRY_CALLS) if where.get("async_deposit") else ())


def ids_of(where: Mapping[str, object]) -> tuple[int, ...]:
    """Ids of our requests: those in the market's params, else 0, which stands for all requests of a controller."""
    known = where.get(IDS)
    return known if isinstance(known, tuple) and known else (REQUEST_ID,)


@dataclass(frozen=True, slots=True)
class ExitRequests:
    """Our requests, in base units of shares; or our cooldown."""

    pending: int = 0
    """Shares requested and not redeemable yet."""
    claimable: int = 0
    """Shares that can be redeemed now."""
    back: int = 0
    """Shares that a cancellation has returned and that can be claimed."""
    calling: bool = False
    """Whether a cancellation has been requested and is pending."""
    assets: int = 0
    """Base units of the asset that are in the cooldown."""
    until: int = 0
    """Unix seconds at which the cooldown ends."""
    pending_id: int = REQUEST_ID
    """Id of the first request of which something is pending."""
    back_id: int = REQUEST_ID
    """Id of the first request of which a cancellation has returned shares."""


def exit_requests(where: Mapping[str, object], answers: Sequence[bytes], cooldown: int | None) -> ExitRequests:
    """Our requests from the answers to ``request_reads``. cooldown: the vault's own duration in seconds; None: it has
    none."""
    words = [int.from_bytes(answer[:32], "big") if len(answer) >= 32 else 0 for answer in answers]
    if where.get("async_redeem"):
        ids = ids_of(where)
        rows = [words[place : place + len(ASKED)] for place in range(0, len(words), len(ASKED))]
        pending, claimable, calling, back = (list(column) for column in zip(*rows, strict=True))
        return ExitRequests(
            pending=sum(pending),
            claimable=sum(claimable),
            back=sum(back),
            calling=1 in calling,
            pending_id=next((one for one, raw in zip(ids, pending, strict=True) if raw), REQUEST_ID),
            back_id=next((one for one, raw in zip(ids, back, strict=True) if raw), REQUEST_ID),
        )
    if cooldown is None or len(answers[0]) != 64:
        return ExitRequests()
    return ExitRequests(assets=int.from_bytes(answers[0][32:], "big"), until=words[0])


def leaving(
    where: Mapping[str, object],
    asset: Token,
    found: ExitRequests,
    worth: tuple[int, int, int],
    now: int,
    cooldown: int,
    entries: Entries | None = None,
) -> Leaving | None:
    """Our money that is leaving the vault, or waits to get in; None: none does. worth: base units of what is pending,
    claimable and returned (the shares
    of served deposits included). now: unix seconds. cooldown: seconds; 0: there is none now."""
    come = entries or Entries()
    if found.assets:
        ended = found.until <= now or not cooldown
        raws = (0, found.assets, 0) if ended else (found.assets, 0, 0)
    else:
        raws = (worth[0] + come.pending, worth[1] + come.returned, worth[2])
    if not any(raws):
        return None
    return Leaving(
        requested=Amount(asset, raws[0]),
        ready=Amount(asset, raws[1]),
        back=Amount(asset, raws[2]),
        ready_shares=found.claimable if raws[1] else 0,
        entering=come.pending,
        returned=come.returned,
        entered=come.shares,
        until=found.until if found.assets and raws[0] and found.until < LATEST else None,
        cancels=bool(where.get("cancel_redeem")) and found.pending > 0 and not found.calling
        if not come.pending
        else bool(where.get("cancel_deposit")) and not come.calling,
        request_id=found.back_id if raws[2] else found.pending_id,
    )


def request(state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
    """The calls of the first step, for ``amount``; None: for everything that is not leaving yet. Empty if there are no
    shares."""
    market, vault_abi, inside = state.market, abi("erc4626"), state.inside
    shares = state.shares if amount is None or amount >= inside else state.shares * amount.raw // max(1, inside.raw)
    if not shares:
        return ()
    what = f"all ({inside})" if shares == state.shares else str(amount)
    if state.exit.kind is ExitKind.COOLDOWN:
        data, description = vault_abi.encode("cooldownShares", shares), f"start the {state.exit.words} of {what}"
    else:
        data, description = vault_abi.encode("requestRedeem", shares, owner, owner), f"ask for {what}"
    return (EvmCall(market.address, data, 0, f"{description} in {market.name} for {short(owner)}"),)


def collect(state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
    """The calls of the second step: redeem what is ready. Empty if nothing is."""
    market, gone, datas = state.market, state.leaving, list[bytes]()
    if gone is None or not gone.ready:
        return ()
    if gone.ready_shares:
        datas.append(abi("erc4626").encode("redeem", gone.ready_shares, owner, owner))
    if gone.returned:
        datas.append(abi("erc7540").encode("claimCancelDepositRequest", REQUEST_ID, owner, owner))
    datas = datas or [abi("erc4626").encode("unstake", owner)]
    words = f"collect {gone.ready} from {market.name} to {short(owner)}"
    return tuple(EvmCall(market.address, data, 0, words) for data in datas)


def cancel(state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
    """The calls that claim what a cancellation returned, or else cancel the pending request. Empty if neither is
    possible."""
    market, gone, vault_abi = state.market, state.leaving, abi("erc4626")
    if gone is None or not (gone.back or gone.cancels):
        return ()
    if gone.entered:
        data = abi("erc7540").encode("mint", gone.entered, owner, owner)
        words = f"take the shares for {gone.back} that were deposited by request in {market.name} to {short(owner)}"
        return (EvmCall(market.address, data, 0, words),)
    if gone.back:
        data = vault_abi.encode("claimCancelRedeemRequest", gone.request_id, owner, owner)
        description = f"take {gone.back} that were called back into {market.name} again"
        return (EvmCall(market.address, data, 0, f"{description} for {short(owner)}"),)
    if gone.entering:
        data, what = abi("erc7540").encode("cancelDepositRequest", REQUEST_ID, owner), "wait to be deposited"
    else:
        data, what = vault_abi.encode("cancelRedeemRequest", gone.request_id, owner), "were asked for"
    description = f"call {gone.requested} back that {what} in {market.name}"
    return (EvmCall(market.address, data, 0, f"{description} for {short(owner)}"),)


def enter(state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
    """The calls that request a deposit."""
    market = state.market
    data = abi("erc7540").encode("requestDeposit", amount.raw, owner, owner)
    words = f"request the deposit of {amount} into {market.name} for {short(owner)}"
    return (EvmCall(market.address, data, 0, words, Allowance(market.asset, market.address, amount.raw)),)


def leave(state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
    """The calls of the next step out: collect what is ready, call back what waits to be deposited, or else request the
    exit; empty while it can only be waited for."""
    gone = state.leaving
    if calls := collect(state, owner):
        return calls
    if gone is None:
        return request(state, amount, owner)
    return cancel(state, owner) if gone.entering and gone.cancels else ()
