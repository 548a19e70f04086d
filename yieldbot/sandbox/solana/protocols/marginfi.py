"""Accounts of marginfi's double: a group, and banks in any state."""

from __future__ import annotations

from yieldbot.math.marginfi import LEGACY, MOST_RATE, ONE, SEVEN_POINT, U32_MAX
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, key_bytes
from yieldbot.protocols.solana.marginfi import OPERATIONAL, PROGRAM_FEES_ENABLED
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, account_data, image, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting

Points = tuple[tuple[float, float], ...]
MOST_POINTS = 5
ASSET_VALUE, LIABILITY_VALUE = ONE * 107 // 100, ONE * 114 // 100
"""Value of a supply and a debt share: more than one unit, as after some years of interest."""
PYTH_PUSH = 3
DOLLAR = ONE.to_bytes(16, "little")
"""The price account of a double: US dollars as I80F48; an empty one cannot be read."""
USUAL_POINTS: Points = ((0.0, 0.0), (0.9, 0.06), (1.0, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginfiTerms:
    """The initial state of a marginfi bank. Rates and fees are fractions a year, paid by borrowers."""

    available_raw: int
    """Base units in the vault."""
    borrowed_raw: int
    """Base units that are lent out."""
    points: Points = USUAL_POINTS
    """The curve as (utilisation, base rate), from 0 to full utilisation, with up to five points in between."""
    legacy: bool = False
    """Whether the curve has the older form, with one point in between."""
    rate_fee: float = 0.1
    """The protocol's fee as a fraction of the interest."""
    fixed_fee: float = 0.01
    """The protocol's fixed rate."""
    deposit_limit_raw: int = 2**64 - 1
    """Supply cap, in base units."""
    state: int = OPERATIONAL
    """The bank's operational state."""
    asset_tag: int = 0
    """The bank's asset tag."""
    oracle_setup: int = PYTH_PUSH
    """Which kind of price oracle it names."""
    flags: int = 0
    """The bank's flags."""


@dataclass(frozen=True, slots=True)
class MarginfiGroup:
    """The addresses of a marginfi group; a seed always makes the same ones."""

    program: Address
    """The lending program."""
    group: Address
    """The group's account."""


def marginfi_group(
    seed: str = "marginfi", *, program_fees: bool = False, paused_at: int | None = None
) -> tuple[MarginfiGroup, Images]:
    """The program and a group; the program's own fees are a part of what borrowers pay."""
    found = MarginfiGroup(named(seed, "program"), named(seed, "group"))
    fields = {
        "admin": named(seed, "admin"),
        "group_flags": PROGRAM_FEES_ENABLED if program_fees else 0,
        "program_fee_rate": ONE * 75 // 1000,
        "program_fee_fixed": ONE // 1000,
        "pause_flags": int(paused_at is not None),
        "pause_start_timestamp": paused_at or 0,
    }
    return found, {
        found.program: program_image(program("marginfi")),
        found.group: image(found.program, account_data("marginfi", "MarginfiGroup", fields)),
    }


def marginfi_bank(
    group: MarginfiGroup, asset: Address, decimals: int, now: int, terms: MarginfiTerms, seed: str = "marginfi"
) -> tuple[Address, Images]:
    """A bank of ``asset``, accrued at ``now`` (unix seconds), with the matching balance in its vault."""
    from solders.pubkey import Pubkey

    bank = named(seed, asset, "bank")
    owner = Pubkey.from_string(group.program)
    vault, vault_bump = Pubkey.find_program_address([b"liquidity_vault", key_bytes(bank)], owner)
    authority, bump = Pubkey.find_program_address([b"liquidity_vault_auth", key_bytes(bank)], owner)
    oracle = named(seed, asset, "oracle")
    fields = {
        "mint": asset,
        "mint_decimals": decimals,
        "group": group.group,
        "asset_share_value": ASSET_VALUE,
        "liability_share_value": LIABILITY_VALUE,
        "liquidity_vault": Address(str(vault)),
        "liquidity_vault_bump": vault_bump,
        "liquidity_vault_authority_bump": bump,
        "asset_shares": (terms.available_raw + terms.borrowed_raw) * ONE * ONE // ASSET_VALUE,
        "liability_shares": terms.borrowed_raw * ONE * ONE // LIABILITY_VALUE,
        "last_update": now,
        "deposit_limit": terms.deposit_limit_raw,
        "insurance_rate": round(terms.rate_fee * ONE),
        "group_rate": round(terms.rate_fee * ONE) // 2,
        "group_fixed": round(terms.fixed_fee * ONE),
        "operational_state": terms.state,
        "oracle_setup": terms.oracle_setup,
        "oracle": oracle,
        "asset_tag": terms.asset_tag,
        "flags": terms.flags,
        "last_price": ONE,
        "asset_weight_maint": 8 * ONE // 10,
        **_curve(terms),
    }
    return bank, {
        bank: image(group.program, account_data("marginfi", "Bank", fields)),
        Address(str(vault)): token_account(asset, Address(str(authority)), terms.available_raw),
        oracle: image(SYSTEM_PROGRAM, DOLLAR),
    }


def _curve(terms: MarginfiTerms) -> dict[str, object]:
    points = terms.points
    if terms.legacy:
        (_, _), (optimal, plateau), (_, most) = points
        numbers = {"optimal_utilization": optimal, "plateau_rate": plateau, "max_rate": most}
        return {"curve_type": LEGACY, **{name: round(value * ONE) for name, value in numbers.items()}}
    inner = [(round(used * U32_MAX), _stored(rate)) for used, rate in points[1:-1]]
    inner += [(0, 0)] * (MOST_POINTS - len(inner))
    return {
        "curve_type": SEVEN_POINT,
        "zero_util_rate": _stored(points[0][1]),
        "hundred_util_rate": _stored(points[-1][1]),
        "points": [number for point in inner for number in point],
    }


def _stored(rate: float) -> int:
    return round(rate / MOST_RATE * U32_MAX)


def place(setting: Setting) -> Placed:
    """One group with a bank of USDC, at 87 % utilisation."""
    usdc = setting.tokens["USDC"]
    group, images = marginfi_group()
    terms = MarginfiTerms(
        available_raw=400_000 * usdc.one,
        borrowed_raw=2_600_000 * usdc.one,
        points=((0.0, 0.0), (0.9, 0.0952), (0.95, 0.15), (1.0, 1.0)),
    )
    bank, more = marginfi_bank(group, usdc.address, usdc.decimals, setting.timestamp, terms)
    row = {"protocol": "marginfi", "name": "marginfi (double)", "program": group.program, "banks": [bank]}
    return Placed(rows=(row,), images=images | more)


SANDBOX = SandboxProtocol(protocol="marginfi", place=place)
