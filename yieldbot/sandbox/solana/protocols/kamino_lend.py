"""Accounts of Kamino Lend's double: a lending market, and reserves in any state."""

from __future__ import annotations

from yieldbot.math.kamino import ONE
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, account_data, image, mint, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting

POINTS = 11
Points = tuple[tuple[int, int], ...]
USUAL_POINTS: Points = ((0, 0), (9_000, 500), (10_000, 4_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class KaminoTerms:
    """The initial state of a Kamino reserve."""

    available_raw: int
    """Base units in the vault."""
    borrowed_raw: int
    """Base units that are lent out."""
    points: Points = USUAL_POINTS
    """The borrow curve as (utilisation, rate a year), both in bps, up to full utilisation."""
    take_rate_percent: int = 10
    """The protocol's part of the interest, in percent."""
    host_rate_bps: int = 0
    """A fixed additional rate for the host, in bps a year."""
    deposit_limit_raw: int = 10**18
    """Supply cap, in base units."""
    withdrawal_cap_raw: int = 10**18
    """Most that may be withdrawn in a day, in base units."""
    status: int = 0
    """The reserve's status; 0: active."""
    blocked: int = 0
    """Whether the use of collateral tokens is blocked (1)."""
    queued_collateral: int = 0
    """Collateral tokens that wait in the withdrawal queue."""


@dataclass(frozen=True, slots=True)
class KaminoMarket:
    """The addresses of a Kamino lending market; a seed always makes the same ones."""

    program: Address
    """The lending program."""
    lending_market: Address
    """The lending market's account."""
    authority: Address
    """The program's own address that owns the vaults."""


def kamino_market(
    seed: str = "kamino", *, emergency: bool = False, referral_bps: int = 0
) -> tuple[KaminoMarket, Images]:
    """The program and a lending market."""
    from solders.pubkey import Pubkey

    program_id, market = named(seed, "program"), named(seed, "market")
    authority, bump = Pubkey.find_program_address([b"lma", key_bytes(market)], Pubkey.from_string(program_id))
    fields = {
        "version": 1,
        "bump_seed": bump,
        "owner": named(seed, "owner"),
        "referral_fee_bps": referral_bps,
        "emergency_mode": int(emergency),
    }
    images = {
        program_id: program_image(program("kamino_lend")),
        market: image(program_id, account_data("kamino_lend", "LendingMarket", fields)),
    }
    return KaminoMarket(program_id, market, Address(str(authority))), images


def kamino_reserve(
    market: KaminoMarket, asset: Address, decimals: int, slot: int, terms: KaminoTerms, seed: str = "kamino"
) -> tuple[Address, Images]:
    """A reserve of ``asset``, last refreshed at ``slot``, with the matching balance in its vault."""
    reserve, vault, collateral = (named(seed, asset, part) for part in ("reserve", "vault", "collateral"))
    shares = (terms.available_raw + terms.borrowed_raw) * 93 // 100  # worth more than one, as after some years
    curve = [*terms.points, *[terms.points[-1]] * (POINTS - len(terms.points))]
    fields = {
        "version": 1,
        "slot": slot,
        "lending_market": market.lending_market,
        "liquidity_mint": asset,
        "mint_decimals": decimals,
        "supply_vault": vault,
        "available_amount": terms.available_raw,
        "borrowed_amount_sf": terms.borrowed_raw * ONE,
        "liquidity_token_program": TOKEN_PROGRAM,
        "collateral_mint": collateral,
        "collateral_mint_total_supply": shares,
        "collateral_vault": named(seed, asset, "collateral vault"),
        "status": terms.status,
        "host_fixed_interest_rate_bps": terms.host_rate_bps,
        "block_ctoken_usage": terms.blocked,
        "protocol_take_rate_pct": terms.take_rate_percent,
        "liquidation_threshold_pct": 80,
        "market_price_sf": ONE,
        "curve": [number for point in curve for number in point],
        "deposit_limit": terms.deposit_limit_raw,
        "scope_price_feed": named(seed, "scope"),
        "withdrawal_cap": terms.withdrawal_cap_raw,
        "withdrawal_interval_seconds": 86_400,
        "queued_collateral": terms.queued_collateral,
    }
    return reserve, {
        reserve: image(market.program, account_data("kamino_lend", "Reserve", fields)),
        vault: token_account(asset, market.authority, terms.available_raw),
        collateral: mint(market.authority, shares, decimals),
    }


def place(setting: Setting) -> Placed:
    """One market that lends USDC, at 90 % utilisation."""
    usdc = setting.tokens["USDC"]
    market, images = kamino_market()
    points = ((0, 0), (9_000, 700), (10_000, 4_000))
    terms = KaminoTerms(available_raw=390_000 * usdc.one, borrowed_raw=3_700_000 * usdc.one, points=points)
    reserve, more = kamino_reserve(market, usdc.address, usdc.decimals, setting.slot, terms)
    row = {
        "protocol": "kamino_lend",
        "name": "Kamino main (double)",
        "program": market.program,
        "reserves": [reserve],
    }
    return Placed(rows=(row,), images=images | more)


SANDBOX = SandboxProtocol(protocol="kamino_lend", place=place)
