"""What Solana's lending markets rest on: from accounts recorded from mainnet and copies of them, whose fields are
written by the layouts; the node is a double that answers with them."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.recorded import folder
from yieldbot.chains.solana.exposure import ANEW_SECONDS, KEY, with_exposure
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import TransientError
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.amounts import Token
from yieldbot.model.controls import Look
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Snapshot
from yieldbot.protocols.solana.backing import vault_state
from yieldbot.protocols.solana.jupiter_lend import VAULTS_PROGRAM
from yieldbot.protocols.solana.layout import key_bytes, layout
from yieldbot.risk.supplies import jumps, remembered
from yieldbot.sandbox.solana.images import account_data

CHAIN = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOL, JITO = "So11111111111111111111111111111111111111112", "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn"
PROGRAM = Address("KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD")
NOW = 1_700_000_000


def recorded(name: str) -> tuple[Address, bytes]:
    document = json.loads((folder() / "solana" / f"{name}.json").read_text())
    return Address(document["pubkey"]), base64.b64decode(document["account"]["data"][0])


def at(number: int) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(number.to_bytes(32, "big"))))


def changed(data: bytes, account: str, **fields: int | str) -> bytes:
    """A copy of a recorded reserve with other values in some fields."""
    found, of = bytearray(data), json.loads((folder_of_abis() / "kamino_lend.json").read_text())["accounts"][account]
    for name, value in fields.items():
        place, kind = of["fields"][name]
        raw = key_bytes(Address(value)) if isinstance(value, str) else value.to_bytes(int(kind[1:]) // 8, "little")
        found[place : place + len(raw)] = raw
    return bytes(found)


def folder_of_abis() -> Any:
    from yieldbot.resources import folder as resources

    return resources("abis")


class Double:
    """Stands for a node: a program's accounts, token accounts and mints."""

    commitment = "confirmed"

    def __init__(self, images: dict[Address, AccountImage], listed: Sequence[Address]) -> None:
        self.images, self.listed, self.rounds, self.listings = images, list(listed), 0, 0

    async def request(self, method: str, params: list[Any]) -> Any:
        assert method == "getProgramAccounts" and params[1]["dataSlice"]["length"] == 0
        self.listings += 1
        if not self.listed:
            raise TransientError("this node lists no accounts")
        return [{"pubkey": one} for one in self.listed]

    async def accounts(self, addresses: Sequence[Address]) -> dict[Address, AccountImage | None]:
        self.rounds += bool(addresses)
        return {one: self.images.get(one) for one in addresses}


def token(amount: int) -> AccountImage:
    return AccountImage(1, TOKEN_PROGRAM, bytes(64) + struct.pack("<Q", amount) + bytes(93))


def mint(supply: int) -> AccountImage:
    return AccountImage(1, TOKEN_PROGRAM, bytes(36) + struct.pack("<Q", supply) + bytes(38))


def world() -> tuple[Double, Snapshot]:
    """The recorded USDC reserve, and copies of it as SOL's (half pledged), JitoSOL's (an eighth pledged) and one that
    is no collateral; one of another market, which a node may list all the same."""
    address, data = recorded("kamino_usdc_reserve")
    fields = layout("kamino_lend").decode("Reserve", data)
    shares = fields["collateral_mint_total_supply"]
    images = {address: AccountImage(1, PROGRAM, data), Address(fields["collateral_vault"]): token(shares // 4)}
    one = {"market_price_sf": 1 << 60, "liquidation_threshold_pct": 75}
    rows = [(SOL, 75, 2), (JITO, 75, 8), (at(77), 0, 1)]
    for n, (token_mint, threshold, part) in enumerate(rows):
        vault = at(500 + n)
        row = {**one, "liquidation_threshold_pct": threshold, "liquidity_mint": token_mint, "collateral_vault": vault}
        images[at(400 + n)] = AccountImage(1, PROGRAM, changed(data, "Reserve", **row))
        images[vault] = token(shares // part)
        images[Address(token_mint)] = mint(0 if token_mint == SOL else 1000)
    images[at(450)] = AccountImage(1, PROGRAM, changed(data, "Reserve", lending_market=at(9)))
    images[Address(USDC)] = mint(5000)
    listed = [address, at(400), at(401), at(402), at(450)]
    state = market("usdc", kinked(1e7, 8e6), protocol="kamino_lend")
    asset = Token(CHAIN, Address(USDC), "USDC", 6)
    where = replace(
        state.market, asset=asset, chain=CHAIN, address=address,
        params={"program": PROGRAM, "lending_market": fields["lending_market"]},
    )  # fmt: skip
    seen = snapshot(0)
    return Double(images, listed), replace(seen, states={where.id: replace(state, market=where)})


class Settings:
    """The part of a chain's settings that names tokens."""

    tokens: ClassVar = {"JitoSOL": Token(CHAIN, Address(JITO), "JitoSOL", 9)}


def looked(node: Double, seen: Snapshot, known: dict[str, Any], time: int = NOW) -> Look:
    look = Look(block=7, time=time, controls={})
    return asyncio.run(with_exposure(node, Settings(), seen, known, look))  # type: ignore[arg-type]


def test_a_reserve_rests_on_what_is_pledged_in_its_market_by_value() -> None:
    node, seen = world()
    look = looked(node, seen, {})
    (found,) = look.backing.values()
    assert [(one.backing, one.symbol, one.shared) for one in found.parts] == [(SOL, "", True), (JITO, "JitoSOL", True)]
    assert [one.share for one in found.parts] == pytest.approx([0.8, 0.2], abs=1e-6), "a half and an eighth"
    assert found.unknown == 0.0 and not found.missing and (found.block, found.time) == (7, NOW)
    fields = layout("kamino_lend").decode("Reserve", node.images[at(400)].data)
    borrowed = fields["borrowed_amount_sf"] / 2**60
    owed = sum(fields[name] for name in ("protocol_fees_sf", "referrer_fees_sf", "pending_referrer_fees_sf")) / 2**60
    assert found.parts[0].utilisation == pytest.approx(borrowed / (borrowed + fields["available_amount"] - owed))
    assert look.supplies == {JITO: 1000.0, USDC: 5000.0} or look.supplies == {JITO: 1000.0}, "wrapped SOL counts none"
    assert (node.listings, node.rounds) == (1, 2)
    again = looked(node, seen, dict(look.known), NOW + 60)
    assert (node.listings, node.rounds) == (1, 3) and again.backing.values(), "known: one round, nothing listed"
    looked(node, seen, dict(again.known), NOW + ANEW_SECONDS)
    assert node.listings == 2


def test_a_collateral_that_is_minted_is_a_sign_at_the_look_that_reads_it() -> None:
    node, seen = world()
    first = looked(node, seen, {})
    node.images[Address(JITO)] = mint(1500)
    then = looked(node, seen, dict(first.known), NOW + 600)
    kept = remembered(remembered({}, first.supplies, NOW), then.supplies, NOW + 600)
    ((sign,),) = jumps(then.backing, kept, AlarmLimits()).values()
    assert sign.code == "SUPPLY_JUMP" and sign.about == JITO and sign.act.value == "leave"
    assert "the supply of JitoSOL, which 20.0% of it rests on, grew by 50%" in sign.saw


def test_what_cannot_be_read_is_not_known_and_is_named() -> None:
    node, seen = world()
    first = looked(node, seen, {})
    del node.images[at(401)]
    (found,) = looked(node, seen, dict(first.known), NOW + 60).backing.values()
    assert found.unknown == 1.0 and "1 reserves of kamino_lend" in found.missing[0]
    node.images[at(401)] = AccountImage(1, PROGRAM, changed(node.images[at(400)].data, "Reserve", market_price_sf=0))
    (found,) = looked(node, seen, dict(first.known), NOW + 60).backing.values()
    assert found.unknown == 1.0 and "has no price" in found.missing[0]
    silent = Double(node.images, [])
    look = looked(silent, seen, {})
    (found,) = look.backing.values()
    assert found.unknown == 1.0 and "cannot be listed" in look.notes[0] and not look.known[KEY]


def test_the_recorded_accounts_say_which_may_be_collateral() -> None:
    """Four banks and a reserve of mainnet: thresholds and prices at the places of the IDLs."""
    _, data = recorded("kamino_usdc_reserve")
    fields = layout("kamino_lend").decode("Reserve", data)
    assert 0 < fields["liquidation_threshold_pct"] <= 100
    assert fields["market_price_sf"] / 2**60 == pytest.approx(1.0, abs=0.01), "a dollar"
    for name in ("bonk_bank", "cloud_bank", "pyusd_bank"):
        _, data = recorded(name)
        weight = layout("marginfi").decode("Bank", data)["asset_weight_maint"] / 2**48
        assert 0.0 <= weight <= 1.0, name


def test_jupiter_lend_rests_on_the_collateral_of_the_vaults_that_owe_its_token() -> None:
    """Two vaults of USDC (three and one part of the debt), one of another token that a node lists all the same."""
    program, images, listed = Address(VAULTS_PROGRAM), {}, []
    for number, collateral, debt, owes in ((1, SOL, 300, USDC), (2, JITO, 100, USDC), (3, JITO, 900, SOL)):
        fields = {"vault_id": number, "liquidation_threshold": 850, "supply_token": collateral, "borrow_token": owes}
        images[at(number)] = AccountImage(1, program, account_data("jupiter_lend", "VaultConfig", fields))
        debts = {"vault_id": number, "total_borrow": debt, "vault_borrow_exchange_price": 10**12}
        images[vault_state(program, number)] = AccountImage(
            1, program, account_data("jupiter_lend", "VaultState", debts)
        )
        listed.append(at(number))
    images |= {Address(SOL): mint(0), Address(JITO): mint(1000)}
    state = market("usdc", kinked(1e7, 8e6), protocol="jupiter_lend")
    asset = Token(CHAIN, Address(USDC), "USDC", 6)
    where = replace(state.market, asset=asset, chain=CHAIN, params={"vaults_program": program})
    seen = replace(snapshot(0), states={where.id: replace(state, market=where)})
    node = Double(images, listed)
    (found,) = looked(node, seen, {}).backing.values()
    assert [(one.backing, one.share) for one in found.parts] == [(SOL, 0.75), (JITO, 0.25)] and found.unknown == 0.0
    smart = bytearray(images[at(2)].data)
    smart[25] = 2
    node.images[at(2)] = AccountImage(1, program, bytes(smart))
    (found,) = looked(node, seen, {}).backing.values()
    assert found.unknown == 0.25 and "is of another type" in found.missing[0]
    del node.images[vault_state(program, 1)]
    (found,) = looked(node, seen, {}).backing.values()
    assert found.unknown == 1.0 and "the debts of vault" in found.missing[0]
