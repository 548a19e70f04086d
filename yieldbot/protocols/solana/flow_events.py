"""Deposits, withdrawals and depositors as Solana's transactions and accounts show them. Pure.

No log of a program is needed: whoever deposits into a reserve of Kamino or Save, or into a stake pool, has shares
minted, and whoever withdraws has shares burned. So the change of all token accounts of the shares' mint that a
transaction names is its flow, whichever instruction or calling program made it; loans and repayments change no shares.
marginfi has no such mint: there the transfers that its deposit and withdraw instructions make are counted.

Sources of the layouts: klend-sdk 8.0.2 (klend.json: Obligation, ObligationCollateral), solend-sdk 0.14.27
(state/obligation.js), marginfi-client-v2 6.4.1 (marginfi_0.1.7.json), SPL Token (Transfer 3, TransferChecked 12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL
from yieldbot.model.landed import Landing, TokenChange
from yieldbot.model.market import MarketState
from yieldbot.model.money_flows import MoneyFlow, TokenMove
from yieldbot.protocols.solana import spl_stake_pool
from yieldbot.protocols.solana.layout import key_bytes, layout
from yieldbot.protocols.solana.marginfi import BALANCES, BALANCES_AT

TRANSFER, TRANSFER_CHECKED = 3, 12
"""First byte of the token programs' instructions; accounts: source, (mint,) destination."""
BANK_FLOWS = {"lending_account_deposit": 1, "lending_account_withdraw": -1}
"""marginfi's instructions; accounts: group, account, authority, bank, …"""
ACCOUNT_PLACE, AUTHORITY_PLACE, BANK_PLACE = 1, 2, 3
SAME = 100
"""Reciprocal of a tolerance: the change of the market's cash is taken as the flow's amount if it differs by at most a
hundredth from the worth of the shares."""
LEAST_LAMPORTS = 10**7
"""A change of lamports from which it counts: fees and rents are less."""
MOST_OTHERS = 4
"""Most addresses that a flow names in addition to the depositor."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Layout of a position's account: where it stores the shares pledged in each reserve. Offsets in bytes."""

    size: int
    """Length of the account in bytes."""
    head: bytes
    """The account's first bytes, which identify its kind."""
    market: int
    """Offset of the lending market's address."""
    owner: int
    """Offset of the owner's address."""
    first: int
    """Offset of the first reserve's address (32 bytes), which is followed by its shares (8 bytes)."""
    step: int
    """Bytes from one reserve to the next."""
    count: int | None
    """Most reserves; None: their number is in the byte at ``counted``."""
    counted: int = 0
    """Offset of the byte with the number of reserves."""


SLOTS: Mapping[str, Slots] = {
    "kamino_lend": Slots(3344, bytes.fromhex("a8ce8d6a584caca7"), 32, 64, 96, 136, 8),
    "save": Slots(1300, b"\x01", 10, 42, 204, 88, None, 202),
}
"""By adapter, the layout of a position's account: the Obligation of Kamino and of Save."""
MOST_SLOTS = 12
"""Most reserves that fit into Save's Obligation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """The addresses and amounts needed to find a market's flows and to read the shares of its depositors."""

    market: MarketId
    """The market."""
    protocol: str
    """The name of the market's adapter."""
    program: Address
    """The market's program."""
    address: Address
    """Address of the reserve, bank or pool."""
    root: Address
    """Address of the lending market or group; empty: there is none."""
    listed: Address
    """The account whose transactions are listed: every deposit and withdrawal names it, and few other transactions
    do."""
    shares: Address | None
    """The shares' mint; None: it has none."""
    share_program: Address
    """The token program of that mint."""
    cash: Address
    """The token account with what is not lent; of a stake pool the stake account of its reserve."""
    asset: Address
    """The asset's mint."""
    aside: Address
    """A token account of shares that receives fees and belongs to no depositor; empty: there is none."""
    one: int
    """Base units of a whole token of the asset."""
    symbol: str
    """The asset's symbol."""
    supplied_raw: int
    """Base units that all suppliers have."""
    own_shares: int
    """Shares that we hold."""


def listening(state: MarketState) -> Listening | None:
    """How a market's flows are found; None: not known for its adapter."""
    market, params = state.market, state.market.params
    try:
        if market.protocol == "kamino_lend":
            root, listed, shares = params["lending_market"], params["collateral_mint"], params["collateral_mint"]
            cash = params["supply_vault"]
        elif market.protocol == "save":
            root, listed, shares = params["lending_market"], params["collateral_mint"], params["collateral_mint"]
            cash = params["liquidity_supply"]
        elif market.protocol == "marginfi":
            root, listed, shares, cash = params["group"], params["liquidity_vault"], None, params["liquidity_vault"]
        elif market.protocol == "spl_stake_pool":
            root, listed, shares, cash = "", market.address, params["pool_mint"], params["reserve_stake"]
        else:
            return None
        return Listening(
            market=market.id,
            protocol=market.protocol,
            program=Address(params["program"]),
            address=Address(market.address),
            root=Address(root),
            listed=Address(listed),
            shares=None if shares is None else Address(shares),
            share_program=Address(params.get("share_program", TOKEN_PROGRAM)),
            cash=Address(cash),
            asset=market.asset.address,
            aside=Address(params.get("manager_fee", "")),
            one=market.asset.one,
            symbol=market.asset.symbol,
            supplied_raw=state.supplied.raw,
            own_shares=state.shares,
        )
    except KeyError:
        return None


@dataclass(frozen=True, slots=True)
class Whole:
    """All shares of a market."""

    shares: int
    """The number of shares, in base units."""
    pledged: Address | None
    """The token account with the shares that depositors have pledged, which are listed in positions' accounts; None:
    there is none."""


def whole_of(one: Listening, image: bytes) -> Whole | None:
    """The total of shares from the data of the reserve's, bank's or pool's account (as SvmImage returns it); None: it
    cannot be decoded."""
    if image[:32] != key_bytes(one.program):
        return None
    data = image[32:]
    try:
        if one.protocol == "spl_stake_pool":
            return Whole(spl_stake_pool.decode(one.address, data).numbers.supply, None)
        fields = layout(one.protocol).decode("Bank" if one.protocol == "marginfi" else "Reserve", data)
    except MarketError:
        return None
    if one.protocol == "marginfi":
        return Whole(int(fields["asset_shares"]), None)
    pledged = fields["collateral_vault" if one.protocol == "kamino_lend" else "collateral_supply"]
    return Whole(int(fields["collateral_mint_total_supply"]), Address(pledged))


def cash_around(landing: Landing, one: Listening) -> tuple[int, int] | None:
    """The market's cash before and after a transaction, in base units; None if the transaction does not name the
    account."""
    for token in landing.tokens:
        if token.account == one.cash:
            return token.before, token.after
    return next(((before, after) for at, before, after in landing.lamports if at == one.cash), None)


def flow_of(landing: Landing, one: Listening, whole: Whole) -> MoneyFlow | None:
    """The deposit or withdrawal that a transaction made; None: it made none."""
    raw, account = _by_shares(landing, one, whole) if one.shares is not None else _by_transfers(landing, one)
    if not raw:
        return None
    others = [landing.payer, *(c.owner for c in landing.tokens if c.mint in (one.asset, one.shares) and _moved(c))]
    aside = {account, "", _holder(landing, one.cash), _holder(landing, whole.pledged)}
    return MoneyFlow(
        market=one.market,
        amount=raw / one.one,
        account=account,
        others=tuple(dict.fromkeys(who for who in others if who not in aside))[:MOST_OTHERS],
        block=landing.slot,
        index=0,
        tx=landing.signature,
    )


def _moved(change: TokenChange) -> int:
    return change.after - change.before


def _holder(landing: Landing, account: Address | None) -> Address | None:
    return next((one.owner for one in landing.tokens if one.account == account), None)


def _by_shares(landing: Landing, one: Listening, whole: Whole) -> tuple[int, Address]:
    """(base units of the asset at the present value of a share, the depositor)."""
    mine = [c for c in landing.tokens if c.mint == one.shares and c.account != one.aside]
    net = sum(map(_moved, mine))
    if not net or whole.shares <= 0:
        return 0, landing.payer
    sign = 1 if net > 0 else -1
    most = max(mine, key=lambda c: sign * _moved(c))
    owner = most.owner
    if most.account == whole.pledged or not owner:  # behind it is a position: whoever paid or was paid
        paid = [c for c in landing.tokens if c.mint == one.asset and c.account != one.cash and sign * _moved(c) < 0]
        owner = min(paid, key=lambda c: sign * _moved(c)).owner if paid else landing.payer
    worth = abs(net) * one.supplied_raw // whole.shares
    paid_in = cash_around(landing, one)
    moved = sign * (paid_in[1] - paid_in[0]) if paid_in is not None else 0
    # The cash says it to the unit, where nothing else moved it in the same transaction.
    return sign * (moved if abs(moved - worth) * SAME <= worth else worth), owner or landing.payer


def _by_transfers(landing: Landing, one: Listening) -> tuple[int, Address]:
    """(base units that the bank's deposit and withdraw instructions transferred, the authority that signed them)."""
    tags = {layout(one.protocol).tag(name): sign for name, sign in BANK_FLOWS.items()}
    net, who = 0, landing.payer
    largest = 0
    for place, call in enumerate(landing.calls):
        sign = tags.get(call.data[:8], 0) if call.program == one.program else 0
        if not sign or len(call.accounts) <= BANK_PLACE or call.accounts[BANK_PLACE] != one.address:
            continue
        moved = 0
        for under in landing.calls[place + 1 :]:
            if under.depth <= call.depth:
                break
            if under.depth == call.depth + 1:
                moved += _transferred(under.program, under.accounts, under.data, one.cash)
        net += moved
        if abs(moved) > largest:
            largest, who = abs(moved), call.accounts[AUTHORITY_PLACE]
    return net, who


def _transferred(program: Address, accounts: Sequence[Address], data: bytes, vault: Address) -> int:
    """Base units that a token program's instruction transfers into (negative: out of) a vault; 0 for other
    instructions."""
    if program not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM) or len(data) < 9:
        return 0
    places = {TRANSFER: (0, 1), TRANSFER_CHECKED: (0, 2)}.get(data[0])
    if places is None or len(accounts) <= places[1]:
        return 0
    raw = int.from_bytes(data[1:9], "little")
    return raw * ((accounts[places[1]] == vault) - (accounts[places[0]] == vault))


def move_of(landing: Landing, who: Address, one: Listening) -> TokenMove | None:
    """By how much a transaction changed somebody's balance of a market's asset; None: not at all."""
    raw = sum(_moved(c) for c in landing.tokens if c.owner == who and c.mint == one.asset)
    if one.asset == WRAPPED_SOL:
        lamports = sum(after - before for at, before, after in landing.lamports if at == who)
        raw += lamports if abs(lamports) >= LEAST_LAMPORTS else 0
    if not raw:
        return None
    return TokenMove(account=who, amount=raw / one.one, symbol=one.symbol, block=landing.slot)


def positions_in(landing: Landing, one: Listening, whole: Whole) -> list[Address]:
    """Accounts of a transaction that may be the position of the depositor."""
    if one.protocol == "marginfi":
        return [
            call.accounts[ACCOUNT_PLACE]
            for call in landing.calls
            if call.program == one.program
            and len(call.accounts) > BANK_PLACE
            and call.accounts[BANK_PLACE] == one.address
        ]
    if one.protocol not in SLOTS or not any(c.account == whole.pledged and _moved(c) for c in landing.tokens):
        return []
    known = {one.address, one.listed, one.cash, landing.payer, *(c.account for c in landing.tokens)}
    return [at for at in landing.writable if at not in known]


def position_of(one: Listening, image: bytes) -> tuple[Address, int] | None:
    """(owner, shares of the market) from the data of a position's account, as SvmImage returns it; None: it is no
    position in this market."""
    if image[:32] != key_bytes(one.program):
        return None
    data = image[32:]
    if one.protocol == "marginfi":
        return _account_of(one, data)
    slots = SLOTS.get(one.protocol)
    if slots is None or len(data) != slots.size or not data.startswith(slots.head):
        return None
    if _key(data, slots.market) != one.root:
        return None
    count, found = min(MOST_SLOTS, data[slots.counted] if slots.count is None else slots.count), 0
    for at in range(slots.first, slots.first + count * slots.step, slots.step):
        if at + 40 <= len(data) and _key(data, at) == one.address:
            found += int.from_bytes(data[at + 32 : at + 40], "little")
    return _key(data, slots.owner), found


def _account_of(one: Listening, data: bytes) -> tuple[Address, int] | None:
    codec = layout(one.protocol)
    size, found = codec.size("Balance"), 0
    try:
        account: dict[str, Any] = codec.decode("MarginfiAccount", data)
        for place in range(BALANCES):
            at = BALANCES_AT + place * size
            balance = codec.decode("Balance", data[at : at + size])
            if balance["active"] and balance["bank"] == one.address:
                found += max(0, int(balance["asset_shares"]))
    except MarketError:
        return None
    return (Address(account["authority"]), found) if account["group"] == one.root else None


def token_owner(one: Listening, image: bytes) -> Address | None:
    """The owner of a token account of the market's shares, from its data as SvmImage returns it; None: it is no such
    account."""
    if one.shares is None or image[:32] != key_bytes(one.share_program) or len(image) < 32 + 72:
        return None
    return _key(image, 64) if _key(image, 32) == one.shares else None


def _key(data: bytes, at: int) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data[at : at + 32])))
