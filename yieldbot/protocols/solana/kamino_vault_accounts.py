"""The accounts of a Kamino vault: its reserves, and what its instructions name. Pure."""

from __future__ import annotations

from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Market
from yieldbot.model.tx import SvmMeta
from yieldbot.protocols.solana.layout import SYSVAR_INSTRUCTIONS, ata, key_bytes, layout, pda

ALLOCATIONS_AT, MOST_RESERVES = 312, 25
MOST_PLACES = 11
"""Most reserves and lending markets of a vault whose withdrawal fits into the 1,232 bytes of a transaction, in which
our accounts are opened and closed too."""


@dataclass(frozen=True, slots=True)
class Place:
    """A reserve that a vault lends to."""

    reserve: Address
    """The reserve's account."""
    ctoken_vault: Address
    """The vault's account of the reserve's collateral tokens."""
    lending_market: Address
    """The reserve's lending market."""
    supply_vault: Address
    """The reserve's token account."""
    collateral_mint: Address
    """The mint of the reserve's collateral tokens."""


def allocations(data: bytes) -> list[dict[str, Any]]:
    """The used allocations of a VaultState's bytes, in their order."""
    size = layout("kamino_vault").size("VaultAllocation")
    parts = (data[ALLOCATIONS_AT + size * i : ALLOCATIONS_AT + size * (i + 1)] for i in range(MOST_RESERVES))
    return [layout("kamino_vault").decode("VaultAllocation", part) for part in parts if any(part[:32])]


def global_config(program: Address) -> Address:
    """The account of the program's own settings."""
    return pda(program, b"global_config")


def place_of(allocation: dict[str, Any], reserve: dict[str, Any]) -> Place:
    return Place(
        allocation["reserve"],
        allocation["ctoken_vault"],
        reserve["lending_market"],
        reserve["supply_vault"],
        reserve["collateral_mint"],
    )


def accounts_of(market: Market, owner: Address) -> dict[str, Address]:
    params = market.params
    return {
        "owner": owner,
        "vault": market.address,
        "global_config": global_config(params["program"]),
        "token_vault": params["token_vault"],
        "liquidity_mint": market.asset.address,
        "base_vault_authority": params["base_vault_authority"],
        "collateral_mint": params["shares_mint"],
        "user_liquidity": ata(owner, market.asset.address, params["token_program"]),
        "user_shares": ata(owner, params["shares_mint"]),
        "klend_program": params["klend_program"],
        "token_program": params["token_program"],
        "share_program": TOKEN_PROGRAM,
        "event_authority": pda(params["program"], b"__event_authority"),
        "program": params["program"],
    }


def reserve_accounts(market: Market, place: Place) -> dict[str, Address]:
    return {
        "reserve": place.reserve,
        "ctoken_vault": place.ctoken_vault,
        "lending_market": place.lending_market,
        "lending_market_authority": pda(market.params["klend_program"], b"lma", key_bytes(place.lending_market)),
        "reserve_supply": place.supply_vault,
        "reserve_collateral_mint": place.collateral_mint,
        "collateral_program": TOKEN_PROGRAM,
        "instructions_sysvar": SYSVAR_INSTRUCTIONS,
    }


def remaining(market: Market) -> tuple[SvmMeta, ...]:
    """All reserves of the vault, then their lending markets, which follow an instruction's own accounts."""
    places: tuple[Place, ...] = market.params["places"]
    reserves = (SvmMeta(one.reserve, writable=True) for one in places)
    return (*reserves, *(SvmMeta(one) for one in dict.fromkeys(place.lending_market for place in places)))


def fits(places: tuple[Place, ...]) -> bool:
    """Whether a withdrawal's accounts fit into a transaction without lookup tables."""
    return len(places) + len({place.lending_market for place in places}) <= MOST_PLACES
