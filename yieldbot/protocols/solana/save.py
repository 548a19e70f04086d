"""Save, formerly Solend (spl-token-lending): reserves that mint collateral tokens for deposits.

Layouts and account orders: npm @solendprotocol/solend-sdk 0.14.27 (state/reserve.js, instructions/*.js). Rates are for
63,072,000 slots a year and compound each slot; the real length of a slot follows from the Clock.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.save import SaveReserve
from yieldbot.math.slots import SlotCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import WAD
from yieldbot.protocols.doubts import in_vault, minted
from yieldbot.protocols.solana.base import ReserveParams
from yieldbot.protocols.solana.collateral import redeemed
from yieldbot.protocols.solana.layout import (
    LATER,
    SLOTS_AHEAD,
    TERMS,
    Clock,
    ata,
    clock_read,
    key_bytes,
    layout,
    rent_exempt,
    rounding,
    token_amount,
)


class Save:
    """Deposits into a reserve for its collateral token, which stays in our wallet."""

    protocol: ClassVar[str] = "save"
    params: ClassVar[type[BaseModel]] = ReserveParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        program = Address(deployment.params["program"])
        addresses = [Address(a) for a in deployment.params["reserves"]]
        read = yield [layout(self.protocol).read(address, program) for address in addresses]
        reserves = [layout(self.protocol).decode("Reserve", data) for data in read]
        lending_markets = yield [layout(self.protocol).read(r["lending_market"], program) for r in reserves]
        found = []
        for address, reserve, data in zip(addresses, reserves, lending_markets, strict=True):
            token = next((t for t in deployment.assets if t.address == reserve["liquidity_mint"]), None)
            if token is None:
                raise MarketError(f"reserve {address} is for mint {reserve['liquidity_mint']}, which no asset names")
            lending_market = layout(self.protocol).decode("LendingMarket", data)
            found.append(self._market(deployment, program, address, token, reserve, lending_market))
        return tuple(found)

    def _market(
        self,
        deployment: Deployment,
        program: Address,
        address: Address,
        token: Token,
        reserve: dict[str, Any],
        lending_market: dict[str, Any],
    ) -> Market:
        if reserve["version"] != 1 or lending_market["version"] != 1:
            raise MarketError(f"reserve {address} is of another version")
        if reserve["liquidity_mint_decimals"] != token.decimals:
            raise MarketError(f"reserve {address} counts {reserve['liquidity_mint_decimals']} decimals")
        from solders.pubkey import Pubkey

        seeds = [key_bytes(reserve["lending_market"]), bytes([lending_market["bump_seed"]])]
        authority = Address(str(Pubkey.create_program_address(seeds, Pubkey.from_string(program))))
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
                "authority": authority,
                "liquidity_supply": reserve["liquidity_supply"],
                "collateral_mint": reserve["collateral_mint"],
                "token_program": TOKEN_PROGRAM,
                "share_program": TOKEN_PROGRAM,
            },
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params = market.params
        shares = Token(market.chain, params["collateral_mint"], f"c{market.asset.symbol}", market.asset.decimals)
        ours = ata(owner, shares.address)
        data, market_data, clock_data, account, vault, share_mint = yield [
            layout(self.protocol).read(market.address, params["program"]),
            layout(self.protocol).read(params["lending_market"], params["program"]),
            clock_read(),
            SvmAccount(ours, TOKEN_PROGRAM, optional=True),
            SvmAccount(params["liquidity_supply"], TOKEN_PROGRAM),
            SvmAccount(shares.address, TOKEN_PROGRAM),
        ]
        fields = layout(self.protocol).decode("Reserve", data)
        if (fields["lending_market"], fields["collateral_mint"]) != (params["lending_market"], shares.address):
            raise MarketError(f"reserve {market.address} is no longer the one that was listed")
        lending_market = layout(self.protocol).decode("LendingMarket", market_data)
        clock = Clock.of(clock_data)
        reserve = reserve_of(fields).accrued(clock.slot)
        later = reserve.accrued(clock.slot + SLOTS_AHEAD)
        held_shares = token_amount(account)
        one = market.asset.one
        allowed = outflow_left(fields, clock.slot)
        market_left = outflow_left(lending_market, clock.slot)
        if market_left is not None:  # in whole US dollars, at the highest price that the reserve has stored
            allowed = min(allowed if allowed is not None else 2**128, in_tokens(market_left, fields))
        free = min(reserve.available_raw, token_amount(vault))
        cash = Amount(market.asset, free if allowed is None else min(free, allowed // WAD))
        supplied = Amount(market.asset, reserve.supply_wads // WAD)
        held = Amount(market.asset, reserve.liquidity_for(held_shares))
        curve = SlotCurve(
            others=max(0.0, (supplied.raw - held.raw) / one),
            borrowed=reserve.borrowed_wads / WAD / one,
            points=points_of(reserve),
            keep=1.0 - reserve.take_rate / 100,
            slot_seconds=clock.slot_seconds,
            compounds=True,
            fees=reserve.fees_wads / WAD / one,
        )
        doubts = in_vault(reserve.available_raw, token_amount(vault), market.asset)
        doubts += minted(reserve.collateral_raw, share_mint)
        return MarketState(
            market=replace(market, params={**params, LATER: later, TERMS: _terms(fields, lending_market)}),
            block=block,
            held=held,
            shares=held_shares,
            share_token=shares,
            liquidity=cash,
            capacity=Amount(market.asset, max(0, fields["deposit_limit"] - supplied.raw)),
            supplied=supplied,
            borrowed=Amount(market.asset, reserve.borrowed_wads // WAD),
            status=Status.ACTIVE if fields["deposit_limit"] else Status.FROZEN,
            curve=curve,
            quoted=Apr(curve.apr(held.raw / one, 86_400.0)),
            pools=frozenset({f"{self.protocol}/{market.address}"}),
            gas_deposit=leg_gas("save").deposit,
            gas_withdraw=leg_gas("save").withdraw,
            exit=Exit(),
            doubts=doubts,
            flags=doubts,
            rounding_raw=rounding(supplied.raw, reserve.collateral_raw),
            rent_deposit=0 if account else rent_exempt(TOKEN_ACCOUNT_BYTES),
            index=reserve.supply_wads / WAD / reserve.collateral_raw if reserve.collateral_raw else None,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        description = f"deposit {amount} into {state.market.name}"
        return self._call("deposit_reserve_liquidity", state, owner, amount.raw, description)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        later = state.market.params.get(LATER)
        shares, description = redeemed(state, amount, later if isinstance(later, SaveReserve) else None)
        return self._call("redeem_reserve_collateral", state, owner, shares, description)

    def _call(
        self, name: str, state: MarketState, owner: Address, raw: int, description: str
    ) -> tuple[SvmInstruction, ...]:
        """Only the instruction itself: it accrues by itself. A refresh would read the oracles, which must not stop an
        exit."""
        params, market = state.market.params, state.market
        wallet, shares = ata(owner, market.asset.address), ata(owner, params["collateral_mint"])
        accounts = {
            "source_liquidity": wallet,
            "destination_liquidity": wallet,
            "source_collateral": shares,
            "destination_collateral": shares,
            "reserve": market.address,
            "liquidity_supply": params["liquidity_supply"],
            "collateral_mint": params["collateral_mint"],
            "lending_market": params["lending_market"],
            "lending_market_authority": params["authority"],
            "owner": owner,
            "token_program": TOKEN_PROGRAM,
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


def _terms(fields: dict[str, Any], lending_market: dict[str, Any]) -> dict[str, Any]:
    limits = ("limiter_most", "limiter_window")
    of_market = {f"market_{name}": lending_market[name] for name in limits}
    return {"owner": lending_market["owner"], **{name: fields[name] for name in limits}, **of_market}


def outflow_left(fields: dict[str, Any], slot: int) -> int | None:
    """What an outflow limiter still lets out until ``SLOTS_AHEAD`` later, in wads of its unit; None: no limiter.

    Source: RateLimiter::remaining_outflow. The previous window counts with the fraction of it that is less than one
    window length ago.
    """
    window, most = fields["limiter_window"], fields["limiter_most"] * WAD
    if not window:
        return None
    left: list[int] = []
    for at in (slot, slot + SLOTS_AHEAD):
        before, now, start = fields["limiter_before"], fields["limiter_now"], fields["limiter_start"]
        begins = at // window * window
        if begins >= start + window:
            before, now, start = (now if begins == start + window else 0), 0, begins
        weight = max(0, window - (at - start + 1)) * WAD // window
        left.append(max(0, most - before * weight // WAD - now))
    return min(left)


def in_tokens(usd_wads: int, fields: dict[str, Any]) -> int:
    """Base units, in wads, that a limiter in US dollars still lets out (Reserve::market_value_upper_bound)."""
    prices = [fields["market_price"], fields["smoothed_market_price"]]
    price = max(*prices, fields["extra_market_price"] if fields["has_extra_price"] else 0)
    return max(0, usd_wads - 1) * 10 ** fields["liquidity_mint_decimals"] * WAD // price if price else 2**128


def reserve_of(fields: dict[str, Any]) -> SaveReserve:
    """The numbers of a decoded reserve."""
    return SaveReserve(
        slot=fields["slot"],
        available_raw=fields["available_amount"],
        borrowed_wads=fields["borrowed_amount_wads"],
        fees_wads=fields["accumulated_protocol_fees_wads"],
        collateral_raw=fields["collateral_mint_total_supply"],
        optimal_utilisation=fields["optimal_utilization_rate"],
        max_utilisation=fields["max_utilization_rate"],
        min_rate=fields["min_borrow_rate"],
        optimal_rate=fields["optimal_borrow_rate"],
        max_rate=fields["max_borrow_rate"],
        super_max_rate=fields["super_max_borrow_rate"],
        take_rate=fields["protocol_take_rate"],
    )


def points_of(reserve: SaveReserve) -> tuple[tuple[float, float], ...]:
    """(utilisation, annual borrow rate), for ``SlotCurve``."""
    segments = [
        (reserve.optimal_utilisation, reserve.optimal_rate),
        (reserve.max_utilisation, reserve.max_rate),
        (100, reserve.super_max_rate),
    ]
    points = [(0.0, reserve.min_rate / 100)] if reserve.optimal_utilisation else []
    for percent, rate in segments:
        at = percent / 100
        if points and at <= points[-1][0]:  # two points at one utilisation: the rate jumps just above it
            at = math.nextafter(points[-1][0], math.inf)
        points.append((at, rate / 100))
    return tuple(points)


ADAPTER = Save()
