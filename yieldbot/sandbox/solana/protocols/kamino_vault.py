"""Accounts of the Kamino vault program's double: a vault in any state over reserves of Kamino Lend's double."""

from __future__ import annotations

from dataclasses import field

from yieldbot.math.kamino import BITS
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.protocols.solana.kamino_vault_accounts import ALLOCATIONS_AT, global_config
from yieldbot.protocols.solana.layout import key_bytes, layout, pda
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, account_data, image, mint, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting
from yieldbot.sandbox.solana.protocols.kamino_lend import (
    KaminoMarket,
    KaminoTerms,
    kamino_market,
    kamino_reserve,
)

SEED = "kamino vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTerms:
    """The initial state of a vault."""

    available_raw: int
    """Base units in the vault's own account."""
    ctokens: tuple[int, ...]
    """Collateral tokens of each reserve that the vault has."""
    share_ppb: int = 1_040_000_000
    """Base units for 10^9 shares, as if each collateral token were worth one base unit."""
    performance_bps: int = 1_000
    """The manager's part of the interest."""
    management_bps: int = 0
    """The manager's part of the assets, each year."""
    penalty_raw: int = 0
    """The least fee of a withdrawal, in base units."""
    penalty_bps: int = 0
    """The fee of a withdrawal, as a fraction of it."""
    least_raw: int = 1
    """A withdrawal must pay more than this, in base units."""
    crank_fee: int = 0
    """Base units that a deposit pays for each reserve."""
    rewards_per_second: int = 0
    """Base units that are paid in each second."""
    rewards_raw: int = 0
    """Base units of rewards that are left."""


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """The addresses of a vault."""

    program: Address
    """The vault program."""
    vault: Address
    """The vault's account."""
    share_mint: Address
    """Mint of the shares."""
    cash: Address
    """The vault's own token account."""
    reserves: tuple[Address, ...] = field(default=())
    """The reserves that it lends to."""


def kamino_vault(
    asset: Address, decimals: int, now: int, terms: VaultTerms, reserves: dict[Address, Address], seed: str = SEED
) -> tuple[VaultPlace, Images]:
    """The program and a vault. reserves: the mint of each reserve's collateral tokens."""
    from solders.pubkey import Pubkey

    program_id, vault, share_mint, cash = (named(seed, one) for one in ("program", "vault", "shares", "cash"))
    found, bump = Pubkey.find_program_address([b"authority", key_bytes(vault)], Pubkey.from_string(program_id))
    authority = Address(str(found))
    assets = terms.available_raw + sum(terms.ctokens)
    issued = assets * 10**9 // terms.share_ppb
    fields = {
        "admin": named(seed, "admin"),
        "base_vault_authority": authority,
        "authority_bump": bump,
        "token_mint": asset,
        "token_mint_decimals": decimals,
        "token_vault": cash,
        "token_program": TOKEN_PROGRAM,
        "shares_mint": share_mint,
        "shares_mint_decimals": decimals,
        "token_available": terms.available_raw,
        "shares_issued": issued,
        "performance_fee_bps": terms.performance_bps,
        "management_fee_bps": terms.management_bps,
        "last_fee_charge": now,
        "prev_aum_sf": assets << BITS,
        "min_withdraw": terms.least_raw,
        "crank_fee": terms.crank_fee,
        "penalty_raw": terms.penalty_raw,
        "penalty_bps": terms.penalty_bps,
        "rewards_per_second": terms.rewards_per_second,
        "rewards_since": now,
        "rewards_available": terms.rewards_raw,
    }
    data = bytearray(account_data("kamino_vault", "VaultState", fields))
    images: Images = {
        program_id: program_image(program("kamino_vault")),
        global_config(program_id): image(
            program_id, account_data("kamino_vault", "GlobalConfig", {"admin": named(seed, "admin")})
        ),
        share_mint: mint(authority, issued, decimals),
        cash: token_account(asset, authority, terms.available_raw + terms.rewards_raw),
    }
    size = layout("kamino_vault").size("VaultAllocation")
    for number, ((reserve, collateral), tokens) in enumerate(zip(reserves.items(), terms.ctokens, strict=True)):
        ctokens = pda(program_id, b"ctoken_vault", key_bytes(vault), key_bytes(reserve))
        one = {"reserve": reserve, "ctoken_vault": ctokens, "weight": 100, "cap": 2**63, "ctokens": tokens}
        data[ALLOCATIONS_AT + size * number : ALLOCATIONS_AT + size * (number + 1)] = account_data(
            "kamino_vault", "VaultAllocation", one
        )
        images[ctokens] = token_account(collateral, authority, tokens)
    images[vault] = image(program_id, bytes(data))
    return VaultPlace(program_id, vault, share_mint, cash, tuple(reserves)), images


def reserve_for(
    market: KaminoMarket, asset: Address, decimals: int, slot: int, terms: KaminoTerms, seed: str
) -> tuple[Address, Address, Images]:
    """A reserve of Kamino Lend's double, and the mint of its collateral tokens."""
    reserve, images = kamino_reserve(market, asset, decimals, slot, terms, seed)
    at = layout("kamino_lend").decode("Reserve", images[reserve].data)
    return reserve, at["collateral_mint"], images


def place(setting: Setting) -> Placed:
    """One vault of USDC, which lends 90 % of its deposits to one reserve."""
    usdc = setting.tokens["USDC"]
    market, images = kamino_market("kamino of vaults")
    terms = KaminoTerms(available_raw=2_000_000 * usdc.one, borrowed_raw=6_000_000 * usdc.one)
    where = (usdc.address, usdc.decimals, setting.slot)
    reserve, collateral, more = reserve_for(market, *where, terms, "kamino of vaults")
    held = VaultTerms(available_raw=100_000 * usdc.one, ctokens=(900_000 * usdc.one,))
    vault, others = kamino_vault(usdc.address, usdc.decimals, setting.timestamp, held, {reserve: collateral})
    row = {
        "protocol": "kamino_vault",
        "name": "Kamino vault (double)",
        "program": vault.program,
        "klend_program": market.program,
        "pools": [vault.vault],
    }
    return Placed(rows=(row,), images=images | more | others)


SANDBOX = SandboxProtocol(protocol="kamino_vault", place=place)
