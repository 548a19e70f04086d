"""Kamino vaults: a manager spreads deposits over reserves of Kamino Lend; shares stay in our wallet, no farm is joined.

Layouts and instructions: npm @kamino-finance/klend-sdk 8.0.2 (idl/kvault.json); behaviour: Kamino-Finance/kvault 2.1.1
and klend 1.16.0.

A vault is seen through to its reserves. A deposit stays in the vault's own account until somebody invests it, and is
counted as idle there: large deposits are underestimated, never overestimated. A withdrawal is paid from that account
first, then from one reserve for each instruction; the amounts in instructions are shares. A vault whose withdrawals
cost a fraction takes no new money.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.curves import LookThroughCurve, VaultSlot
from yieldbot.math.kamino import ONE, KaminoReserve
from yieldbot.math.kamino_vault import FEE_YEAR_SECONDS, KaminoVault, LessFeeCurve, VaultReserve
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.math.slots import SlotCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.protocols.doubts import in_vault, minted
from yieldbot.protocols.solana.base import ProgramParams
from yieldbot.protocols.solana.kamino_lend import points_of, reserve_of, withdrawable
from yieldbot.protocols.solana.kamino_vault_accounts import (
    Place,
    accounts_of,
    allocations,
    fits,
    global_config,
    place_of,
    remaining,
    reserve_accounts,
)
from yieldbot.protocols.solana.layout import (
    SLOTS_AHEAD,
    TERMS,
    Clock,
    ata,
    clock_read,
    layout,
    rent_exempt,
    rounding,
    token_amount,
)

KLEND = "KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD"
LENDING = "kamino_lend"
VAULT = "vault"
"""Key of a state's market params: the vault's numbers as they were read."""
CASH = "cash"
"""Key of a state's market params: the cash of each reserve that the vault may have, in base units."""


class KaminoVaultParams(ProgramParams):
    """A deployment's table."""

    pools: list[str]
    """Addresses of the vaults."""
    klend_program: str = KLEND
    """The lending program's address."""
    in_tables: bool = False
    """Whether the cluster's ``lookup_tables`` hold the vaults' reserves: a vault of many takes no new money without."""


class KaminoVaults:
    """Deposits a token for shares of a vault."""

    protocol: ClassVar[str] = "kamino_vault"
    params: ClassVar[type[BaseModel]] = KaminoVaultParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        table = KaminoVaultParams.model_validate(deployment.params)
        program, klend = Address(table.program), Address(table.klend_program)
        addresses = [Address(one) for one in table.pools]
        read = yield [layout(self.protocol).read(address, program) for address in addresses]
        vaults = [layout(self.protocol).decode("VaultState", data) for data in read]
        listed = [allocations(data) for data in read]
        wanted = [one["reserve"] for many in listed for one in many]
        answers = (yield [layout(LENDING).read(one, klend) for one in wanted]) if wanted else []
        reserves = dict(zip(wanted, (layout(LENDING).decode("Reserve", one) for one in answers), strict=True))
        found = []
        for address, vault, many in zip(addresses, vaults, listed, strict=True):
            token = next((t for t in deployment.assets if t.address == vault["token_mint"]), None)
            if token is None:
                raise MarketError(f"vault {address} is for mint {vault['token_mint']}, which no asset names")
            if vault["token_mint_decimals"] != token.decimals:
                raise MarketError(f"vault {address} counts {vault['token_mint_decimals']} decimals")
            if vault["token_program"] not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
                raise MarketError(f"vault {address} names {vault['token_program']} as its token program")
            places = tuple(place_of(one, reserves[one["reserve"]]) for one in many)
            params = {
                "program": program,
                "klend_program": klend,
                "token_vault": vault["token_vault"],
                "base_vault_authority": vault["base_vault_authority"],
                "shares_mint": vault["shares_mint"],
                "shares_decimals": vault["shares_mint_decimals"],
                "places": places,
                "fits": table.in_tables or fits(places),
                "token_program": vault["token_program"],
                "share_program": TOKEN_PROGRAM,
            }
            market_id = MarketId(f"{self.protocol}/{market_chain(token.chain)}/{address}")
            place = (Kind.VAULT, token.chain, deployment.name, token, address)
            found.append(Market(market_id, self.protocol, *place, params))
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params, codec, lending, token = market.params, layout(self.protocol), layout(LENDING), market.asset
        program, klend = params["program"], params["klend_program"]
        places: tuple[Place, ...] = params["places"]
        shares = Token(market.chain, params["shares_mint"], f"kv{token.symbol}", params["shares_decimals"])
        markets = list(dict.fromkeys(one.lending_market for one in places))
        answers = yield [
            codec.read(market.address, program),
            codec.read(global_config(program), program),
            clock_read(),
            SvmAccount(ata(owner, shares.address), TOKEN_PROGRAM, optional=True),
            SvmAccount(params["token_vault"], params["token_program"]),
            SvmAccount(shares.address, TOKEN_PROGRAM),
            *(lending.read(one, klend) for one in markets),
            *(lending.read(one.reserve, klend) for one in places),
            *(SvmAccount(one.supply_vault, params["token_program"]) for one in places),
        ]
        data, config, clock_data, account, cash_data, share_mint = answers[:6]
        fields, clock, rest = codec.decode("VaultState", data), Clock.of(clock_data), answers[6:]
        rules = dict(zip(markets, (lending.decode("LendingMarket", one) for one in rest), strict=False))
        of_reserves = [lending.decode("Reserve", one) for one in rest[len(markets) : len(markets) + len(places)]]
        cash = [token_amount(one) for one in rest[len(markets) + len(places) :]]
        listed = allocations(data)
        if [place_of(*pair) for pair in zip(listed, of_reserves, strict=False)] != list(places) or len(listed) != len(
            places
        ):
            raise MarketError(f"vault {market.address} has other reserves than when it was listed")
        if (fields["token_mint"], fields["shares_mint"], fields["token_vault"]) != (
            token.address,
            shares.address,
            params["token_vault"],
        ):
            raise MarketError(f"vault {market.address} is no longer the one that was listed")
        referrals = [rules[one.lending_market]["referral_fee_bps"] for one in places]
        accrued = [reserve_of(one).accrued(clock.slot, fee) for one, fee in zip(of_reserves, referrals, strict=True)]
        owned = [one["ctokens"] for one in listed]
        try:
            vault = _vault(fields, codec.decode("GlobalConfig", config), accrued, owned, clock.timestamp)
            aum_sf = vault.aum_sf
        except OverflowError as odd:
            raise MarketError(f"{market.name}: {odd}") from None
        there = [
            _cash(one, reserve, held, clock.timestamp)
            for one, reserve, held in zip(of_reserves, accrued, cash, strict=True)
        ]
        held_shares, one = token_amount(account), token.one
        held = Amount(token, vault.pays(held_shares))
        curve = _curve(market, vault, accrued, there, held, clock)
        quoted = _with_rewards(curve, fields, vault, held, one)
        loose = vault.available_raw + sum(
            min(of.worth_sf >> 60, left) for of, left in zip(vault.reserves, there, strict=True)
        )
        doubts = in_vault(fields["token_available"], token_amount(cash_data), token)
        doubts += minted(vault.issued, share_mint)
        paused = any(rules[one.lending_market]["emergency_mode"] for one in places)
        shut = vault.penalty_bps > 0 or not vault.issued or not params["fits"]
        flags = (*(("exit-fee",) if vault.penalty_bps else ()), *(() if params["fits"] else ("too-many-reserves",)))
        return MarketState(
            market=replace(market, params={**params, VAULT: vault, CASH: there, TERMS: _terms(fields, vault)}),
            block=block,
            held=held,
            shares=held_shares,
            share_token=shares,
            liquidity=Amount(token, 0 if paused else loose),
            capacity=None,
            supplied=Amount(token, aum_sf >> 60),
            borrowed=None,
            status=Status.PAUSED if paused else Status.FROZEN if shut else Status.ACTIVE,
            curve=quoted,
            quoted=Apr(quoted.apr(held.raw / one, 86_400.0)),
            pools=frozenset({market.id, *(_pool(market, one.reserve) for one in places)}),
            gas_deposit=leg_gas(self.protocol).deposit,
            gas_withdraw=leg_gas(self.protocol).withdraw,
            exit=Exit(),
            doubts=doubts,
            rounding_raw=rounding(aum_sf >> 60, vault.issued) + vault.penalty_raw + _crank(fields, listed),
            rent_deposit=0 if account else rent_exempt(TOKEN_ACCOUNT_BYTES),
            entry_cost_bps=float(vault.penalty_bps),
            flags=(*flags, *doubts),
            index=aum_sf / ONE / vault.issued if vault.issued else None,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        description = f"deposit {amount} into {state.market.name}"
        accounts = accounts_of(state.market, owner)
        program, more = state.market.params["program"], remaining(state.market)
        return (
            layout(self.protocol).build("deposit", program, accounts, amount.raw, description=description, more=more),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        """One instruction for each reserve that must pay, those with the most cash first."""
        market, vault = state.market, state.market.params[VAULT]
        assert isinstance(vault, KaminoVault)  # set by ``observe``
        wanted = state.shares if amount is None else min(state.shares, vault.shares_paying(amount.raw))
        places: tuple[Place, ...] = market.params["places"]
        there: list[int] = market.params[CASH]
        left, calls = wanted, list[SvmInstruction]()
        order = sorted(range(len(places)), key=lambda i: -min(vault.reserves[i].worth_sf >> 60, there[i]))
        for index in order:
            worth = vault.reserves[index].worth_sf >> 60
            most = vault.available_raw + min(worth, there[index])
            short = there[index] < worth
            now = min(left, _within(vault, most)) if short else left
            try:
                paid = vault.withdrawn(now, index)
            except OverflowError:
                continue
            whole = amount is None and not short
            what = "everything" if amount is None else str(amount)
            description = f"withdraw {what} from {market.name}" if not calls else ""
            accounts = {**accounts_of(market, owner), **reserve_accounts(market, places[index])}
            call = layout(self.protocol).build(
                "withdraw",
                market.params["program"],
                accounts,
                state.shares if whole else now,
                description=description,
                more=remaining(market),
            )
            calls.append(call)
            left, vault = left - paid.burnt, paid.vault
            if left <= 0 or not vault.pays(left):
                break
        return tuple(calls)

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        return {market.params["program"]: frozenset(layout(self.protocol).tag(one) for one in ("deposit", "withdraw"))}


def _vault(
    fields: dict[str, Any], config: dict[str, Any], reserves: list[KaminoReserve], owned: list[int], now: int
) -> KaminoVault:
    """The vault's numbers now, rewards paid in and fees charged."""
    found = KaminoVault(
        available_raw=fields["token_available"],
        issued=fields["shares_issued"],
        pending_sf=fields["pending_fees_sf"],
        prev_aum_sf=fields["prev_aum_sf"],
        charged_at=fields["last_fee_charge"],
        performance_bps=fields["performance_fee_bps"],
        management_bps=fields["management_fee_bps"],
        penalty_raw=max(config["penalty_raw"], fields["penalty_raw"]),
        penalty_bps=max(config["penalty_bps"], fields["penalty_bps"]),
        least_withdrawal=fields["min_withdraw"],
        reserves=tuple(
            VaultReserve(one.supply_sf, one.collateral_raw, tokens) for one, tokens in zip(reserves, owned, strict=True)
        ),
    )
    rewards = (fields["rewards_per_second"], fields["rewards_since"], fields["rewards_available"])
    return found.rewarded(*rewards, now).charged(now)


def _cash(fields: dict[str, Any], reserve: KaminoReserve, held_raw: int, now: int) -> int:
    """What the reserve can pay, in base units."""
    queued = reserve.liquidity_for(fields["queued_collateral"])
    return max(0, min(min(reserve.available_raw, held_raw) - queued, withdrawable(fields, now)))


def _within(vault: KaminoVault, most_raw: int) -> int:
    """The most shares that are worth no more than an amount, some slots later."""
    if not vault.aum_sf:
        return 0
    later = vault.aum_sf + vault.aum_sf * SLOTS_AHEAD // 10**8  # far above any rate
    return (most_raw << 60) * vault.issued // later


def _curve(
    market: Market, vault: KaminoVault, reserves: list[KaminoReserve], cash: list[int], held: Amount, clock: Clock
) -> YieldCurve:
    one, places = market.asset.one, market.params["places"]
    slots = []
    for place, reserve, of_vault, left in zip(places, reserves, vault.reserves, cash, strict=True):
        mine = of_vault.worth_sf / ONE / one
        curve = SlotCurve(
            others=max(0.0, reserve.supply_sf / ONE / one - mine),
            borrowed=reserve.borrowed_sf / ONE / one,
            points=points_of(reserve),
            keep=1.0 - reserve.take_rate_percent / 100,
            slot_seconds=clock.slot_seconds,
            compounds=False,
            fixed=reserve.host_rate_bps / BPS,
        )
        slots.append(VaultSlot(curve, mine, 0.0, left / one, _pool(market, place.reserve)))
    through = LookThroughCurve(
        others=max(0.0, vault.aum_sf / ONE / one - held.raw / one),
        ours=held.raw / one,
        fee=vault.performance_bps / BPS,
        slots=tuple(slots),
        withdraw_order=tuple(sorted(range(len(slots)), key=lambda i: -min(slots[i].held, slots[i].liquidity))),
    )
    if not vault.management_bps:
        return through
    return LessFeeCurve(through, vault.management_bps / BPS * SECONDS_PER_YEAR / FEE_YEAR_SECONDS)


def _with_rewards(curve: YieldCurve, fields: dict[str, Any], vault: KaminoVault, held: Amount, one: int) -> YieldCurve:
    rate, since = fields["rewards_per_second"], fields["rewards_since"] or vault.charged_at
    left = fields["rewards_available"] - rate * max(0, vault.charged_at - since)
    if not rate or left <= 0:
        return curve
    yearly = rate * SECONDS_PER_YEAR * (1.0 - vault.performance_bps / BPS)
    others = max(0.0, vault.aum_sf / ONE - held.raw) / one
    return RewardedCurve(curve, (RewardTerm(others, yearly / one, left / rate, 0.0),))


def _crank(fields: dict[str, Any], listed: list[dict[str, Any]]) -> int:
    """What a deposit pays towards later investments, in base units."""
    return int(fields["crank_fee"]) * sum(1 for one in listed if one["weight"] and one["cap"])


def _pool(market: Market, reserve: Address) -> str:
    return MarketId(f"{LENDING}/{market_chain(market.chain)}/{reserve}")


def _terms(fields: dict[str, Any], vault: KaminoVault) -> dict[str, Any]:
    named = {name: fields[name] for name in ("admin", "allocation_admin", "min_withdraw")}
    return named | {"penalty_raw": vault.penalty_raw, "penalty_bps": vault.penalty_bps}


ADAPTER = KaminoVaults()
