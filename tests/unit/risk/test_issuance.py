"""Who may mint what a market holds and rests on, and how fast it was minted, as inputs of grades."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from tests.kit.market_builder import kinked, market
from tests.unit.chains.solana.test_multisigs import KEYS
from yieldbot.chains.solana.issuers import controller_of, facts_of_mint
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.controls import (
    NO_ONE,
    ContractFacts,
    Controller,
    ControllerKind,
    Controls,
    Dependency,
    Part,
    Power,
    Role,
)
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState
from yieldbot.model.reads import CodeHead
from yieldbot.model.risk import Act, Component
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import SLOTS, Reading, address_of
from yieldbot.protocols.solana.mints import rights_of, signers_of
from yieldbot.risk.collateral_side import collateral
from yieldbot.risk.controls import changes
from yieldbot.risk.facts import Around, Facts
from yieldbot.risk.issuance import DAY, HELD_DAYS, daily, growth_of, issued, minter
from yieldbot.risk.other_sides import asset
from yieldbot.risk.scales import scales

COIN = Address("0x" + "c0" * 20)
KEY = Controller(kind=ControllerKind.EOA, address=Address(str(KEYS[1])))
SAFE = Controller(kind=ControllerKind.SAFE, threshold=3, owners=tuple(Address(str(k)) for k in KEYS[2:7]))
OTHER = Controller(kind=ControllerKind.CONTRACT)


def on_collateral(share: float = 1.0) -> MarketState:
    pool = market("pool", kinked(1e6, 8e5), held=400, borrowed=8e5)
    part = Backer(backing=COIN, symbol="COIN", share=share)
    return replace(pool, backing=Backing(market=pool.market.id, parts=(part,), idle=1.0 - share, block=5))


def facts(who: Controller | None, part: Part = Part.COLLATERAL, growth: tuple[float, float] = (0.0, 30.0)) -> Facts:
    pool = on_collateral().market
    at = COIN if part is Part.COLLATERAL else pool.asset.address
    one = ContractFacts(address=at, part=part, name="COIN", rights=() if who is None else (("mint", who),), block=7)
    return Facts(
        around=Around(size=1.0),
        controls=Controls(market=pool.id, contracts=(one,)),
        growth={COIN.upper().replace("0X", "0x"): growth},
    )


def rests(found: Facts, share: float = 0.2) -> Component:
    return collateral(on_collateral(share), found, scales())


def test_a_collateral_that_one_key_can_mint_is_worse_than_one_that_nobody_can() -> None:
    scores = [rests(facts(who)).score for who in (None, KEY, OTHER, SAFE, NO_ONE)]
    assert scores == sorted(scores) and scores[0] == scores[1] == 70.0 and scores[2] == 85.0 and scores[-1] == 100.0
    seen = rests(facts(KEY)).evidence
    assert any(
        one.what == "COIN: may be minted by" and one.value.startswith("one key") and one.block == 7 for one in seen
    )
    assert "who may mint COIN" in rests(facts(None)).missing
    found = facts(KEY)
    assert found.controls is not None
    (one,) = found.controls.contracts
    behind = replace(found.controls, contracts=(replace(one, part=Part.BACKER),))
    assert rests(replace(found, controls=behind)).score == 70.0, "also where a look found it behind a pool"
    slow = replace(KEY, kind=ControllerKind.TIMELOCK, delay_seconds=2 * DAY, behind=KEY)
    assert rests(facts(slow)).score >= 95.0, "a mint that waits two days is seen coming"


def test_a_collateral_that_grew_fast_is_unseasoned_and_a_week_of_looks_is_needed() -> None:
    scores = [rests(facts(NO_ONE, growth=(by, 30.0))).score for by in (-0.2, 0.0, 0.1, 0.3, 1.0)]
    assert scores == sorted(scores, reverse=True) and (scores[2], scores[3], scores[4]) == (100.0, 60.0, 10.0)
    young = rests(facts(NO_ONE, growth=(0.0, 3.0)))
    assert young.score == 90.0 and young.missing == ("growth of the supply of COIN",)
    assert rests(facts(NO_ONE, growth=(1.0, 3.0))).score == 10.0, "what was seen counts at once"
    assert rests(facts(KEY, growth=(5.0, 30.0)), share=0.09).score == 100.0, "a tenth at least must rest on it"


def test_the_assets_issuer_is_evidence_and_one_key_lowers_it() -> None:
    state = on_collateral()
    by = {name: asset(state, facts(who, Part.ASSET), scales()) for name, who in (("key", KEY), ("safe", SAFE))}
    assert by["key"].score <= 70.0 <= by["safe"].score
    assert "may be minted by" in by["key"].evidence[-1].what


def test_evms_minters_are_the_roles_the_upgrader_and_the_owner() -> None:
    code = ContractFacts(address=COIN, part=Part.ASSET, code_hash="ab")
    assert minter(code) == NO_ONE and minter(replace(code, code_hash="")) is None
    mints = Role(name="MINTER_ROLE", power=Power.MINT, holders=(SAFE,))
    assert minter(replace(code, roles=(mints,))) == SAFE
    assert minter(replace(code, roles=(mints,), upgrade_by=KEY)) == KEY
    late = replace(mints, missing="no old events")
    assert minter(replace(code, roles=(replace(late, holders=()),))) is None
    assert minter(replace(code, roles=(late,), upgrade_by=KEY)) == KEY, "one that is known to be weak counts"
    assert minter(replace(code, owner=OTHER)) == OTHER


@pytest.mark.parametrize("kind", ["USDC", "DAI", "one minter"])
def test_a_tokens_own_scheme_of_minters_is_read_and_what_nobody_lists_is_named(kind: str) -> None:
    """USDC has a master minter who appoints minters, DAI has wards, others one minter: by the views that they have."""
    admin = address_of(0x77)
    said = {
        "USDC": {"masterMinter": int(admin, 16), "isMinter": 0, "owner": int(admin, 16)},
        "DAI": {"wards": 0},
        "one minter": {"minter": int(admin, 16)},
    }[kind]
    key = Reading(admin, CodeHead(bytes(32), 0, b""), {}, {})
    raw = {name: at.to_bytes(32, "big") for name, at in said.items()}
    token = Reading(
        COIN,
        CodeHead(b"\1" * 32, 9, b""),
        dict.fromkeys(SLOTS, 0),
        raw,
    )
    one = facts_of(Dependency(COIN, Part.ASSET), {token.address: token, admin: key})
    made = Facts(around=Around(size=1.0), controls=Controls(market=MarketId("m"), contracts=(one,)))
    found, evidence, missing = issued(made, Part.ASSET, COIN, "TOK", scales())
    if kind == "DAI":
        assert (found, evidence) == (70.0, []) and missing == ["who may mint TOK"]
    else:
        assert found == 70.0 and "one key" in evidence[0].value
        assert missing == (["who else may mint TOK (isMinter)"] if kind == "USDC" else [])


def test_supplies_are_stored_once_a_day_for_a_month() -> None:
    kept: dict[str, tuple[tuple[int, float], ...]] = {}
    for hour in range(0, 24 * 50, 5):
        kept = daily(kept, {"t": 100.0 + hour}, 1_700_000_000 // DAY * DAY + hour * 3600)
    rows = kept["t"]
    assert HELD_DAYS <= len(rows) <= HELD_DAYS + 2 and rows[-1][1] == 100.0 + 1195
    assert rows[-1][0] - rows[0][0] <= HELD_DAYS * DAY
    growth, days = growth_of(kept)["t"]
    assert days == pytest.approx(31, abs=1) and growth == rows[-1][1] / rows[0][1] - 1.0
    assert daily(kept, {}, rows[-1][0] + 40 * DAY) == {}
    assert growth_of({"t": ((5, 1.0),), "u": ((5, 0.0), (6, 1.0))}) == {}


def mint(by: Pubkey | None, freeze: Pubkey | None, more: bytes = b"") -> bytes:
    def option(who: Pubkey | None) -> bytes:
        return b"\1\0\0\0" + bytes(who) if who else bytes(36)

    base = option(by) + (5).to_bytes(8, "little") + b"\x06\x01" + option(freeze)
    return base + (bytes(83) + b"\x01" + more if more else b"")


def test_a_mints_authorities_and_token_2022s_delegate_are_read() -> None:
    delegate = (12).to_bytes(2, "little") + (32).to_bytes(2, "little") + bytes(KEYS[5])
    fee = (1).to_bytes(2, "little") + (108).to_bytes(2, "little") + bytes(108)
    found = rights_of(mint(KEYS[3], None, fee + delegate))
    assert found == (("mint", str(KEYS[3])), ("freeze", None), ("permanent delegate", str(KEYS[5])))
    assert rights_of(mint(None, KEYS[4])) == (("mint", None), ("freeze", str(KEYS[4])))
    assert rights_of(b"") is None and rights_of(bytes(165)) is None
    assert rights_of(mint(None, None, b"\x0c\x00\xff\xff")) is not None, "a length beyond the end is nothing"


def test_a_token_programs_multisig_counts_by_its_signatures() -> None:
    data = bytes([2, 3, 1]) + b"".join(bytes(k) for k in KEYS[1:4]) + bytes(32 * 8)
    assert signers_of(data) == (2, tuple(str(k) for k in KEYS[1:4]))
    assert signers_of(bytes([4, 3, 1]) + data[3:]) is None and signers_of(data[:-1]) is None
    at = Address(str(KEYS[9]))
    image = AccountImage(1, Address(TOKEN_PROGRAM), data)
    who = controller_of(at, {at: image})
    assert (who.kind, who.threshold, len(who.owners)) == (ControllerKind.SAFE, 2, 3)
    claimed = controller_of(at, {at: replace(image, program=Address(str(KEYS[8])))})
    assert claimed.kind is not ControllerKind.SAFE, "another program's account with the same bytes is none"


def test_a_mint_that_passes_to_one_key_is_left_and_what_is_no_mint_is_named() -> None:
    image = AccountImage(1, Address(TOKEN_2022_PROGRAM), mint(KEYS[3], KEYS[4]))
    three, four = Address(str(KEYS[3])), Address(str(KEYS[4]))
    before = facts_of_mint(COIN, Part.ASSET, "COIN", image, {three: SAFE, four: SAFE}, 9)
    now = facts_of_mint(COIN, Part.ASSET, "COIN", image, {three: KEY, four: SAFE}, 10)
    assert [act for act, _ in changes(before, now)] == [Act.LEAVE] and not changes(before, before)
    frozen = facts_of_mint(COIN, Part.ASSET, "COIN", image, {three: SAFE, four: KEY}, 10)
    assert [act for act, _ in changes(before, frozen)] == [Act.STOP]
    assert facts_of_mint(COIN, Part.ASSET, "COIN", None, {}, 9).missing == ("who may mint it",)
