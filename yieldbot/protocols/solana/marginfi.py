"""marginfi: banks that lend deposits, held as shares in an account of ours that the program keeps.

Layouts and instructions: npm @mrgnlabs/marginfi-client-v2 6.4.1 (idl/marginfi_0.1.7.json); behaviour: marginfi-v2
0.1.7. Rates are for 31,536,000 seconds. Interest is simple between two accruals, and yields here assume none before the
horizon's end: a bank in use, which accrues at each visit, earns a little more (1 bp a year at 5 %). All fees are paid
by borrowers. Utilisation above 1 (bad debt) counts as 1.

For each bank we use an account of its own, a derived address that nobody else can take: its health then depends on no
other bank, and leaving the bank closes it, which returns its rent. Positions in accounts opened elsewhere are not read.
Banks of Token-2022 mints, of staked SOL and of other programs' reserves are refused. Emissions are not counted.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.curves import KinkedCurve
from yieldbot.math.marginfi import BITS, LEGACY, ONE, SEVEN_POINT, MarginfiBank, Points, rate_fx, util_fx
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.solana.base import ProgramParams
from yieldbot.protocols.solana.layout import (
    LATER,
    SECONDS_AHEAD,
    SYSTEM_PROGRAM,
    SYSVAR_INSTRUCTIONS,
    TERMS,
    Clock,
    ata,
    clock_read,
    key_bytes,
    layout,
    pda,
    rent_exempt,
    token_amount,
)

LIMITED = "limited"
"""Key of a state's market params: whether the bank's group limits outflow."""
PAUSED, OPERATIONAL, REDUCE_ONLY, KILLED = range(4)
REDUCE_ONLY_WITH_POWER = 5
"""Since 0.1.9: like REDUCE_ONLY, but deposits still count as collateral; withdrawals are paid."""
ORACLE_FIXED = 8
DEFAULT_TAG, SOL_TAG = 0, 1
EMISSIONS_LENDING, TOKENLESS_REPAYMENTS_ALLOWED, TOKENLESS_REPAYMENTS_COMPLETE = 1 << 1, 1 << 5, 1 << 6
ACCOUNT_DISABLED, ACCOUNT_FROZEN = 1 << 0, 1 << 6
PROGRAM_FEES_ENABLED = 1
PAUSE_SECONDS = 30 * 60
NO_LIMIT = 2**64 - 1
BALANCES_AT, BALANCES = 72, 16
NO_THIRD_PARTY, NO_LIMITING = 0, 0
"""Omitted optional arguments of an instruction: one zero byte each."""
SOME, YES, NO = 1, 1, 0
WINDOWS = ("hourly", "daily")
PRICED = "the group limits outflow in US dollars: while its oracle cannot be read, nothing leaves"
"""Since 0.1.9 every withdrawal under a group's limiter needs the price (fetch_asset_price_for_bank_low_bias)."""


class MarginfiParams(ProgramParams):
    """A deployment's table."""

    banks: list[str]
    """One bank for each asset, in the same order."""


class Marginfi:
    """Deposits into a bank, through an account that is opened for it and closed when everything is withdrawn."""

    protocol: ClassVar[str] = "marginfi"
    params: ClassVar[type[BaseModel]] = MarginfiParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        program = Address(deployment.params["program"])
        addresses = [Address(a) for a in deployment.params["banks"]]
        read = yield [layout(self.protocol).read(address, program) for address in addresses]
        banks = [layout(self.protocol).decode("Bank", data) for data in read]
        # An account of another program than SPL Token answers with an error: a Token-2022 mint is not a market.
        yield [SvmAccount(bank["mint"], TOKEN_PROGRAM) for bank in banks]
        found = []
        for address, bank in zip(addresses, banks, strict=True):
            token = next((t for t in deployment.assets if t.address == bank["mint"]), None)
            if token is None:
                raise MarketError(f"bank {address} is for mint {bank['mint']}, which no asset names")
            found.append(self._market(deployment, program, address, token, bank))
        return tuple(found)

    def _market(
        self, deployment: Deployment, program: Address, address: Address, token: Token, bank: dict[str, Any]
    ) -> Market:
        if bank["mint_decimals"] != token.decimals:
            raise MarketError(f"bank {address} counts {bank['mint_decimals']} decimals")
        if bank["asset_tag"] not in (DEFAULT_TAG, SOL_TAG):
            raise MarketError(f"bank {address} is of kind {bank['asset_tag']}: staked SOL or another program's reserve")
        return Market(
            MarketId(f"{self.protocol}/{market_chain(token.chain)}/{address}"),
            self.protocol,
            Kind.LENDING,
            token.chain,
            deployment.name,
            token,
            address,
            {
                "program": program,
                "token_program": TOKEN_PROGRAM,
                "group": bank["group"],
                "liquidity_vault": bank["liquidity_vault"],
                "vault_authority": pda(program, b"liquidity_vault_auth", key_bytes(address)),
                # The health check needs the oracle of a bank in which something stays, unless its price is fixed.
                "oracle": "" if bank["oracle_setup"] == ORACLE_FIXED else bank["oracle"],
            },
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params, codec = market.params, layout(self.protocol)
        program = params["program"]
        data, group_data, clock_data, account_data, vault = yield [
            codec.read(market.address, program),
            codec.read(params["group"], program),
            clock_read(),
            codec.read(account_of(market, owner), program, optional=True),
            SvmAccount(params["liquidity_vault"], TOKEN_PROGRAM),
        ]
        fields, group = codec.decode("Bank", data), codec.decode("MarginfiGroup", group_data)
        if (fields["group"], fields["mint"], fields["liquidity_vault"]) != (
            params["group"],
            market.asset.address,
            params["liquidity_vault"],
        ):
            raise MarketError(f"bank {market.address} is no longer the one that was listed")
        clock, one = Clock.of(clock_data), market.asset.one
        bank = bank_of(fields, group).accrued(clock.timestamp)
        later = bank.accrued(clock.timestamp + SECONDS_AHEAD)
        shares, account_flags, rewards = self._position(market, owner, account_data)
        held = Amount(market.asset, bank.amount_raw_for(shares))
        supplied = Amount(market.asset, bank.assets_fx >> BITS)
        curve = KinkedCurve(
            others=max(0.0, (supplied.raw - held.raw) / one),
            borrowed=bank.liabilities_fx / ONE / one,
            points=points_of(bank),
            keep=1.0,
        )
        unlent = _unlent(bank)
        group_limited = bool(group["hourly_most"] or group["daily_most"])
        outflow = [window_left(fields, w, clock.timestamp) for w in WINDOWS]
        if group_limited:  # in whole US dollars, by the newest price that the bank has recorded
            dollars = min(window_left(group, w, clock.timestamp) for w in WINDOWS)
            outflow.append(dollars * one * ONE // price if (price := fields["last_price"]) > 0 else NO_LIMIT)
        # Cash when a withdrawal lands: in a bank that has lent nearly everything, fees reduce it fast.
        free = max(0, min(token_amount(vault), unlent, _unlent(later), *outflow))
        limit = fields["deposit_limit"]
        doubts = in_vault(unlent, token_amount(vault), market.asset)
        return MarketState(
            market=replace(
                market, params={**params, LATER: later, LIMITED: group_limited, TERMS: _terms(fields, group)}
            ),
            block=block,
            held=held,
            shares=shares,
            share_token=None,
            liquidity=Amount(market.asset, free),
            capacity=None if limit == NO_LIMIT else Amount(market.asset, max(0, limit - supplied.raw - 2)),
            supplied=supplied,
            borrowed=Amount(market.asset, bank.liabilities_fx >> BITS),
            status=_status(fields, group, clock.timestamp, account_flags),
            curve=curve,
            quoted=Apr(curve.apr(held.raw / one, 86_400.0)),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("marginfi").deposit,
            gas_withdraw=leg_gas("marginfi").withdraw,
            exit=Exit(limit=PRICED, priced=True) if group_limited else Exit(),
            doubts=doubts,
            rent_deposit=0 if account_data else rent_exempt(codec.size("MarginfiAccount")),
            flags=(*_flags(fields, rewards), *(["exit-needs-a-price"] if group_limited else []), *doubts),
            index=bank.asset_value_fx / ONE,
        )

    def _position(self, market: Market, owner: Address, data: bytes) -> tuple[int, int, bool]:
        """(shares, the account's flags, whether rewards are waiting). Raises MarketError if the account is not as we
        open it."""
        if not data:
            return 0, 0, False
        codec = layout(self.protocol)
        account = codec.decode("MarginfiAccount", data)
        where = account_of(market, owner)
        if (account["group"], account["authority"]) != (market.params["group"], owner):
            raise MarketError(f"marginfi account {where} is another's")
        shares, rewards, size = 0, False, codec.size("Balance")
        for i in range(BALANCES):
            at = BALANCES_AT + i * size
            balance = codec.decode("Balance", data[at : at + size])
            if not balance["active"]:
                continue
            if balance["bank"] != market.address or balance["liability_shares"] >= ONE:
                raise MarketError(f"marginfi account {where} holds more than this bank's deposits")
            shares += max(0, balance["asset_shares"])
            rewards |= balance["emissions"] >= ONE
        return shares, account["flags"], rewards

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        codec, market = layout(self.protocol), state.market
        accounts, program = self._accounts(market, owner), market.params["program"]
        description = f"deposit {amount} into {market.name}"
        pay = codec.build(
            "lending_account_deposit", program, accounts, amount.raw, NO_LIMITING, description=description
        )
        if not state.rent_deposit:
            return (pay,)
        index = int.from_bytes(_index(market), "little")
        opened = codec.build(
            "marginfi_account_initialize_pda",
            program,
            accounts,
            index,
            NO_THIRD_PARTY,
            description=f"open an account of ours in {market.name}",
        )
        return opened, pay

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        codec, market = layout(self.protocol), state.market
        accounts, program = self._accounts(market, owner), market.params["program"]
        health = (SvmMeta(market.address), *([SvmMeta(Address(o))] if (o := market.params["oracle"]) else []))
        name = "lending_account_withdraw"
        later = market.params.get(LATER)
        grown = later.amount_raw_for(state.shares) if isinstance(later, MarginfiBank) else state.held.raw
        thin = amount is None and grown > state.liquidity.raw
        if amount is not None or thin or "rewards-not-collected" in state.flags:
            # A balance with rewards cannot be closed: its value is withdrawn, and it stays open with its rewards.
            paid = min(state.held if amount is None else amount, state.liquidity)
            if isinstance(later, MarginfiBank):
                paid = min(paid, Amount(market.asset, max(0, _unlent(later))))
            description = f"withdraw {paid} from {market.name}"
            return (codec.build(name, program, accounts, paid.raw, SOME, NO, description=description, more=health),)
        description = f"withdraw everything from {market.name}"
        closed = f"close our account in {market.name}: its rent comes back"
        # Nothing stays, so no health check is made; only the group's limiter (0.1.9) needs the price.
        priced = health if market.params.get(LIMITED) else ()
        return (
            codec.build(name, program, accounts, 0, SOME, YES, description=description, more=priced),
            codec.build("marginfi_account_close", program, accounts, description=closed),
        )

    def _accounts(self, market: Market, owner: Address) -> dict[str, Address]:
        params = market.params
        return {
            "group": params["group"],
            "bank": market.address,
            "account": account_of(market, owner),
            "owner": owner,
            "fee_payer": owner,
            "user_liquidity": ata(owner, market.asset.address),
            "liquidity_vault": params["liquidity_vault"],
            "vault_authority": params["vault_authority"],
            "token_program": TOKEN_PROGRAM,
            "instructions_sysvar": SYSVAR_INSTRUCTIONS,
            "system_program": SYSTEM_PROGRAM,
        }

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        names = (
            "marginfi_account_initialize_pda",
            "lending_account_deposit",
            "lending_account_withdraw",
            "marginfi_account_close",
        )
        return {market.params["program"]: frozenset(layout(self.protocol).tag(name) for name in names)}


def account_of(market: Market, owner: Address) -> Address:
    """Our account for one bank: derived from the group, the owner and the first two bytes of the bank's address."""
    program, group = market.params["program"], key_bytes(market.params["group"])
    return pda(program, b"marginfi_account", group, key_bytes(owner), _index(market), b"\0\0")


def _index(market: Market) -> bytes:
    return key_bytes(market.address)[:2]


def bank_of(fields: dict[str, Any], group: dict[str, Any]) -> MarginfiBank:
    """The numbers of a decoded bank, with the fees that its group adds. Raises MarketError for a negative one."""
    legacy = fields["curve_type"] == LEGACY
    if not legacy and fields["curve_type"] != SEVEN_POINT:
        raise MarketError(f"the bank's interest curve is of type {fields['curve_type']}")
    points: Points
    if legacy:
        points = ((0, 0), (fields["optimal_utilization"], fields["plateau_rate"]), (ONE, fields["max_rate"]))
    else:
        stored = zip(fields["points"][::2], fields["points"][1::2], strict=True)
        inner = tuple((util_fx(util), rate_fx(rate)) for util, rate in stored if util)
        points = ((0, rate_fx(fields["zero_util_rate"])), *inner, (ONE, rate_fx(fields["hundred_util_rate"])))
    with_program = group["group_flags"] & PROGRAM_FEES_ENABLED
    rate_fees = fields["insurance_rate"] + fields["group_rate"]
    fixed_fees = fields["insurance_fixed"] + fields["group_fixed"]
    numbers = {
        "asset_shares_fx": fields["asset_shares"],
        "asset_value_fx": fields["asset_share_value"],
        "liability_shares_fx": fields["liability_shares"],
        "liability_value_fx": fields["liability_share_value"],
        "rate_fees_fx": rate_fees + (group["program_fee_rate"] if with_program else 0),
        "fixed_fees_fx": fixed_fees + (group["program_fee_fixed"] if with_program else 0),
    }
    if min(*numbers.values(), *(number for point in points for number in point)) < 0:
        raise MarketError("a number of the bank is negative")
    return MarginfiBank(fields["last_update"], points=points, legacy=legacy, **numbers)


def points_of(bank: MarginfiBank) -> tuple[tuple[float, float], ...]:
    """(utilisation, annual base rate), ascending, for ``KinkedCurve``."""
    points: list[tuple[float, float]] = []
    for used, rate in bank.points:
        at = used / ONE
        if points and at <= points[-1][0]:
            at = math.nextafter(points[-1][0], math.inf)
        points.append((at, rate / ONE))
    return tuple(points)


def _terms(fields: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    limits = ("hourly_most", "daily_most")
    found = {"admin": group["admin"], **{name: fields[name] for name in (*limits, "operational_state", "oracle")}}
    return found | {f"group_{name}": group[name] for name in limits}


def window_left(fields: dict[str, Any], window: str, now: int) -> int:
    """What an outflow window still lets out from now until ``SECONDS_AHEAD`` later (remaining_capacity).

    A bank's window is in base units, a group's in whole US dollars. The previous window counts with the fraction of it
    that is less than one window length ago.
    """
    most, length = fields[f"{window}_most"], fields[f"{window}_seconds"]
    if not most:
        return NO_LIMIT
    if not length:
        return int(most)
    left: list[int] = []
    for at in (now, now + SECONDS_AHEAD):
        start, before, current = (fields[f"{window}_{name}"] for name in ("start", "before", "now"))
        if at - start >= 2 * length:
            start, before, current = at, 0, 0
        elif at - start >= length:
            start, before, current = start + length, current, 0
        counted = before * (length - (at - start))
        left.append(most - (abs(counted) // length * (1 if counted >= 0 else -1)) - current if at >= start else 0)
    return max(0, min(left))


def _unlent(bank: MarginfiBank) -> int:
    """Base units that can be withdrawn: fees make debts grow faster than deposits, so this shrinks until then."""
    return (bank.assets_fx >> BITS) - (bank.liabilities_fx >> BITS) - 2


def _status(fields: dict[str, Any], group: dict[str, Any], now: int, account_flags: int) -> Status:
    paused = group["pause_flags"] & 1 and now - group["pause_start_timestamp"] < PAUSE_SECONDS
    if paused or account_flags & (ACCOUNT_DISABLED | ACCOUNT_FROZEN):
        return Status.PAUSED
    wound_down = fields["flags"] & TOKENLESS_REPAYMENTS_ALLOWED or fields["curve_type"] == LEGACY
    if fields["operational_state"] == OPERATIONAL and not wound_down:
        return Status.ACTIVE
    closed = fields["operational_state"] in (OPERATIONAL, REDUCE_ONLY, REDUCE_ONLY_WITH_POWER)
    return Status.FROZEN if closed else Status.PAUSED


def _flags(fields: dict[str, Any], rewards: bool) -> tuple[str, ...]:
    found = ["rewards-not-collected"] if rewards or fields["flags"] & EMISSIONS_LENDING else []
    found += ["legacy-curve"] if fields["curve_type"] == LEGACY else []  # 0.1.9 serves such a bank no more (6015)
    return (*found, "wound-down") if fields["flags"] & TOKENLESS_REPAYMENTS_COMPLETE else tuple(found)


ADAPTER = Marginfi()
