"""Adapters on accounts that were recorded from real clusters: read, deposited into, and left an hour later.

The accounts are as they were recorded. Beside them stands what was not recorded: the doubles of the programs at the
programs' addresses, the vaults with what the accounts say is there, mints, and Kamino's lending market.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.kit.recorded import folder
from tests.kit.solana.stake_bench import lamports
from tests.kit.solana_bench import CHAIN, Ledger
from yieldbot.chains.solana.growth import add_growths
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.marginfi import BITS
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.contradiction import contradiction
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL
from yieldbot.model.market import Market, MarketState, Status
from yieldbot.protocols.solana import kamino_lend, marginfi, spl_stake_pool
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, SYSTEM_PROGRAM, ata, key_bytes, layout, pda, rent_exempt
from yieldbot.protocols.solana.spl_stake_pool import STAKE_ACCOUNT_BYTES, STAKE_PROGRAM
from yieldbot.rpc.flows import Flows
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import account_data, image, mint, program_image, token_account
from yieldbot.sandbox.solana.protocols.marginfi import DOLLAR

MARGINFI = Address("MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA")
HOUR_SLOTS = 9_000


@dataclass(frozen=True, slots=True)
class ProblemMarket:
    """A market that was recorded, with our wallet's money."""

    adapter: Any
    ledger: Ledger
    market: Market

    def observe(self) -> MarketState:
        return self.ledger.observe(self.adapter, self.market)

    def money(self) -> int:
        native = self.market.params.get("native")
        return lamports(self.ledger) if native else self.ledger.balance(self.market.asset.address)


def recorded(name: str) -> tuple[Address, Address, bytes]:
    """(address, program, bytes)."""
    document = json.loads((folder() / "solana" / f"{name}.json").read_text())
    account = document["account"]
    return Address(document["pubkey"]), Address(account["owner"]), base64.b64decode(account["data"][0])


def ledger_at(slot: int, now: int) -> Ledger:
    ledger = Ledger()
    ledger.slot, ledger.now = slot, now
    ledger.warp(0)
    return ledger


def discovered(adapter: Any, ledger: Ledger, name: str, params: dict[str, Any], token: Token) -> ProblemMarket:
    (market,) = ledger.run(adapter.discover(Deployment(adapter.protocol, CHAIN, name, params, (token,))))
    if not market.params.get("native"):
        mine = 10**12
        ledger.set({ata(ledger.me, token.address): token_account(token.address, ledger.me, mine)})
    return ProblemMarket(adapter, ledger, market)


def kamino() -> ProblemMarket:
    reserve, owner, data = recorded("kamino_usdc_reserve")
    fields = layout("kamino_lend").decode("Reserve", data)
    ledger = ledger_at(fields["slot"] + 100, 1_764_000_000)
    lending = fields["lending_market"]
    from solders.pubkey import Pubkey

    authority, bump = Pubkey.find_program_address([b"lma", key_bytes(lending)], Pubkey.from_string(owner))
    market = account_data("kamino_lend", "LendingMarket", {"version": 1, "bump_seed": bump})
    shares, decimals = fields["collateral_mint_total_supply"], fields["mint_decimals"]
    ledger.set(
        {
            owner: program_image(program("kamino_lend")),
            reserve: image(owner, data),
            lending: image(owner, market),
            fields["liquidity_mint"]: mint(SYSTEM_PROGRAM, 2**63, decimals),
            fields["supply_vault"]: token_account(
                fields["liquidity_mint"], Address(str(authority)), fields["available_amount"]
            ),
            fields["collateral_mint"]: mint(Address(str(authority)), shares, decimals),
        }
    )
    token = Token(CHAIN, fields["liquidity_mint"], "USDC", decimals)
    found = discovered(kamino_lend.ADAPTER, ledger, "Kamino", {"program": owner, "reserves": [reserve]}, token)
    ledger.open(found.market.params["collateral_mint"])
    return found


def bank(name: str, token_program: Address = TOKEN_PROGRAM) -> ProblemMarket:
    address, owner, data = recorded(name)
    group, _, group_data = recorded("mainnet_group")
    fields = layout("marginfi").decode("Bank", data)
    of = owner if name == "pyusd_bank" else MARGINFI
    ledger = ledger_at(200 * SLOTS_PER_EPOCH, fields["last_update"] + 60)
    authority = pda(of, b"liquidity_vault_auth", key_bytes(address))
    lent = marginfi.bank_of(fields, layout("marginfi").decode("MarginfiGroup", group_data))
    there = (lent.assets_fx >> BITS) - (lent.liabilities_fx >> BITS)
    ledger.set(
        {
            of: program_image(program("marginfi")),
            address: image(of, data),
            fields["group"]: image(of, group_data),
            fields["mint"]: replace(mint(SYSTEM_PROGRAM, 2**63, fields["mint_decimals"]), program=token_program),
            fields["liquidity_vault"]: token_account(fields["mint"], authority, there),
            fields["oracle"]: image(SYSTEM_PROGRAM, DOLLAR),
        }
    )
    assert fields["group"] == group or name == "pyusd_bank"
    token = Token(CHAIN, fields["mint"], name.split("_")[0].upper(), fields["mint_decimals"])
    return discovered(marginfi.ADAPTER, ledger, "marginfi", {"program": of, "banks": [address]}, token)


def picosol() -> ProblemMarket:
    address, owner, data = recorded("picosol-stake-pool")
    pool = spl_stake_pool.decode(address, data)
    ledger = ledger_at(pool.last_update_epoch * SLOTS_PER_EPOCH + 1_000, 1_747_000_000)
    authority = pda(owner, key_bytes(address), b"withdraw")
    rent = rent_exempt(STAKE_ACCOUNT_BYTES)
    kept = rent + 5_000 * 10**9
    stake = struct.pack("<IQ32s32sqQ32s", 1, rent, *[key_bytes(authority)] * 2, 0, 0, bytes(32)).ljust(200, b"\0")
    ledger.set(
        {
            owner: program_image(program("spl_stake_pool")),
            address: image(owner, data),
            pool.pool_mint: mint(authority, pool.numbers.supply, 9),
            pool.manager_fee_account: token_account(pool.pool_mint, authority, 0),
            pool.reserve_stake: AccountImage(kept, STAKE_PROGRAM, stake),
        }
    )
    token = Token(CHAIN, WRAPPED_SOL, "SOL", 9)
    found = discovered(spl_stake_pool.ADAPTER, ledger, "picoSOL", {"program": owner, "pools": [address]}, token)
    ledger.open(pool.pool_mint)
    return found


PLACES: dict[str, Callable[[], ProblemMarket]] = {
    "kamino": kamino,
    "bonk_bank": lambda: bank("bonk_bank"),
    "cloud_bank": lambda: bank("cloud_bank"),
    "picosol": picosol,
}


@pytest.mark.parametrize(
    ("name", "supplied", "apr"),
    [
        ("kamino", 587_510_711.764908, 0.0342085),
        ("bonk_bank", 868_838_404_037.22332, 5.18674e-5),
        ("cloud_bank", 678_976.483869346, 6.77862e-4),
        ("picosol", 128_350.525083404, 0.24018),
    ],
)
def test_what_was_recorded_is_read_and_can_be_left(name: str, supplied: float, apr: float) -> None:
    place = PLACES[name]()
    state = place.observe()
    old = name.endswith("_bank")  # marginfi's older curve, which its program serves no more since 0.1.9
    assert state.status is (Status.FROZEN if old else Status.ACTIVE) and contradiction(state) is None
    assert ("legacy-curve" in state.flags) == old
    assert float(state.supplied) == pytest.approx(supplied, rel=1e-12)
    assert state.quoted.value == pytest.approx(apr, rel=1e-3)
    # Between these two epochs the pool's token grew by 7 %, which no stake earns.
    assert [doubt.startswith("a token of it is worth") for doubt in state.doubts] == (
        [True] if name == "picosol" else []
    )
    put = Amount(place.market.asset, 10**11)
    before = place.money()
    place.ledger.send(place.adapter.deposit(state, put, place.ledger.me))
    place.ledger.warp(HOUR_SLOTS)
    inside = place.observe()
    assert abs(inside.held.raw - put.raw * (1 - state.entry_cost_bps / 10_000)) <= put.raw // 10**5
    place.ledger.send(place.adapter.withdraw(inside, None, place.ledger.me))
    lost = before - place.money() - int(put.raw * state.entry_cost_bps / 10_000)
    assert lost <= state.rounding_raw + (10_000 if place.market.params.get("native") else 0)
    assert place.observe().held.raw == 0


def test_a_recorded_pool_token_that_grew_by_a_gift_is_no_growing_asset() -> None:
    """As an asset of a base its token would have grown by 1,300 % a year: nothing is counted."""
    place = picosol()
    address, owner, data = recorded("picosol-stake-pool")
    token = Token(CHAIN, spl_stake_pool.decode(address, data).pool_mint, "picoSOL", 9)
    oracle = Pool("spl_stake_pool", "picoSOL", address, token, place.market.asset, {"program": owner})
    flows = Flows()
    ((grows, handle),) = add_growths(flows, [token], [oracle])
    with pytest.raises(MarketError, match=r"a token of picoSOL grew by 1[\d,]*\d.\d% a year, which is not believed"):
        place.ledger.run(handle.flow)
    assert grows == token and add_growths(flows, [place.market.asset], [oracle]) == []


def test_a_recorded_bank_of_a_token_2022_mint_is_no_market() -> None:
    with pytest.raises(MarketError, match="belongs to"):
        bank("pyusd_bank", TOKEN_2022_PROGRAM)


def test_every_recorded_account_is_read() -> None:
    """Five markets and what belongs to them: none is left out here."""
    read = {"kamino_usdc_reserve", "kamino_usdc_obligation", "mainnet_group", "picosol-stake-pool"}
    read |= {"bonk_bank", "cloud_bank", "pyusd_bank"}
    assert {file.stem for file in (folder() / "solana").glob("*.json")} == read
    _, owner, data = recorded("kamino_usdc_obligation")
    lent = layout("kamino_lend").decode("Obligation", data)
    assert lent["deposit_reserve"] == recorded("kamino_usdc_reserve")[0] and owner == recorded("kamino_usdc_reserve")[1]
