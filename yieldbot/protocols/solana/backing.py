"""The backing of Solana's lending markets, from the accounts of their reserves and banks. Pure: the accounts are read
by ``chains/solana/exposure.py``.

A market's depositors are backed by the collateral of its borrowers. Kamino and Save keep pledged shares in one token
account for each reserve, so shares in wallets and vaults are not counted; marginfi has no such account, so all deposits
of a bank whose asset may be collateral are counted. No account shows which loan has which collateral.

Jupiter Lend's depositors are backed by the collateral of its vaults that lend out the same token, by their debts: each
vault has one collateral.

Sources of the layouts: klend-sdk 8.0.2 (klend.json), solend-sdk 0.14.27 (state/reserve.js), marginfi-client-v2 6.4.1
(marginfi_0.1.7.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.math.jupiter_lend import PRICE_ONE
from yieldbot.math.kamino import BITS
from yieldbot.math.kamino import ONE as KAMINO_ONE
from yieldbot.math.kamino_vault import KaminoVault
from yieldbot.math.marginfi import ONE as BANK_ONE
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import MarketState
from yieldbot.model.text import counted
from yieldbot.model.units import WAD
from yieldbot.protocols.backing import TOKEN, Root
from yieldbot.protocols.solana import kamino_lend, save
from yieldbot.protocols.solana.kamino_vault import VAULT
from yieldbot.protocols.solana.layout import layout, pda, token_amount
from yieldbot.protocols.solana.marginfi import DEFAULT_TAG, SOL_TAG

JUPITER = "jupiter_lend"
PLAIN_VAULT = 0
"""The type of Jupiter Lend's vaults whose collateral and debt are one token each: the byte was 0 before there were
other types. Of those nobody has published which number is which."""
ROUNDED = 1e-9
"""A smaller fraction of idle money is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How the reserves of one program are found and read."""

    market: str
    """Key of the market's account among a ``Market``'s params, and among a reserve's fields."""
    account: str
    """Name of a reserve's account in the layout."""
    at: int
    """Offset of the market's address in that account."""
    vault: str
    """Field that holds the address of the token account of pledged shares; empty: there is none."""
    mint: str
    """Field that holds the asset's mint."""


KINDS: Mapping[str, Kind] = {
    "kamino_lend": Kind(
        market="lending_market", account="Reserve", at=32, vault="collateral_vault", mint="liquidity_mint"
    ),
    "save": Kind(market="lending_market", account="Reserve", at=10, vault="collateral_supply", mint="liquidity_mint"),
    "jupiter_lend": Kind(market="borrow_token", account="VaultConfig", at=186, vault="", mint="supply_token"),
    "marginfi": Kind(market="group", account="Bank", at=41, vault="", mint="mint"),
}
"""How the reserves of each program are found and read, by the adapter's name."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One lending market (or group of banks)."""

    protocol: str
    """The adapter's name."""
    program: Address
    """The program's address."""
    address: Address
    """Address of the market's (or group's) account."""

    @property
    def key(self) -> str:
        """Its key in the look-through (``protocols/backing.py``)."""
        return f"{self.protocol}:{self.address}"


def pools_of(state: MarketState) -> dict[Pool, float]:
    """The lending markets that a market's money is in, each with its fraction of it; empty for a market of another
    kind. What a vault does not lend lies idle."""
    params, kind = state.market.params, KINDS.get(state.market.protocol)
    vault = params.get(VAULT)
    if state.market.protocol == JUPITER:
        return {Pool(JUPITER, Address(params["vaults_program"]), state.market.asset.address): 1.0}
    if isinstance(vault, KaminoVault):
        return _of_vault(params, vault)
    if kind is None or kind.market not in params or "program" not in params:
        return {}
    return {Pool(state.market.protocol, Address(params["program"]), Address(params[kind.market])): 1.0}


def _of_vault(params: Mapping[str, Any], vault: KaminoVault) -> dict[Pool, float]:
    worth = [one.worth_sf for one in vault.reserves]
    total = sum(worth) + (vault.available_raw << BITS)
    found: dict[Pool, float] = {}
    for place, part in zip(params["places"], worth, strict=True):
        pool = Pool("kamino_lend", params["klend_program"], place.lending_market)
        found[pool] = found.get(pool, 0.0) + (part / total if total else 0.0)
    return found


def root_of(state: MarketState, pools: Mapping[Pool, float]) -> Root:
    """The start of the look-through for a market, whose money is in these pools."""
    asset = TOKEN + state.market.asset.address
    children = tuple((pool.key, part) for pool, part in pools.items() if part > 0.0)
    idle = 1.0 - sum(pools.values())
    held = HeldBy(children=children, idle=idle if idle > ROUNDED else 0.0, asset=asset)
    return Root(market=state.market.id, asset=asset, held=held)


def reserves_of(pool: Pool, accounts: Mapping[Address, bytes]) -> dict[Address, dict[str, Any]]:
    """The decoded reserves of a pool among these accounts; other accounts are left out, even if the node listed
    them."""
    kind, found = KINDS[pool.protocol], {}
    for address, data in accounts.items():
        try:
            fields = layout(pool.protocol).decode(kind.account, data)
        except MarketError:
            continue
        if fields[kind.market] == pool.address:
            found[address] = fields
    return found


def vaults_of(pool: Pool, reserves: Iterable[Mapping[str, Any]]) -> list[Address]:
    """The token accounts that hold pledged shares; of Jupiter Lend the accounts with the vaults' debts."""
    kind = KINDS[pool.protocol]
    if pool.protocol == JUPITER:
        return [vault_state(pool.program, int(one["vault_id"])) for one in reserves]
    return [Address(one[kind.vault]) for one in reserves if kind.vault]


def vault_state(program: Address, vault_id: int) -> Address:
    """The account with the debts of one of Jupiter Lend's vaults."""
    return pda(program, b"vault_state", vault_id.to_bytes(2, "little"))


def mints_of(pool: Pool, reserves: Iterable[Mapping[str, Any]]) -> list[Address]:
    """The mints of the assets that may be collateral."""
    kind = KINDS[pool.protocol]
    return list(dict.fromkeys(Address(one[kind.mint]) for one in reserves if _threshold(pool.protocol, one) > 0))


def held_by(
    pool: Pool, reserves: Mapping[Address, Mapping[str, Any]], vaults: Mapping[Address, bytes], lacking: int
) -> HeldBy:
    """A pool's backing: each collateral by its pledged value, with the utilisation of its own reserve. lacking: number
    of reserves that could not be read; above 0 all of the backing counts as unknown."""
    if not reserves or lacking:
        what = f"{lacking} reserves" if reserves else "reserves"
        return HeldBy(unknown=1.0, why=f"{what} of {pool.protocol} market {pool.address}")
    if pool.protocol == JUPITER:
        return _of_jupiter(pool, reserves, vaults)
    weights: dict[str, float] = {}
    used: dict[str, float] = {}
    unknown, why = 0.0, list[str]()
    for address, fields in reserves.items():
        key = TOKEN + fields[KINDS[pool.protocol].mint]
        try:
            whole, lent, price = _worth(pool, fields)
            if whole > 0.0:
                used[key] = max(used.get(key, 0.0), min(1.0, lent / whole))
            if _threshold(pool.protocol, fields) <= 0:
                continue
            value = whole * _pledged(pool, fields, vaults) * price
        except (MarketError, KeyError, ArithmeticError, ValueError) as odd:
            return HeldBy(unknown=1.0, why=f"reserve {address} of {pool.protocol}: {type(odd).__name__}")
        if whole > 0.0 and price <= 0.0:
            return HeldBy(unknown=1.0, why=f"reserve {address} of {pool.protocol} has no price")
        if pool.protocol == "marginfi" and fields["asset_tag"] not in (DEFAULT_TAG, SOL_TAG):
            unknown += value  # staked SOL of one validator, or another program's reserve
            why.append(address)
        elif value > 0.0:
            weights[key] = weights.get(key, 0.0) + value
    said = f"other programs' shares are in {counted(len(why), 'bank')} of {pool.address}" if unknown else ""
    if not weights and not unknown:
        unknown, said = 1.0, f"{pool.protocol} market {pool.address}: nothing is pledged in it"
    return HeldBy(children=tuple(weights.items()), used=tuple(used.items()), unknown=unknown, why=said)


def _of_jupiter(pool: Pool, reserves: Mapping[Address, Mapping[str, Any]], vaults: Mapping[Address, bytes]) -> HeldBy:
    weights: dict[str, float] = {}
    unknown, said = 0.0, ""
    for address, fields in reserves.items():
        try:
            state = layout(JUPITER).decode("VaultState", vaults[vault_state(pool.program, fields["vault_id"])])
        except (MarketError, KeyError):
            return HeldBy(unknown=1.0, why=f"the debts of vault {address} of {pool.protocol}")
        debt = state["total_borrow"] * state["vault_borrow_exchange_price"] / PRICE_ONE
        if fields["vault_type"] != PLAIN_VAULT or not fields["liquidation_threshold"]:
            unknown, said = unknown + debt, f"vault {address} of {pool.protocol} is of another type"
        elif debt > 0.0:
            key = TOKEN + fields["supply_token"]
            weights[key] = weights.get(key, 0.0) + debt
    if not weights and not unknown:
        unknown, said = 1.0, f"{pool.protocol} of {pool.address}: no vault has debts in it"
    return HeldBy(children=tuple(weights.items()), unknown=unknown, why=said)


def _threshold(protocol: str, fields: Mapping[str, Any]) -> int:
    """The liquidation threshold (at marginfi the maintenance weight) in the program's own scale; 0: the asset is no
    collateral."""
    names = {"kamino_lend": "liquidation_threshold_pct"} | dict.fromkeys(("save", JUPITER), "liquidation_threshold")
    return int(fields[names.get(protocol, "asset_weight_maint")])


def _worth(pool: Pool, fields: Mapping[str, Any]) -> tuple[float, float, float]:
    """(supplied, borrowed, both in whole tokens; the last price that the program recorded)."""
    if pool.protocol == "kamino_lend":
        one, reserve = 10 ** int(fields["mint_decimals"]), kamino_lend.reserve_of(dict(fields))
        lent = reserve.borrowed_sf / KAMINO_ONE / one
        return reserve.supply_sf / KAMINO_ONE / one, lent, fields["market_price_sf"] / KAMINO_ONE
    if pool.protocol == "save":
        one, of_save = 10 ** int(fields["liquidity_mint_decimals"]), save.reserve_of(dict(fields))
        lent = fields["borrowed_amount_wads"] / WAD / one
        return of_save.supply_wads / WAD / one, lent, fields["market_price"] / WAD
    one = 10 ** int(fields["mint_decimals"])
    supplied = fields["asset_shares"] / BANK_ONE * (fields["asset_share_value"] / BANK_ONE) / one
    lent = fields["liability_shares"] / BANK_ONE * (fields["liability_share_value"] / BANK_ONE) / one
    return supplied, lent, fields["last_price"] / BANK_ONE


def _pledged(pool: Pool, fields: Mapping[str, Any], vaults: Mapping[Address, bytes]) -> float:
    """The fraction of the supply that is pledged as collateral; 1 if no account shows it."""
    vault, shares = KINDS[pool.protocol].vault, 0
    if vault:
        shares = int(fields["collateral_mint_total_supply"])
    data = vaults.get(Address(fields[vault]), b"") if vault else b""
    return min(1.0, token_amount(data) / shares) if data and shares else 1.0
