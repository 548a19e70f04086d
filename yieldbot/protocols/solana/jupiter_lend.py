"""Jupiter Lend (Fluid on Solana): one token a market, whose shares (fTokens, here j-tokens) stay in our wallet.

The lending program deposits what it takes into the liquidity program, from which other programs borrow. Layouts and
instructions: the IDLs in jup-ag/jupiter-lend; behaviour: Instadapp/fluid-solana-programs, programs/lending and
programs/liquidity.

What may leave is bound by two things: the pool's cash, and a withdrawal limit on all that the lending program has
supplied, which grows with time from its last operation (20 % in so many hours, as its settings say). Rewards are not
claimed: they raise the price of a share, and stand in the curve until their end; rewards that follow are not counted.
The rate is rounded to whole basis points by the program, as it is here.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.curves import Points
from yieldbot.math.jupiter_lend import (
    PRICE_ONE,
    RATIO_ONE,
    Position,
    Reserve,
    Rewards,
    WholeBpCurve,
    share_price,
)
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import BPS
from yieldbot.protocols.doubts import backed
from yieldbot.protocols.solana.base import ReserveParams
from yieldbot.protocols.solana.layout import (
    ATA_PROGRAM,
    SYSTEM_PROGRAM,
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

LIQUIDITY_PROGRAM = "jupeiUmn818Jg1ekPURTpr4mFo29p46vygyykFJ3wZC"
VAULTS_PROGRAM = "jupr81YtYssSyPt8jbnGuiWon5f6x9TcDEFxYe3Bdzi"
REWARDS_PROGRAM = "jup7TthsMgcR9Y3L277b8Eo9uboVSmu1utkuXHNUKar"
ACTIVE = 0
LEAST_RAW = 10
"""The fewest base units of one operation (MIN_OPERATE_AMOUNT): shares worth less cannot be taken out."""
LEAST_SHARE = 999, 1000
"""The fewest shares that a deposit must bring, as a fraction of those that are expected."""
UNFUNDED = 100
"""Shares may be worth more than the program has supplied, by one part in this: rewards are paid in afterwards."""


class JupiterLendParams(ReserveParams):
    """A deployment's table. ``reserves``: the lending account of each asset."""

    liquidity_program: str = LIQUIDITY_PROGRAM
    """The liquidity program's address."""
    rewards_program: str = REWARDS_PROGRAM
    """The rewards program's address."""
    vaults_program: str = VAULTS_PROGRAM
    """The program whose vaults borrow; only the look-through reads it."""


class JupiterLend:
    """Deposits a token for shares, whose price only rises."""

    protocol: ClassVar[str] = "jupiter_lend"
    params: ClassVar[type[BaseModel]] = JupiterLendParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        table = JupiterLendParams.model_validate(deployment.params)
        program, liquidity = Address(table.program), Address(table.liquidity_program)
        addresses = [Address(one) for one in table.reserves]
        codec, found = layout(self.protocol), []
        read = yield [codec.read(address, program) for address in addresses]
        for address, data in zip(addresses, read, strict=True):
            lending = codec.decode("Lending", data)
            token = next((t for t in deployment.assets if t.address == lending["mint"]), None)
            if token is None:
                raise MarketError(f"market {address} is for mint {lending['mint']}, which no asset names")
            if lending["decimals"] != token.decimals:
                raise MarketError(f"market {address} counts {lending['decimals']} decimals")
            mint, authority = key_bytes(token.address), pda(liquidity, b"liquidity")
            params = {
                "program": program,
                "liquidity_program": liquidity,
                "rewards_program": Address(table.rewards_program),
                "vaults_program": Address(table.vaults_program),
                "f_token_mint": lending["f_token_mint"],
                "lending_admin": pda(program, b"lending_admin"),
                "reserve": pda(liquidity, b"reserve", mint),
                "position": pda(liquidity, b"user_supply_position", mint, key_bytes(address)),
                "rate_model": pda(liquidity, b"rate_model", mint),
                "liquidity": authority,
                "vault": ata(authority, token.address),
                "rewards_rate_model": lending["rewards_rate_model"],
                "token_program": TOKEN_PROGRAM,
                "share_program": TOKEN_PROGRAM,
            }
            market_id = MarketId(f"{self.protocol}/{market_chain(token.chain)}/{address}")
            place = (Kind.LENDING, token.chain, deployment.name, token, address)
            found.append(Market(market_id, self.protocol, *place, params))
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params, codec, token = market.params, layout(self.protocol), market.asset
        liquidity = params["liquidity_program"]
        shares = Token(market.chain, params["f_token_mint"], f"jl{token.symbol}", token.decimals)
        answers = yield [
            codec.read(market.address, params["program"]),
            codec.read(params["reserve"], liquidity),
            codec.read(params["position"], liquidity),
            codec.read(params["rate_model"], liquidity),
            codec.read(params["liquidity"], liquidity),
            codec.read(params["rewards_rate_model"], params["rewards_program"]),
            clock_read(),
            SvmAccount(ata(owner, shares.address), TOKEN_PROGRAM, optional=True),
            SvmAccount(params["vault"], TOKEN_PROGRAM),
            SvmAccount(shares.address, TOKEN_PROGRAM),
        ]
        names = ("Lending", "TokenReserve", "UserSupplyPosition", "RateModel", "Liquidity", "LendingRewardsRateModel")
        read = {name: codec.decode(name, data) for name, data in zip(names, answers, strict=False)}
        clock, account, vault, share_mint = Clock.of(answers[6]), answers[7], answers[8], answers[9]
        lending, fields, position = read["Lending"], read["TokenReserve"], read["UserSupplyPosition"]
        _same(market, read)
        now, one = clock.timestamp, token.one
        try:
            reserve, limits = reserve_of(fields), position_of(position)
            supply_price, borrow_price = reserve.prices(now)
            issued = int.from_bytes(share_mint[36:44], "little")
            rewards = rewards_of(read["LendingRewardsRateModel"])
            assets = lending["token_exchange_price"] * issued // PRICE_ONE
            price = share_price(
                lending["token_exchange_price"],
                lending["liquidity_exchange_price"],
                supply_price,
                rewards.returned(assets, lending["last_update_timestamp"], now),
            )
            must_stay = limits.must_stay(now)
        except OverflowError as odd:
            raise MarketError(f"{market.name}: {odd}") from None
        held_shares = token_amount(account)
        worth = held_shares * price // PRICE_ONE
        held = Amount(token, worth if worth >= LEAST_RAW else 0)  # fewer base units are never paid
        supplied_raw, borrowed_raw = reserve.supplied_raw(supply_price), reserve.borrowed_raw(borrow_price)
        cash = max(0, token_amount(vault) - fields["total_claim_amount"])
        unit = supply_price if position["with_interest"] else PRICE_ONE
        free = min(cash, max(0, limits.amount - must_stay) * unit // PRICE_ONE)
        owed, there = Amount(token, issued * price // PRICE_ONE), Amount(token, limits.amount * unit // PRICE_ONE)
        doubts = backed(supplied_raw, cash, borrowed_raw, token)
        if owed.raw > there.raw + owed.raw // UNFUNDED:
            doubts += (f"its shares are worth {owed}, the program has supplied {there}",)
        curve = _curve(reserve, points_of(read["RateModel"]), (supply_price, borrow_price), held, one)
        quoted = _with_rewards(curve, rewards, owed, held, now)
        return MarketState(
            market=replace(market, params={**params, TERMS: _terms(read), "price": price}),
            block=block,
            held=held,
            shares=held_shares,
            share_token=shares,
            liquidity=Amount(token, free if _open(read) else 0),
            capacity=None,
            supplied=Amount(token, supplied_raw),
            borrowed=Amount(token, borrowed_raw),
            status=Status.ACTIVE if _open(read) else Status.PAUSED,
            curve=quoted,
            quoted=Apr(quoted.apr(held.raw / one, 86_400.0)),
            pools=frozenset({f"{self.protocol}/{params['reserve']}"}),
            gas_deposit=leg_gas(self.protocol).deposit,
            gas_withdraw=leg_gas(self.protocol).withdraw,
            exit=Exit(cash=Amount(token, cash), limit=_limit(limits) if free < cash else ""),
            rounding_raw=rounding(owed.raw, issued),
            rent_deposit=0 if account else rent_exempt(TOKEN_ACCOUNT_BYTES),
            doubts=doubts,
            flags=(*(("decaying-limit",) if position["decay_amount"] else ()), *doubts),
            index=price / PRICE_ONE,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        expected = amount.raw * PRICE_ONE // int(state.market.params["price"])
        least = max(1, expected * LEAST_SHARE[0] // LEAST_SHARE[1])
        description = f"deposit {amount} into {state.market.name}"
        return (self._call("deposit_with_min_amount_out", state, owner, (amount.raw, least), description),)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        name, free = state.market.name, state.liquidity
        if amount is None and state.held.raw <= free.raw:
            description = f"withdraw everything from {name}"
            terms = (state.shares, max(1, state.held.raw))
            return (self._call("redeem_with_min_amount_out", state, owner, terms, description),)
        wanted = min(free, state.held if amount is None else amount)
        most = min(state.shares, -(-wanted.raw * PRICE_ONE // int(state.market.params["price"])))
        description = f"withdraw {wanted} from {name}"
        return (self._call("withdraw_with_max_shares_burn", state, owner, (wanted.raw, most), description),)

    def _call(
        self, name: str, state: MarketState, owner: Address, terms: tuple[int, int], description: str
    ) -> SvmInstruction:
        params, market = state.market.params, state.market
        accounts = {
            **params,
            "owner": owner,
            "lending": market.address,
            "liquidity_mint": market.asset.address,
            "collateral_mint": params["f_token_mint"],
            "user_liquidity": ata(owner, market.asset.address),
            "user_shares": ata(owner, params["f_token_mint"]),
            # An optional account that is absent is the program's own address (Anchor's convention).
            "claim_account": params["program"],
            "associated_token_program": ATA_PROGRAM,
            "system_program": SYSTEM_PROGRAM,
        }
        return layout(self.protocol).build(name, params["program"], accounts, *terms, description=description)

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        names = ("deposit_with_min_amount_out", "redeem_with_min_amount_out", "withdraw_with_max_shares_burn")
        return {market.params["program"]: frozenset(layout(self.protocol).tag(name) for name in names)}


def reserve_of(fields: dict[str, Any]) -> Reserve:
    """The numbers of a decoded TokenReserve."""
    if fields["fee_on_interest"] > BPS:
        raise MarketError("the liquidity program takes more than all interest")
    return Reserve(
        borrow_rate_bps=fields["borrow_rate"],
        fee_bps=fields["fee_on_interest"],
        used_bps=fields["last_utilization"],
        timestamp=fields["last_update_timestamp"],
        supply_price=fields["supply_exchange_price"],
        borrow_price=fields["borrow_exchange_price"],
        supply_shares=fields["total_supply_with_interest"],
        supply_free_raw=fields["total_supply_interest_free"],
        borrow_shares=fields["total_borrow_with_interest"],
        borrow_free_raw=fields["total_borrow_interest_free"],
    )


def position_of(fields: dict[str, Any]) -> Position:
    """The numbers of a decoded UserSupplyPosition. What newer programs let a limit decay by only lets more out, and is
    left out."""
    return Position(
        amount=fields["amount"],
        limit=fields["withdrawal_limit"],
        timestamp=fields["last_update"],
        expand_bps=fields["expand_pct"],
        expand_seconds=fields["expand_duration"],
    )


def rewards_of(fields: dict[str, Any]) -> Rewards:
    """The numbers of a decoded LendingRewardsRateModel."""
    return Rewards(
        least_assets=fields["start_tvl"],
        start=fields["start_time"],
        seconds=fields["duration"],
        yearly_raw=fields["yearly_reward"],
        next_seconds=fields["next_duration"],
        next_raw=fields["next_reward_amount"],
    )


def points_of(model: dict[str, Any]) -> Points:
    """(utilisation, borrow rate), both in basis points. Raises MarketError for a model of another version."""
    first = [(0, model["rate_at_zero"]), (model["kink1_utilization"], model["rate_at_kink1"])]
    last = (BPS, model["rate_at_max"])
    if model["version"] == 2:
        first.append((model["kink2_utilization"], model["rate_at_kink2"]))
    elif model["version"] != 1:
        raise MarketError(f"the rate model is of version {model['version']}")
    points = [*first, last]
    if any(low[0] >= high[0] for low, high in pairwise(points)):
        raise MarketError("the rate model's points are out of order")
    return tuple((float(u), float(rate)) for u, rate in points)


def _curve(reserve: Reserve, points: Points, prices: tuple[int, int], held: Amount, one: int) -> WholeBpCurve:
    supply_price, borrow_price = prices
    earning = reserve.supply_shares * supply_price // PRICE_ONE
    return WholeBpCurve(
        others=max(0.0, (earning - held.raw) / one),
        free=reserve.supply_free_raw / one,
        borrowed=reserve.borrowed_raw(borrow_price) / one,
        points=points,
        keep=1.0 - reserve.fee_bps / BPS,
        paying=reserve.paying / RATIO_ONE,
        price=supply_price / PRICE_ONE,
    )


def _with_rewards(curve: WholeBpCurve, rewards: Rewards, owed: Amount, held: Amount, now: int) -> YieldCurve:
    left = rewards.end - now
    if not rewards.start or now < rewards.start or left <= 0 or not rewards.yearly_raw:
        return curve
    if owed.raw < rewards.least_assets or not owed.raw:
        return curve
    yearly = min(rewards.yearly_raw, owed.raw // 2)  # at most 50 % a year
    one = owed.token.one
    return RewardedCurve(curve, (RewardTerm(max(0.0, (owed.raw - held.raw) / one), yearly / one, float(left), 0.0),))


def _same(market: Market, read: dict[str, dict[str, Any]]) -> None:
    """Raises MarketError if an account is no longer the one that was listed."""
    lending, params, mint = read["Lending"], market.params, market.asset.address
    named = {
        lending["mint"]: mint,
        lending["f_token_mint"]: params["f_token_mint"],
        lending["token_reserves_liquidity"]: params["reserve"],
        lending["supply_position_on_liquidity"]: params["position"],
        lending["rewards_rate_model"]: params["rewards_rate_model"],
        read["TokenReserve"]["vault"]: params["vault"],
        read["UserSupplyPosition"]["protocol"]: market.address,
    }
    mints = {
        read[one]["mint"] for one in ("TokenReserve", "UserSupplyPosition", "RateModel", "LendingRewardsRateModel")
    }
    if any(one != other for one, other in named.items()) or mints != {mint}:
        raise MarketError(f"market {market.address} is no longer the one that was listed")


def _open(read: dict[str, dict[str, Any]]) -> bool:
    return read["UserSupplyPosition"]["status"] == ACTIVE and not read["Liquidity"]["status"]


def _limit(limits: Position) -> str:
    return f"{limits.expand_bps / BPS:z.0%} of all deposits in {limits.expand_seconds / 3600:g} h"


def _terms(read: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = ("expand_pct", "expand_duration", "base_withdrawal_limit", "status")
    found = {name: read["UserSupplyPosition"][name] for name in names}
    return found | {"authority": read["Liquidity"]["authority"], "locked": read["Liquidity"]["status"]}


ADAPTER = JupiterLend()
