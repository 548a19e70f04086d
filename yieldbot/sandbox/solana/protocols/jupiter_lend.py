"""Accounts of Jupiter Lend's double: one program that is both the lending and the liquidity program, and a market in
any state."""

from __future__ import annotations

import struct
from dataclasses import field

from yieldbot.math.jupiter_lend import PRICE_ONE, borrow_rate_bps
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.units import BPS
from yieldbot.protocols.solana.layout import ata, key_bytes
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, account_data, image, mint, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting

ADMIN_TAG = bytes.fromhex("2a0821dca328d205")
Points = tuple[tuple[int, int], ...]
USUAL_POINTS: Points = ((0, 50), (8_000, 450), (9_300, 650), (10_000, 9_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardTerms:
    """The rewards of a market."""

    yearly_raw: int = 0
    """Base units a year."""
    left_seconds: int = 0
    """Seconds until they end."""
    least_assets: int = 0
    """Assets below which nothing is paid, in base units."""
    next_raw: int = 0
    """Base units of the rewards that follow."""
    next_seconds: int = 0
    """Their duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JupiterTerms:
    """The initial state of a market."""

    deposited_raw: int
    """Base units that depositors own."""
    others_raw: int = 0
    """Base units that other programs supply with interest."""
    free_raw: int = 0
    """Base units that other programs supply without interest."""
    borrowed_raw: int
    """Base units that are lent out with interest."""
    borrowed_free_raw: int = 0
    """Base units that are lent out without interest."""
    points: Points = USUAL_POINTS
    """(utilisation, borrow rate), in basis points, with one kink or two."""
    fee_bps: int = 1_000
    """The program's part of the interest."""
    price: int = 1_050_000_000_000
    """Base units for one raw unit of supply, times 10^12."""
    share_price: int = 1_060_000_000_000
    """Base units for one share, times 10^12."""
    expand_bps: int = 2_000
    """Part of the deposits that may leave within ``expand_seconds``."""
    expand_seconds: int = 6 * 3600
    """Time in which the withdrawal limit grows to its full size."""
    base_raw: int = 0
    """Deposits below which all may leave, in raw units."""
    status: int = 0
    """Whether deposits and withdrawals are paused (1)."""
    locked: bool = False
    """Whether the liquidity program is locked."""
    rewards: RewardTerms = field(default=RewardTerms())
    """The market's rewards."""


@dataclass(frozen=True, slots=True)
class JupiterPlace:
    """The addresses of a market."""

    program: Address
    """The program, lending and liquidity in one."""
    lending: Address
    """The market's account."""
    reserve: Address
    """The liquidity program's account of the token."""
    position: Address
    """What the lending program has supplied."""
    rewards: Address
    """The rewards' account."""
    share_mint: Address
    """Mint of the shares."""
    vault: Address
    """The liquidity program's token account."""


def jupiter_market(
    asset: Address, decimals: int, now: int, terms: JupiterTerms, seed: str = "jupiter"
) -> tuple[JupiterPlace, Images]:
    """The program and a market of ``asset``, last touched at ``now``."""
    from solders.pubkey import Pubkey

    program_id, asset_key = named(seed, "program"), key_bytes(asset)

    def derived(*seeds: bytes) -> tuple[Address, int]:
        found, bump = Pubkey.find_program_address(list(seeds), Pubkey.from_string(program_id))
        return Address(str(found)), bump

    share_mint, _ = derived(b"f_token_mint", asset_key)
    lending, _ = derived(b"lending", asset_key, key_bytes(share_mint))
    admin, admin_bump = derived(b"lending_admin")
    liquidity, bump = derived(b"liquidity")
    (reserve, _), (model, _) = derived(b"reserve", asset_key), derived(b"rate_model", asset_key)
    position, _ = derived(b"user_supply_position", asset_key, key_bytes(lending))
    rewards, vault = named(seed, "rewards"), ata(liquidity, asset)
    place = JupiterPlace(program_id, lending, reserve, position, rewards, share_mint, vault)
    amount = -(-terms.deposited_raw * PRICE_ONE // terms.price)
    issued = terms.deposited_raw * PRICE_ONE // terms.share_price
    supply = amount + terms.others_raw * PRICE_ONE // terms.price
    supplied = supply * terms.price // PRICE_ONE + terms.free_raw
    lent = terms.borrowed_raw + terms.borrowed_free_raw
    used = lent * BPS // supplied
    rates = tuple((float(u), float(rate)) for u, rate in terms.points)
    kinks = {"version": len(terms.points) - 2, "mint": asset, "rate_at_zero": terms.points[0][1]}
    kinks |= {"rate_at_max": terms.points[-1][1]}
    for number, (u, rate) in enumerate(terms.points[1:-1], start=1):
        kinks |= {f"kink{number}_utilization": u, f"rate_at_kink{number}": rate}
    fields = {
        "Lending": {
            "mint": asset,
            "f_token_mint": share_mint,
            "decimals": decimals,
            "rewards_rate_model": rewards,
            "liquidity_exchange_price": terms.price,
            "token_exchange_price": terms.share_price,
            "last_update_timestamp": now,
            "token_reserves_liquidity": reserve,
            "supply_position_on_liquidity": position,
        },
        "TokenReserve": {
            "mint": asset,
            "vault": vault,
            "borrow_rate": borrow_rate_bps(rates, used),
            "fee_on_interest": terms.fee_bps,
            "last_utilization": used,
            "last_update_timestamp": now,
            "supply_exchange_price": terms.price,
            "borrow_exchange_price": PRICE_ONE,
            "total_supply_with_interest": supply,
            "total_supply_interest_free": terms.free_raw,
            "total_borrow_with_interest": terms.borrowed_raw,
            "total_borrow_interest_free": terms.borrowed_free_raw,
        },
        "UserSupplyPosition": {
            "protocol": lending,
            "mint": asset,
            "with_interest": 1,
            "amount": amount,
            "withdrawal_limit": 0 if amount < terms.base_raw else amount - amount * terms.expand_bps // BPS,
            "last_update": now,
            "expand_pct": terms.expand_bps,
            "expand_duration": terms.expand_seconds,
            "base_withdrawal_limit": terms.base_raw,
            "status": terms.status,
        },
        "RateModel": kinks,
        "Liquidity": {"authority": named(seed, "authority"), "status": terms.locked, "bump": bump},
        "LendingRewardsRateModel": {
            "mint": asset,
            "start_tvl": terms.rewards.least_assets,
            "start_time": now - 1_000 if terms.rewards.yearly_raw else 0,
            "duration": 1_000 + terms.rewards.left_seconds,
            "yearly_reward": terms.rewards.yearly_raw,
            "next_duration": terms.rewards.next_seconds,
            "next_reward_amount": terms.rewards.next_raw,
        },
    }
    places = dict(zip(fields, (lending, reserve, position, model, liquidity, rewards), strict=True))
    keys = (key_bytes(named(seed, "authority")), key_bytes(program_id), key_bytes(named(seed, "rebalancer")))
    images = {places[name]: image(program_id, account_data("jupiter_lend", name, one)) for name, one in fields.items()}
    return place, images | {
        program_id: program_image(program("jupiter_lend")),
        admin: image(program_id, ADMIN_TAG + b"".join(keys) + struct.pack("<HIB", 2, 0, admin_bump)),
        share_mint: mint(admin, issued, decimals),
        vault: token_account(asset, liquidity, supplied - lent),
    }


def place(setting: Setting) -> Placed:
    """One market of USDC, at 80 % utilisation, from which a fifth may leave at once."""
    usdc = setting.tokens["USDC"]
    size = 10_000_000 * usdc.one
    terms = JupiterTerms(deposited_raw=size // 2, others_raw=size // 2, borrowed_raw=size * 4 // 5)
    market, images = jupiter_market(usdc.address, usdc.decimals, setting.timestamp, terms)
    row = {
        "protocol": "jupiter_lend",
        "name": "Jupiter Lend (double)",
        "program": market.program,
        "liquidity_program": market.program,
        "rewards_program": market.program,
        "reserves": [market.lending],
    }
    return Placed(rows=(row,), images=images)


SANDBOX = SandboxProtocol(protocol="jupiter_lend", place=place)
