"""Vaults that are left in two steps: what of ours is on its way out, and the calls of each step. Pure.

Sources: Ethena's StakedUSDeV2 (``cooldownShares`` parks the assets, ``unstake`` pays them once the cooldown has ended;
a second call starts the time anew for all of it); EIP-7540 (``requestRedeem``, then ``redeem`` of what
``claimableRedeemRequest`` says; a controller's requests are one, of id 0, or have a number each, which the transaction
that asked told: ``model/requests.py``); ERC-7887 (``cancelRedeemRequest``,
then ``claimCancelRedeemRequest``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.market import ExitKind, Leaving, MarketState
from yieldbot.model.reads import EthCall
from yieldbot.model.requests import IDS
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.abi import abi, short

REQUEST_ID = 0
CANCELS = bytes.fromhex("e76cffc7")
"""ERC-7887's interface id of redeem cancelations (the XOR of its four selectors)."""
TWO_STEPS = (ExitKind.COOLDOWN, ExitKind.REQUEST)
NAMES = ("cooldownShares", "unstake", "requestRedeem", "cancelRedeemRequest", "claimCancelRedeemRequest")
ASKED = ("pendingRedeemRequest", "claimableRedeemRequest", "pendingCancelRedeemRequest", "claimableCancelRedeemRequest")
LATEST = 2**40
"""Times from here on are no times."""


def reads(where: Mapping[str, object], vault: Address, owner: Address) -> list[EthCall]:
    """What the vault says of ours on its way out: of a request, else of a cooldown."""
    vault_abi = abi("erc4626")
    if where.get("async_redeem"):
        return [vault_abi.read(vault, name, one, owner, optional=True) for one in ids_of(where) for name in ASKED]
    return [vault_abi.read(vault, "cooldowns", owner, optional=True)]


def ids_of(where: Mapping[str, object]) -> tuple[int, ...]:
    """The numbers of our requests: those that are remembered, else the one that stands for all of a controller's."""
    known = where.get(IDS)
    return known if isinstance(known, tuple) and known else (REQUEST_ID,)


@dataclass(frozen=True, slots=True)
class Asked:
    """Raw shares of requests (``pending``, ``claimable``, called ``back`` and to be taken in again), whether one is
    being called back, and of a cooldown its raw assets and its end in unix seconds. pending_id, back_id: the first
    request of which there is something ``pending``, or ``back``."""

    pending: int = 0
    claimable: int = 0
    back: int = 0
    calling: bool = False
    assets: int = 0
    until: int = 0
    pending_id: int = REQUEST_ID
    back_id: int = REQUEST_ID

    @property
    def unpriced(self) -> int:
        """Raw shares whose worth is what the vault converts them to now."""
        return self.pending + self.back


def asked(where: Mapping[str, object], answers: Sequence[bytes], cooldown: int | None) -> Asked:
    """What ``reads`` answered. cooldown: the vault's own duration, None where it tells of none."""
    words = [int.from_bytes(answer[:32], "big") if len(answer) >= 32 else 0 for answer in answers]
    if where.get("async_redeem"):
        ids = ids_of(where)
        rows = [words[place : place + len(ASKED)] for place in range(0, len(words), len(ASKED))]
        pending, claimable, calling, back = (list(column) for column in zip(*rows, strict=True))
        return Asked(
            pending=sum(pending),
            claimable=sum(claimable),
            back=sum(back),
            calling=1 in calling,
            pending_id=next((one for one, raw in zip(ids, pending, strict=True) if raw), REQUEST_ID),
            back_id=next((one for one, raw in zip(ids, back, strict=True) if raw), REQUEST_ID),
        )
    if cooldown is None or len(answers[0]) != 64:
        return Asked()
    return Asked(assets=int.from_bytes(answers[0][32:], "big"), until=words[0])


def leaving(
    where: Mapping[str, object], asset: Token, found: Asked, worth: tuple[int, int, int], now: int, cooldown: int
) -> Leaving | None:
    """What of ours is on its way out; None where nothing is. worth: raw assets of what is pending, of what can be
    claimed and of what was called back; now: unix seconds; cooldown: 0 where there is none now."""
    if found.assets:
        ended = found.until <= now or not cooldown
        raws = (0, found.assets, 0) if ended else (found.assets, 0, 0)
    else:
        raws = worth
    if not any(raws):
        return None
    return Leaving(
        asked=Amount(asset, raws[0]),
        ready=Amount(asset, raws[1]),
        back=Amount(asset, raws[2]),
        ready_shares=found.claimable if raws[1] else 0,
        until=found.until if found.assets and raws[0] and found.until < LATEST else None,
        cancels=bool(where.get("cancel_redeem")) and found.pending > 0 and not found.calling,
        request_id=found.back_id if raws[2] else found.pending_id,
    )


def ask(state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
    """The first step, for ``amount`` or for all that is inside; nothing where no share is."""
    market, vault_abi, inside = state.market, abi("erc4626"), state.inside
    shares = state.shares if amount is None or amount >= inside else state.shares * amount.raw // max(1, inside.raw)
    if not shares:
        return ()
    what = f"all ({inside})" if shares == state.shares else str(amount)
    if state.exit.kind is ExitKind.COOLDOWN:
        data, said = vault_abi.encode("cooldownShares", shares), f"start the {state.exit.words} of {what}"
    else:
        data, said = vault_abi.encode("requestRedeem", shares, owner, owner), f"ask for {what}"
    return (EvmCall(market.address, data, 0, f"{said} in {market.name} for {short(owner)}"),)


def collect(state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
    """The second step: what can be had now; nothing where nothing can."""
    market, gone = state.market, state.leaving
    if gone is None or not gone.ready:
        return ()
    if gone.ready_shares:
        data = abi("erc4626").encode("redeem", gone.ready_shares, owner, owner)
    else:
        data = abi("erc4626").encode("unstake", owner)
    return (EvmCall(market.address, data, 0, f"collect {gone.ready} from {market.name} to {short(owner)}"),)


def cancel(state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
    """Takes in again what was called back, else calls back what is asked for; nothing where neither can be."""
    market, gone, vault_abi = state.market, state.leaving, abi("erc4626")
    if gone is None or not (gone.back or gone.cancels):
        return ()
    if gone.back:
        data = vault_abi.encode("claimCancelRedeemRequest", gone.request_id, owner, owner)
        said = f"take {gone.back} that were called back into {market.name} again"
        return (EvmCall(market.address, data, 0, f"{said} for {short(owner)}"),)
    data = vault_abi.encode("cancelRedeemRequest", gone.request_id, owner)
    said = f"call {gone.asked} back that were asked for in {market.name}"
    return (EvmCall(market.address, data, 0, f"{said} for {short(owner)}"),)
