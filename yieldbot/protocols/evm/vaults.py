"""Opaque ERC-4626 vaults: each of their own statements is compared with a second reading.

A vault's statement never counts as cash, as a rate or as a position's value if a second reading gives less. Sources:
EIP-4626 for each view; EIP-7540 and EIP-7575 for requests; Ethena's StakedUSDeV2 for the cooldown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from yieldbot.errors import MarketError
from yieldbot.math.curves import DilutedCurve, EnteredCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Exit, ExitKind, Leaving, Market, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.protocols.evm import maple
from yieldbot.protocols.evm import two_step_exits as _exits
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.reads import Reads

UNLIMITED_RAW = 2**128
"""A maxDeposit of at least this means that there is no limit."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
SAMPLES = 2
"""Parts of the lookback whose rates are compared, so that a single step of the price cannot raise the lowest of
them."""
FINE = 10**9
"""Whole shares that are converted, so that small steps of the price are visible whatever the decimals of the two
tokens."""
PROBE_TOKENS = 10**6
"""Whole tokens of the asset for which the entry fee is read."""
SLACK = 10**6
"""Two readings must agree to one part in this, plus two base units."""
LEAST_COST = 1e-8
"""Fees below this are rounding (a ten-thousandth of a bp)."""
STEP_APR = 0.01
"""If the rate of the whole window exceeds its lowest part's by this, the price is flagged as moving in a step."""
LONGEST_SECONDS = 10 * 365 * 86_400
ASYNC_REDEEM, ASYNC_DEPOSIT = bytes.fromhex("620ee8e4"), bytes.fromhex("ce3bbe50")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultView:
    """What was read of a vault, in base units of the asset where not stated otherwise."""

    held_raw: int
    """What withdrawing our position would pay."""
    supplied_raw: int
    """What all holders own, in base units of the asset."""
    borrowed_raw: int | None
    """What is lent out; None: there are no borrowers."""
    liquidity_raw: int
    """What all holders could withdraw now."""
    capacity_raw: int | None
    """What can still be deposited; None: unlimited."""
    curve: YieldCurve
    """Its yield as a function of our holding."""
    quoted: Apr
    """The quoted rate."""
    pools: frozenset[str]
    """Keys of the pools that its money ends up in."""
    flags: tuple[str, ...]
    """Unusual facts, as short codes or phrases."""
    exit: Exit
    """How money leaves the vault."""
    status: Status = Status.ACTIVE
    """What the vault allows."""
    enters_by_request: bool = False
    """Whether a deposit is a request that somebody else serves."""
    opaque: bool = False
    """Whether its investments cannot be read."""
    offered_raw: int | None = None
    """How much of our holding may be withdrawn; None: ``liquidity_raw`` states it."""
    entry_cost: float = 0.0
    """Entry and exit fees together, as a fraction."""
    doubts: tuple[str, ...] = ()
    """Readings that contradict each other."""
    leaving: Leaving | None = None
    """Our money that is leaving."""
    index: float | None = None
    """Index that grows with what its holders earn; None: not read."""


def interface_reads(vault: Address) -> list[EthCall]:
    """Reads that show which standards a vault supports in addition to ERC-4626."""
    vault_abi = abi("erc4626")
    ids = (ASYNC_REDEEM, ASYNC_DEPOSIT, _exits.CANCELS, _exits.CANCELS_DEPOSIT)
    supports = [vault_abi.read(vault, "supportsInterface", one, optional=True) for one in ids]
    manager = EthCall(vault, maple.ASKED[1], optional=True)
    return [*supports, vault_abi.read(vault, "share", optional=True), manager]


def interfaces(vault: Address, answers: Sequence[bytes]) -> dict[str, object]:
    """The answers to ``interface_reads``: whether exits and entries are requests, and the share token if it is not the
    vault."""
    redeem, deposit, cancels, recalls, share, manager = (_number(answer) for answer in answers)
    found: dict[str, object] = {"async_redeem": redeem == 1, "async_deposit": deposit == 1}
    if deposit == 1:
        found["cancel_deposit"] = recalls == 1
    if redeem == 1:
        found |= {"request_id": _exits.REQUEST_ID, "cancel_redeem": cancels == 1}
    if share and share < 2**160 and share != int(vault, 16):
        found["share"] = checksum(f"0x{share:040x}")
    if manager and manager < 2**160:
        found["manager"] = checksum(f"0x{manager:040x}")
    return found


def generic(market: Market, owner: Address, block: BlockRef) -> Flow[tuple[VaultView, int]]:
    """An opaque vault: its yield is the change of its share price over the lookback, shared by all holders.

    The trailing income is assumed to be fixed, so a deposit of ours only dilutes it (DilutedCurve): the cautious model.
    The rate is the lowest of ``SAMPLES`` parts of the lookback, because a donation, or a report, raises only one of
    them; the income likewise (``income_of``).

    Cash is the vault's own balance of the asset and nothing else; without such a balance it is unknown. A position is
    worth what leaving pays (``previewRedeem``), never more than its shares convert to. ``max*`` that are 0 or have no
    answer say nothing about a holding of ours: all of it is offered, and the rehearsal decides.
    """
    vault, erc20, where = abi("erc4626"), abi("erc20"), market.params
    at, asset, lag = market.address, market.asset, where["lookback_blocks"]
    share_token = where.get("share", at)
    probe, tokens = FINE * 10 ** where["share_decimals"], PROBE_TOKENS * asset.one
    lags = lags_of(lag)
    reads = Reads()
    ours = reads.add(erc20.read(share_token, "balanceOf", owner))
    total = reads.add(vault.read(at, "totalAssets"))
    price = reads.add(vault.read(at, "convertToAssets", probe))
    lies = reads.add(erc20.read(asset.address, "balanceOf", at))
    stated = [
        reads.add(vault.read(at, name, *args, optional=True))
        for name, args in (
            *((name, (owner,)) for name in ("maxDeposit", "maxRedeem", "maxWithdraw")),
            ("previewRedeem", (probe,)),
            ("previewRedeem", (probe // FINE,)),
            ("convertToAssets", (probe // FINE,)),
            ("previewDeposit", (tokens,)),
            ("convertToShares", (tokens,)),
            ("cooldownDuration", ()),
        )
    ]
    past = [
        (
            reads.add(vault.read(MULTICALL3, "getCurrentBlockTimestamp", lag_blocks=blocks)),
            reads.add(vault.read(at, "convertToAssets", probe, lag_blocks=blocks)),
            reads.add(vault.read(at, "totalAssets", lag_blocks=blocks)),
        )
        for blocks in lags
    ]
    requests = reads.group(_exits.request_reads(where, at, owner))
    entries = reads.group(_exits.entry_reads(where, at, owner))
    yield from reads.made()
    shares, total_raw = erc20.one("balanceOf", ours.data), vault.one("totalAssets", total.data)
    now = vault.one("convertToAssets", price.data)
    balance_raw = erc20.one("balanceOf", lies.data)
    limit, free, payable, many_pay, one_pays, one_is, taken, given, cooldown = (_number(one.data) for one in stated)
    names = ("getCurrentBlockTimestamp", "convertToAssets", "totalAssets")
    rows: list[tuple[int, int, int]] = [
        *(tuple(vault.one(name, one.data) for name, one in zip(names, then, strict=True)) for then in past),
        (block.timestamp, now, total_raw),
    ]
    whole, rate = rates_of([row[:2] for row in rows], market.name, lag)
    doubts: list[str] = []
    out = _fee(many_pay, now) if many_pay is not None else _fee(one_pays, one_is)
    into = _fee(taken, given)
    for name, fee, (paid, is_worth), words in (
        ("exit", out, (many_pay, now) if many_pay is not None else (one_pays, one_is), "previewRedeem pays"),
        ("entry", into, (taken, given), "previewDeposit gives"),
    ):
        most = where.get("max_fee_bps", MAX_FEE_BPS)
        if fee is not None and (fee * BPS > most or fee < -1 / SLACK):
            doubts.append(f"{name}: {words} {paid} where it converts to {is_worth}; fees to {most:g} bps are let by")
    worth_raw, paid_raw = shares * now // probe, None
    exits = _exits.exit_requests(where, requests.data, cooldown)
    come = _exits.entries_of(entries.data)
    returned = exits.back + come.shares
    pending_raw, back_raw = exits.pending * now // probe, returned * now // probe
    if shares or exits.pending or returned:
        reads = Reads()
        converted = reads.add(vault.read(at, "convertToAssets", shares, optional=True))
        previewed = reads.add(vault.read(at, "previewRedeem", shares, optional=True))
        pending, back = (
            reads.add(vault.read(at, "convertToAssets", part, optional=True)) if part else None
            for part in (exits.pending, returned)
        )
        yield from reads.made()
        worth_raw, paid_raw = _priced(converted.data, worth_raw), _number(previewed.data)
        pending_raw = _priced(pending.data, pending_raw) if pending is not None else 0
        back_raw = _priced(back.data, back_raw) if back is not None else 0
    ready_raw = (payable or exits.claimable * now // probe) if exits.claimable else 0
    worth = (pending_raw, ready_raw, back_raw)
    gone = _exits.leaving(where, asset, exits, worth, block.timestamp, cooldown or 0, come)
    gone_raw = gone.whole.raw if gone else 0
    inside_raw = worth_raw if paid_raw is None else min(worth_raw, paid_raw)
    held_raw = inside_raw + gone_raw
    cash = Amount(asset, min(balance_raw, total_raw)) if balance_raw else None
    way = _way_out(where, cooldown, cash)
    if "manager" in where and way.kind is ExitKind.INSTANT:
        answers = yield from maple.read_exit(Address(str(where["manager"])))
        way = maple.exit_of(answers, lambda raw: Amount(asset, raw * now // probe), cash, block.timestamp) or way
    cost = 1.0 - (1.0 - max(0.0, into or 0.0)) * (1.0 - max(0.0, out or 0.0))
    cost = cost if cost >= LEAST_COST else 0.0
    by_request = bool(where.get("async_deposit")) and way.kind is ExitKind.REQUEST
    if where.get("async_deposit") and not by_request:
        doubts.append("deposits are requests (EIP-7540) and exits are not: no request is made, what is in can be left")
    income = income_of(rows) / asset.one
    others = max(0, total_raw - held_raw) / asset.one
    if exits.assets or come.pending:  # shares in cooldown earn nothing, nor does what waits to be deposited
        income, others = income * inside_raw / held_raw, max(0, total_raw - inside_raw) / asset.one
    limit_raw = UNLIMITED_RAW if limit is None or by_request else limit  # there it is what can be claimed
    flags = {
        "trailing-rate": True,
        f"step-in-price: {whole:z.1%} a year over the window, {rate:z.1%} in its least part": (whole - rate > STEP_APR),
        "losing": rate < 0,
        "at-cap": limit_raw < total_raw // FULL,
        f"{Amount(asset, come.pending)} of ours wait to be deposited by request": bool(come.pending),
        "cash-unknown": way.cash is None,
        "exit-not-previewed": bool(shares) and paid_raw is None,
        way.words: way.kind is not ExitKind.INSTANT,
    }
    offered_raw = _offered(way, shares, inside_raw, free, payable)
    flags["exit-not-told"] = bool(shares) and way.kind is ExitKind.INSTANT and not (free and payable)
    flags["thin-liquidity"] = offered_raw < inside_raw
    curve = EnteredCurve(others, income, held_raw / asset.one, cost) if cost else DilutedCurve(others, income)
    return VaultView(
        held_raw=held_raw,
        supplied_raw=total_raw + gone_raw,
        borrowed_raw=None,
        liquidity_raw=way.cash.raw if way.cash is not None else 0,
        capacity_raw=None if limit_raw >= UNLIMITED_RAW else limit_raw,
        curve=curve,
        quoted=Apr(rate),
        pools=frozenset(),
        flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
        exit=way,
        enters_by_request=by_request,
        opaque=True,
        offered_raw=offered_raw,
        entry_cost=cost,
        doubts=tuple(doubts),
        leaving=gone,
        index=now / probe,
    ), shares


def _priced(answer: bytes, otherwise: int) -> int:
    found = _number(answer)
    return otherwise if found is None else found


MAX_FEE_BPS = 100.0
"""Entry or exit fees above this stop new money, unless the vault's table allows more."""


def lags_of(lookback_blocks: int) -> list[int]:
    """How many blocks ago the share price is read, the earliest first."""
    return [max(1, lookback_blocks * part // SAMPLES) for part in range(SAMPLES, 0, -1)]


def rates_of(prices: Sequence[tuple[int, int]], name: str, lag: int) -> tuple[float, float]:
    """(annual rate of the whole window, the lowest of its parts' rates), both simple, from (unix seconds, price),
    oldest first.

    Raises MarketError if there is no such history. A step of the price is in one part only, so it affects only the
    first number; a price that only moves in steps, one a window, counts as earning nothing.
    """
    parts = [
        (price / before - 1) * SECONDS_PER_YEAR / (then - start)
        for (start, before), (then, price) in pairwise(prices)
        if then > start and before > 0
    ]
    (start, first), (end, last) = prices[0], prices[-1]
    if end <= start or first <= 0 or not parts:
        raise MarketError(f"{name} has no history of {lag} blocks to take a rate from")
    return (last / first - 1) * SECONDS_PER_YEAR / (end - start), min(parts)


def income_of(rows: Sequence[tuple[int, int, int]]) -> float:
    """What all holders together earn, in base units a year, from (unix seconds, price, total), oldest first: the
    least of the parts' incomes.

    A part's is its rate on the least of what was in the vault at its beginning, at its end and now, since money that
    arrived meanwhile contributed little. A rate that earlier money, our own too, has diluted is not counted on the
    total before that money: it would dilute twice.
    """
    present = rows[-1][2]
    return min(
        (price / before - 1) * SECONDS_PER_YEAR / (then - start) * min(first, last, present)
        for (start, before, first), (then, price, last) in pairwise(rows)
        if then > start and before > 0
    )


def _way_out(where: Mapping[str, object], cooldown: int | None, cash: Amount | None) -> Exit:
    """The exit that the vault states."""
    if where.get("async_redeem"):
        return Exit(kind=ExitKind.REQUEST, seconds=None, cash=cash, limit="exits are requests (EIP-7540)")
    if cooldown:
        seconds = cooldown if cooldown <= LONGEST_SECONDS else None
        return Exit(kind=ExitKind.COOLDOWN, seconds=seconds, cash=cash, limit="exits wait for a cooldown")
    return Exit(cash=cash, limit="" if cash is not None else "no cash is seen in the vault")


def _offered(way: Exit, shares: int, held_raw: int, free: int | None, payable: int | None) -> int:
    """Base units of our holding that may be withdrawn at once: all if the vault states no limit, its limit if that is
    less, 0 for a two-step exit."""
    if way.kind is ExitKind.WINDOW:
        return min(held_raw, payable or 0)
    if way.kind is not ExitKind.INSTANT:
        return 0
    if not free or not payable or free >= shares:
        return held_raw
    return min(held_raw, payable)


def _fee(after: int | None, before: int | None) -> float | None:
    """The fraction of ``before`` that is missing in ``after``; None if one of them is unknown."""
    if after is None or not before:
        return None
    if abs(after - before) <= before // SLACK + 2:
        return 0.0
    return 1.0 - after / before


def _number(answer: bytes) -> int | None:
    """The first word of an answer; None if there is none."""
    return int.from_bytes(answer[:32], "big") if len(answer) >= 32 else None
