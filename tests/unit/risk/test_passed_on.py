"""Which alarms of one market bar others, over the whole pipeline: random markets that stand on one another, alarms
that are raised and journalled, and the decision that follows."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app.alarms import with_alarms
from yieldbot.decision.decide import decide
from yieldbot.decision.standing_vetoes import pool_vetoed
from yieldbot.journal.entry_codec import decode, encode
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AlarmRaised
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.risk import Act
from yieldbot.risk.look_through import LARGE, shares
from yieldbot.risk.passed_on import OF_CONTRACT, OF_SHARE
from yieldbot.risk.triggers import Found

TOKENS = ("0x" + "e" * 40, "0x" + "b" * 40, "0x" + "d" * 40)
OWN = sorted(OF_SHARE | OF_CONTRACT)
OTHERS = ("SPIKE", "UTILISATION", "CASH_THIN", "PEG", "LOW_GRADE")


def at(name: str) -> str:
    return "0x" + name.encode().hex().rjust(40, "0")


def made(name: str, rate: float, *parts: Backer, held: float = 0.0, **params: str) -> MarketState:
    """A market with a share token, that rests on these."""
    state = market(name, kinked(1e7, 8e6, low=rate), held=held)
    where = replace(state.market, address=Address(at(name)), params=params)
    share = Token(CHAIN, Address(at(name)), f"s{name}", 6)
    backing = Backing(market=where.id, parts=tuple(sorted(parts, key=lambda one: -one.share)), time=BLOCK.timestamp)
    return replace(state, market=where, share_token=share, backing=backing)


def on(token: str, share: float, *through: str) -> Backer:
    return Backer(backing=token, share=share, through=through)


def judged(seen: Snapshot, folder: Path, **signs: Found) -> Snapshot:
    more = {MarketId(f"lend/1/{name}"): (sign,) for name, sign in signs.items()}
    return with_alarms(seen, folder, loose(), pytest.fail, (), more)[0]


def enters(seen: Snapshot, policy: Policy) -> set[str]:
    """The markets that new money goes into, over plans that exits may come before."""
    out = decide(seen, policy, JOB, BLOCK.timestamp).outcome
    return {leg.market_id for leg in out.legs if leg.kind is LegKind.DEPOSIT} if isinstance(out, Plan) else set()


CONTROL = Found(code="CONTROL_WEAKER", act=Act.LEAVE, saw="its owner is one key now")
JUMP = Found(code="SUPPLY_JUMP", act=Act.LEAVE, saw="minted", about=TOKENS[0].upper().replace("0X", "0x"))


def test_a_vault_is_left_and_what_it_held_may_be_entered_unless_the_alarm_is_about_that(tmp_path: Path) -> None:
    under = made("under", 0.12, on(TOKENS[0], 1.0, "lend/1/under"), pool=at("pool"))
    vault = made("vault", 0.10, on(TOKENS[0], 1.0, "lend/1/vault", at("under")))
    over = made("over", 0.11, on(TOKENS[0], 0.5, "lend/1/over", at("vault")), on(TOKENS[1], 0.5, "lend/1/over"))
    apart = made("apart", 0.05, on(TOKENS[1], 1.0, "lend/1/apart"))
    seen = snapshot(50_000, under, vault, over, apart)
    calm = enters(judged(seen, tmp_path), loose())
    assert under.market.id in calm and apart.market.id not in calm
    own = judged(seen, tmp_path, vault=CONTROL)
    assert {key for key, one in own.states.items() if one.alarms} == {vault.market.id, over.market.id}
    (passed,) = own.of(over.market.id).alarms
    assert passed.act is Act.LEAVE and passed.saw.startswith("it stands on what vault is in danger by"), "half of it"
    assert under.market.id in enters(own, loose()), "its own control is no danger of what it held"
    about = judged(seen, tmp_path, vault=JUMP)
    assert {key for key, one in about.states.items() if one.alarms} == {one.market.id for one in (under, vault, over)}
    assert enters(about, loose()) == {apart.market.id}, "nothing that rests on the collateral takes money"
    assert about.of(under.market.id).alarms[0].act is Act.STOP, "its own looks say whether what is there must leave"


def test_a_contract_that_many_have_in_common_bars_whoever_goes_through_it(tmp_path: Path) -> None:
    pool = made("pool", 0.1, on(TOKENS[0], 1.0, "lend/1/pool", f"aave:{at('shared')}"), pool=at("shared"))
    wrapper = made("wrapper", 0.1, on(TOKENS[0], 1.0, "lend/1/wrapper", at("x"), f"aave:{at('shared')}"))
    seen = snapshot(50_000, pool, wrapper)
    assert judged(seen, tmp_path, pool=CONTROL).of(wrapper.market.id).alarms
    fell = Found(code="SHARE_PRICE_DOWN", act=Act.LEAVE, saw="fell")
    assert not judged(seen, tmp_path, pool=fell).of(wrapper.market.id).alarms, "another reserve's share is not its own"


def test_what_an_alarm_is_about_survives_the_journal_and_switches_count(tmp_path: Path) -> None:
    raised = AlarmRaised(
        chain=CHAIN, market_id=MarketId("lend/1/gone"), code="SUPPLY_JUMP", act=Act.LEAVE, saw="minted",
        since=BLOCK.timestamp - 60, time=BLOCK.timestamp - 60, about=TOKENS[0],
    )  # fmt: skip
    keys, document = encode(raised)
    assert decode(keys, document) == raised
    assert "about" not in encode(replace(raised, about=""))[1], "entries of the market's own signs are as they were"
    gone = made("gone", 0.10, on(TOKENS[0], 1.0, "lend/1/gone"))
    new = made("new", 0.10, on(TOKENS[0], 0.002, "lend/1/new"), on(TOKENS[1], 0.998, "lend/1/new"))
    little = made("little", 0.10, on(TOKENS[0], 0.0009, "lend/1/little"))
    minted = replace(USDC, address=Address(TOKENS[0]))
    itself = replace(new, market=replace(new.market, id=MarketId("lend/1/itself"), asset=minted), backing=None)
    states = {one.market.id: one for one in (gone, new, little, itself)}
    seen = replace(snapshot(0), states=snapshot(50_000).states | states)
    records = [Record(1, BLOCK.timestamp - 60, raised)]
    found, _ = with_alarms(seen, tmp_path, loose(), pytest.fail, records)
    assert [str(one.market.name) for one in found.markets if one.alarms] == ["gone", "new", "new"]
    off = loose(alarms=AlarmLimits(off_for={"lend/1/new": ("SUPPLY_JUMP",)}))
    found, _ = with_alarms(seen, tmp_path, off, pytest.fail, records)
    assert not found.of(new.market.id).alarms
    pool = Pool("uniswap_v3", "USDC/X", Address(at("xpool")), USDC, replace(USDC, address=Address(TOKENS[0])))
    why = pool_vetoed(pool, (), OWNER, records, loose())
    assert why is not None and "alarm SUPPLY_JUMP: minted" in why.reason, "a person adds no liquidity to it either"
    assert pool_vetoed(replace(pool, token1=USDC), (), OWNER, records, loose()) is None


@pytest.mark.parametrize("seed", range(60))
def test_danger_goes_up_and_never_down_whatever_stands_on_whatever(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    states: list[MarketState] = []
    stands: dict[str, set[str]] = {}
    for n in range(draw.randrange(3, 9)):
        name = f"m{n}"
        below = draw.choice(states) if states and draw.random() < 0.6 else None
        if below is None:
            weights = [draw.choice([0.0, 0.0005, 0.004, 0.3, 1.0]) for _ in TOKENS]
            whole = sum(weights) or 1.0
            parts = [on(t, w / whole, f"lend/1/{name}") for t, w in zip(TOKENS, weights, strict=True) if w]
            stands[name] = set()
        else:
            assert below.backing is not None
            first = (f"lend/1/{name}", str(below.market.address))
            parts = [replace(one, through=(*first, *one.through[1:])) for one in below.backing.parts]
            stands[name] = {below.market.name, *stands[below.market.name]} if parts else set()
        states.append(made(name, draw.uniform(0.06, 0.12), *parts, held=draw.choice([0.0, 0.0, 5_000.0])))
    loud, code = draw.choice(states), draw.choice([*OWN, *OTHERS, "SUPPLY_JUMP"])
    about = draw.choice(TOKENS) if code == "SUPPLY_JUMP" else ""
    sign = Found(code=code, act=draw.choice([Act.STOP, Act.LEAVE]), saw="seen", about=about)
    seen = judged(snapshot(50_000, *states), tmp_path, **{loud.market.name: sign})
    barred = {loud.market.name}
    for one in states:
        if about and shares(one).get(about, 0.0) >= 0.001:
            barred.add(one.market.name)
        if code in OWN and loud.market.name in stands[one.market.name]:
            barred.add(one.market.name)
            (got,) = seen.of(one.market.id).alarms
            whole = sum(part.share for part in one.backing.parts) if one.backing is not None else 0.0
            assert got.act is (sign.act if whole >= LARGE else Act.STOP)
    assert {one.market.name for one in seen.markets if one.alarms} == barred, seed
    vetoed = {one.market.id for one in states if one.market.name in barred}
    assert not enters(seen, loose()) & vetoed, seed
    gone = {key: replace(seen.of(key), held=usdc(0)) for key in vetoed}
    kept = replace(seen, states={**seen.states, **gone})
    after = enters(kept, loose())
    assert not after & vetoed
    if len(vetoed) < len(states):
        assert after or any(one.held.raw for one in kept.markets), "once they are left, money finds another market"
