"""Accounts of Save's double: a lending market, and reserves in any state."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.units import WAD
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, account_data, image, mint, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting

COLLATERAL_AT_START_NUMERATOR, COLLATERAL_AT_START_DENOMINATOR = 93, 100
"""Collateral tokens are worth more than one unit of liquidity each, as after some years of interest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveTerms:
    """The initial state of a Save reserve. Rates, utilisations and the take rate are whole percent."""

    available_raw: int
    """Base units in the vault."""
    borrowed_raw: int
    """Base units that are lent out."""
    optimal_utilisation: int = 80
    """The kink."""
    max_utilisation: int = 90
    """Where the steepest part of the curve begins."""
    min_rate: int = 0
    """Borrow rate at no utilisation."""
    optimal_rate: int = 6
    """Borrow rate at the kink."""
    max_rate: int = 30
    """Borrow rate at ``max_utilisation``."""
    super_max_rate: int = 150
    """Borrow rate at full utilisation."""
    take_rate: int = 10
    """The protocol's part of the interest."""
    deposit_limit_raw: int = 10**18
    """Supply cap, in base units."""
    fees_raw: int = 0
    """Protocol fees that have accrued, in base units."""
    outflow_raw: int = 2**64 - 1
    """Most that may leave within a window, in base units."""
    outflow_window: int = 0
    """The window's length, in slots; 0: no limit."""
    outflow_now_raw: int = 0
    """What has left within the present window, in base units."""
    price_wads: int = WAD
    """Price of one token in US dollars, times 1e18."""
    smoothed_wads: int = 0
    """The smoothed price, times 1e18; 0: none."""
    extra_wads: int = 0
    """An extra price, times 1e18; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLimit:
    """The outflow limit of a Save lending market, in whole US dollars."""

    most: int
    """Most that may leave within a window."""
    window: int
    """The window's length, in slots."""
    start: int
    """The slot at which the present window began."""
    before: int = 0
    """Base units that were withdrawn in the window before."""
    now: int = 0
    """What has left within the present window."""


@dataclass(frozen=True, slots=True)
class SaveMarket:
    """The addresses of a Save lending market; a seed always makes the same ones."""

    program: Address
    """The lending program."""
    lending_market: Address
    """The lending market's account."""
    authority: Address
    """The program's own address that owns the vaults."""
    bump: int
    """The authority's bump seed."""


def save_market(seed: str = "save", limit: MarketLimit | None = None) -> tuple[SaveMarket, Images]:
    """The program and a lending market."""
    from solders.pubkey import Pubkey

    program_id, market = named(seed, "program"), named(seed, "market")
    authority, bump = Pubkey.find_program_address([key_bytes(market)], Pubkey.from_string(program_id))
    fields = {"version": 1, "bump_seed": bump, "owner": named(seed, "owner"), "token_program": TOKEN_PROGRAM}
    if limit is not None:
        fields |= {"limiter_most": limit.most, "limiter_window": limit.window, "limiter_start": limit.start}
        fields |= {"limiter_before": limit.before * WAD, "limiter_now": limit.now * WAD}
    images = {
        program_id: program_image(program("save")),
        market: image(program_id, account_data("save", "LendingMarket", fields)),
    }
    return SaveMarket(program_id, market, Address(str(authority)), bump), images


def save_reserve(
    market: SaveMarket, asset: Address, decimals: int, slot: int, terms: SaveTerms, seed: str = "reserve"
) -> tuple[Address, Images]:
    """A reserve of ``asset``, last refreshed at ``slot``, with the matching balance in its vault."""
    reserve, vault, collateral = (named(seed, asset, part) for part in ("reserve", "vault", "collateral"))
    supplied = terms.available_raw + terms.borrowed_raw
    shares = (supplied - terms.fees_raw) * COLLATERAL_AT_START_NUMERATOR // COLLATERAL_AT_START_DENOMINATOR
    fields = {
        "version": 1,
        "slot": slot,
        "lending_market": market.lending_market,
        "liquidity_mint": asset,
        "liquidity_mint_decimals": decimals,
        "liquidity_supply": vault,
        "pyth_oracle": named(seed, "pyth"),
        "switchboard_oracle": named(seed, "switchboard"),
        "available_amount": terms.available_raw,
        "borrowed_amount_wads": terms.borrowed_raw * WAD,
        "accumulated_protocol_fees_wads": terms.fees_raw * WAD,
        "limiter_most": terms.outflow_raw,
        "limiter_window": terms.outflow_window,
        "limiter_start": slot // terms.outflow_window * terms.outflow_window if terms.outflow_window else 0,
        "limiter_now": terms.outflow_now_raw * WAD,
        "cumulative_borrow_rate_wads": WAD,
        "liquidation_threshold": 80,
        "market_price": terms.price_wads,
        "smoothed_market_price": terms.smoothed_wads,
        "has_extra_price": int(bool(terms.extra_wads)),
        "extra_market_price": terms.extra_wads,
        "collateral_mint": collateral,
        "collateral_mint_total_supply": shares,
        "collateral_supply": named(seed, "collateral vault"),
        "optimal_utilization_rate": terms.optimal_utilisation,
        "min_borrow_rate": terms.min_rate,
        "optimal_borrow_rate": terms.optimal_rate,
        "max_borrow_rate": terms.max_rate,
        "deposit_limit": terms.deposit_limit_raw,
        "protocol_take_rate": terms.take_rate,
        "max_utilization_rate": terms.max_utilisation,
        "super_max_borrow_rate": terms.super_max_rate,
        "extra_oracle": named(seed, "extra oracle"),
    }
    return reserve, {
        reserve: image(market.program, account_data("save", "Reserve", fields)),
        vault: token_account(asset, market.authority, terms.available_raw),
        collateral: mint(market.authority, shares, decimals),
    }


def place(setting: Setting) -> Placed:
    """Two lending markets, each with USDC, SOL and one more token, with at least three quarters lent out."""
    usdc, sol, usdt, stsol = (setting.tokens[symbol] for symbol in ("USDC", "SOL", "USDT", "stSOL"))
    rows: list[dict[str, object]] = []
    images: Images = {}
    main = SaveTerms(available_raw=3_000_000 * usdc.one, borrowed_raw=9_000_000 * usdc.one, optimal_rate=7)
    turbo = SaveTerms(available_raw=150_000 * usdc.one, borrowed_raw=600_000 * usdc.one, optimal_rate=9, max_rate=60)
    for name, seed, terms, (other, available, borrowed, rate) in (
        ("Save main (double)", "save", main, (stsol, 12_000, 36_000, 13)),
        ("Save turbo (double)", "turbo", turbo, (usdt, 1_700_000, 6_300_000, 15)),
    ):
        lending, more = save_market(seed)
        images |= more
        lent = SaveTerms(
            available_raw=20_000 * sol.one,
            borrowed_raw=60_000 * sol.one,
            optimal_rate=terms.optimal_rate,
            max_rate=terms.max_rate,
        )
        busy = SaveTerms(available_raw=available * other.one, borrowed_raw=borrowed * other.one, optimal_rate=rate)
        reserves: list[Address] = []
        for token, state in ((usdc, terms), (sol, lent), (other, busy)):
            reserve, more = save_reserve(lending, token.address, token.decimals, setting.slot, state, seed)
            images |= more
            reserves.append(reserve)
        at = {"program": lending.program, "reserves": reserves, "assets": ["USDC", "SOL", other.symbol]}
        rows.append({"protocol": "save", "name": name, **at})
    return Placed(rows=tuple(rows), images=images)


SANDBOX = SandboxProtocol(protocol="save", place=place)
