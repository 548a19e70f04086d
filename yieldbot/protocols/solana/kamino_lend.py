"""Kamino Lend: reserves that mint collateral tokens for deposits, into our own wallet.

Layouts and instructions: npm @kamino-finance/klend-sdk 8.0.2 (idl/klend.json); behaviour: klend 1.16.0. Rates are for
63,072,000 slots a year; the real length of a slot follows from the Clock. Interest compounds only at refreshes, and
yields here assume no refresh before the horizon's end: a reserve in use, which is refreshed every few slots, earns a
little more (1 bp a year at a borrow rate of 5 %). Within half a bp of utilisation around a point of its curve the
program takes that point's rate, which is not modelled. Farms' rewards are not counted.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.kamino import ONE, KaminoReserve
from yieldbot.math.slots import SlotCurve, with_steps
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import BPS
from yieldbot.protocols.doubts import in_vault, minted
from yieldbot.protocols.solana.base import ReserveParams
from yieldbot.protocols.solana.collateral import redeemed
from yieldbot.protocols.solana.layout import (
    LATER,
    SLOTS_AHEAD,
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
    rounding,
    token_amount,
)

VERSION, ACTIVE, OBSOLETE = 1, 0, 1
NOBODY = (SYSTEM_PROGRAM, Address("nu11111111111111111111111111111111111111111"))
"""Addresses that a reserve names instead of an oracle that it does not have."""
ORACLES = ("pyth_price", "switchboard_price", "switchboard_twap", "scope_price_feed")


class KaminoLend:
    """Deposits into a reserve for its collateral token, which stays in our wallet; no obligation is opened."""

    protocol: ClassVar[str] = "kamino_lend"
    params: ClassVar[type[BaseModel]] = ReserveParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        program = Address(deployment.params["program"])
        addresses = [Address(a) for a in deployment.params["reserves"]]
        read = yield [layout(self.protocol).read(address, program) for address in addresses]
        found = []
        for address, data in zip(addresses, read, strict=True):
            reserve = layout(self.protocol).decode("Reserve", data)
            token = next((t for t in deployment.assets if t.address == reserve["liquidity_mint"]), None)
            if token is None:
                raise MarketError(f"reserve {address} is for mint {reserve['liquidity_mint']}, which no asset names")
            found.append(self._market(deployment, program, address, token, reserve))
        return tuple(found)

    def _market(
        self, deployment: Deployment, program: Address, address: Address, token: Token, reserve: dict[str, Any]
    ) -> Market:
        if reserve["version"] != VERSION:
            raise MarketError(f"reserve {address} is of version {reserve['version']}")
        if reserve["mint_decimals"] != token.decimals:
            raise MarketError(f"reserve {address} counts {reserve['mint_decimals']} decimals")
        if reserve["liquidity_token_program"] not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
            raise MarketError(f"reserve {address} names {reserve['liquidity_token_program']} as its token program")
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
                "lending_market": reserve["lending_market"],
                "authority": pda(program, b"lma", key_bytes(reserve["lending_market"])),
                "supply_vault": reserve["supply_vault"],
                "collateral_mint": reserve["collateral_mint"],
                # An optional account that is absent is the program's own address (Anchor's convention).
                **{name: program if reserve[name] in NOBODY else reserve[name] for name in ORACLES},
                "token_program": reserve["liquidity_token_program"],
                "share_program": TOKEN_PROGRAM,
            },
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params, codec = market.params, layout(self.protocol)
        shares = Token(market.chain, params["collateral_mint"], f"k{market.asset.symbol}", market.asset.decimals)
        data, lending, clock_data, account, vault, share_mint = yield [
            codec.read(market.address, params["program"]),
            codec.read(params["lending_market"], params["program"]),
            clock_read(),
            SvmAccount(ata(owner, shares.address), TOKEN_PROGRAM, optional=True),
            SvmAccount(params["supply_vault"], params["token_program"]),
            SvmAccount(shares.address, TOKEN_PROGRAM),
        ]
        fields, lending_market = codec.decode("Reserve", data), codec.decode("LendingMarket", lending)
        if (fields["lending_market"], fields["collateral_mint"], fields["supply_vault"]) != (
            params["lending_market"],
            shares.address,
            params["supply_vault"],
        ):
            raise MarketError(f"reserve {market.address} is no longer the one that was listed")
        clock, one = Clock.of(clock_data), market.asset.one
        reserve = reserve_of(fields).accrued(clock.slot, lending_market["referral_fee_bps"])
        later = reserve.accrued(clock.slot + SLOTS_AHEAD, lending_market["referral_fee_bps"])
        held_shares = token_amount(account)
        held = Amount(market.asset, reserve.liquidity_for(held_shares))
        supplied = Amount(market.asset, reserve.supply_sf // ONE)
        curve = SlotCurve(
            others=max(0.0, (supplied.raw - held.raw) / one),
            borrowed=reserve.borrowed_sf / ONE / one,
            points=points_of(reserve),
            keep=1.0 - reserve.take_rate_percent / 100,
            slot_seconds=clock.slot_seconds,
            compounds=False,
            fixed=reserve.host_rate_bps / BPS,
        )
        unknown, status = _unknown(fields, lending_market), _status(fields, lending_market)
        queued = reserve.liquidity_for(fields["queued_collateral"])
        free = max(0, min(reserve.available_raw, token_amount(vault)) - queued)
        doubts = in_vault(reserve.available_raw, token_amount(vault), market.asset)
        doubts += minted(reserve.collateral_raw, share_mint)
        return MarketState(
            market=replace(market, params={**params, LATER: later, TERMS: _terms(fields, lending_market)}),
            block=block,
            held=held,
            shares=held_shares,
            share_token=shares,
            liquidity=Amount(market.asset, min(free, withdrawable(fields, clock.timestamp))),
            capacity=Amount(market.asset, max(0, fields["deposit_limit"] - supplied.raw - 1)),
            supplied=supplied,
            borrowed=Amount(market.asset, reserve.borrowed_sf // ONE),
            status=Status.FROZEN if unknown and status is Status.ACTIVE else status,
            curve=curve,
            quoted=Apr(curve.apr(held.raw / one, 86_400.0)),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("kamino_lend").deposit,
            gas_withdraw=leg_gas("kamino_lend").withdraw,
            exit=Exit(),
            doubts=doubts,
            rounding_raw=rounding(supplied.raw, reserve.collateral_raw),
            rent_deposit=0 if account else rent_exempt(TOKEN_ACCOUNT_BYTES),
            flags=(*(("withdrawals-queued",) if queued else ()), *unknown, *doubts),
            index=reserve.supply_sf / ONE / reserve.collateral_raw if reserve.collateral_raw else None,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        description = f"deposit {amount} into {state.market.name}"
        return self._call("deposit_reserve_liquidity", state, owner, amount.raw, description)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        later = state.market.params.get(LATER)
        shares, description = redeemed(state, amount, later if isinstance(later, KaminoReserve) else None)
        return self._call("redeem_reserve_collateral", state, owner, shares, description)

    def _call(
        self, name: str, state: MarketState, owner: Address, raw: int, description: str
    ) -> tuple[SvmInstruction, ...]:
        """The instruction alone: it accrues by itself. A refresh would read the oracles, which must not stop an
        exit."""
        params, market = state.market.params, state.market
        accounts = {
            "owner": owner,
            "reserve": market.address,
            "lending_market": params["lending_market"],
            "authority": params["authority"],
            "liquidity_mint": market.asset.address,
            "supply_vault": params["supply_vault"],
            "collateral_mint": params["collateral_mint"],
            "user_liquidity": ata(owner, market.asset.address, params["token_program"]),
            "user_collateral": ata(owner, params["collateral_mint"]),
            "collateral_token_program": TOKEN_PROGRAM,
            "liquidity_token_program": params["token_program"],
            "instructions_sysvar": SYSVAR_INSTRUCTIONS,
        }
        codec, program = layout(self.protocol), params["program"]
        return (codec.build(name, program, accounts, raw, description=description),)

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        names = ("deposit_reserve_liquidity", "redeem_reserve_collateral")
        return {market.params["program"]: frozenset(layout(self.protocol).tag(name) for name in names)}


def reserve_of(fields: dict[str, Any]) -> KaminoReserve:
    """The numbers of a decoded reserve."""
    curve = fields["curve"]
    return KaminoReserve(
        slot=fields["slot"],
        available_raw=fields["available_amount"],
        borrowed_sf=fields["borrowed_amount_sf"],
        protocol_fees_sf=fields["protocol_fees_sf"],
        referrer_fees_sf=fields["referrer_fees_sf"],
        pending_fees_sf=fields["pending_referrer_fees_sf"],
        collateral_raw=fields["collateral_mint_total_supply"],
        points=tuple(zip(curve[::2], curve[1::2], strict=True)),
        take_rate_percent=fields["protocol_take_rate_pct"],
        host_rate_bps=fields["host_fixed_interest_rate_bps"],
    )


def points_of(reserve: KaminoReserve) -> tuple[tuple[float, float], ...]:
    """(utilisation, annual borrow rate), the host's fixed rate apart, for ``SlotCurve``."""
    points: list[tuple[float, float]] = []
    for used, rate in reserve.points:
        at = used / BPS
        if points and at <= points[-1][0]:
            if (rate / BPS) == points[-1][1]:
                continue  # the last point again, until there are eleven
            at = math.nextafter(points[-1][0], math.inf)
        points.append((at, rate / BPS))
    return with_steps(tuple(points), reserve.host_rate_bps / BPS)


def withdrawable(fields: dict[str, Any], now: int) -> int:
    """What the reserve's cap on withdrawals of an interval leaves, in base units (remaining_withdrawal_caps_amount)."""
    seconds = fields["withdrawal_interval_seconds"]
    if not seconds:
        return 2**64 - 1
    total = 0 if now - fields["withdrawal_interval_start"] >= seconds else fields["withdrawal_total"]
    return max(0, fields["withdrawal_cap"] - total) if fields["withdrawal_cap"] >= 0 else 0


def _terms(fields: dict[str, Any], lending_market: dict[str, Any]) -> dict[str, Any]:
    of_market = ("owner", "emergency_mode", "permissioned_ops")
    of_reserve = ("status", "block_ctoken_usage", "withdrawal_cap", "withdrawal_interval_seconds")
    found = {name: lending_market[name] for name in of_market} | {name: fields[name] for name in of_reserve}
    return found | {"reserve_emergency_mode": fields["emergency_mode"]}


def _unknown(fields: dict[str, Any], lending_market: dict[str, Any]) -> tuple[str, ...]:
    """Fields that klend 1.22 added and nobody has described yet: where one is set, no new money goes in."""
    rewards = (fields["rewards_available"], fields["rewards_per_slot"], lending_market["rewards_max_apr"])
    names = {"reserve-rewards": any(rewards), "permissioned-operations": lending_market["permissioned_ops"]}
    return tuple(name for name, value in names.items() if value)


def _status(fields: dict[str, Any], lending_market: dict[str, Any]) -> Status:
    if lending_market["emergency_mode"] or fields["emergency_mode"]:
        return Status.PAUSED
    closed = fields["status"] == OBSOLETE or fields["block_ctoken_usage"] or not fields["deposit_limit"]
    return Status.FROZEN if closed else Status.ACTIVE


ADAPTER = KaminoLend()
