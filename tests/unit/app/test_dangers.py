"""Every trigger and every veto of docs/risk.md, each through the whole path from readings to a plan: money leaves in
the very cycle that reads the sign, no new money goes in, and the policy's switches and thresholds say otherwise."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.draws import draws
from tests.kit.market_builder import OWNER, USDC, kinked, market, usdc
from tests.kit.risk.dangers import (
    ADMIN,
    CALM,
    COIN,
    KEY,
    NOW,
    OTHER,
    RISKY,
    SAFE,
    SOURCE,
    STRONG,
    Happens,
    World,
    before,
    both,
    changed,
    late,
    now,
    pending,
    used,
)
from yieldbot.decision.decide import decide
from yieldbot.journal.exit_entries import ExitAsked
from yieldbot.journal.fold import Record
from yieldbot.model.alarm_limits import CODES, AlarmLimits
from yieldbot.model.amounts import Apr
from yieldbot.model.exchange import Price
from yieldbot.model.ids import ChainId
from yieldbot.model.market import Leaving, Status
from yieldbot.protocols.doubts import backed
from yieldbot.protocols.evm.doubts import CONSTANT, unpriced

LEAVE, STOP = "leave", "stop"


def locked(chain: str, use: float = 0.995) -> Happens:
    """The market of WETH of the same protocol is locked, on a chain."""
    row = (chain, "aave_v3/x/weth/WETH", -1.0, {"utilisation": use})
    return lambda world: replace(world, elsewhere=(row,))


def dollar(feed: float, pools: float | None, hours: float = 0.0, then: float = 1.0) -> Happens:
    """What the dollar is worth by two sources now, and was by both in the hours before."""
    rows = [before(-0.5 * n, price_usd=then, traded_usd=then) for n in range(1, round(hours * 2) + 1)]
    price = Price(feed, NOW, traded=pools)
    return both(*rows, lambda world: replace(world, pegs=price))


def rests(share: float = 1.0, **facts: Any) -> Happens:
    return lambda world: world.backed(share, **facts)


def grew(*supply: float, share: float = 1.0) -> Happens:
    """A look found that it rests on COIN, whose supply grew from look to look."""
    made = rests(share)
    return lambda world: replace(made(world), looks=(STRONG,) * len(supply), supplies=supply)


def quoted(*looks: tuple[float, float], every_hours: int = 24) -> Happens:
    """What RISKY's own oracle, and another pool's, say of COIN in dollars in each look, in units of their own."""
    made = rests()
    prices = tuple({SOURCE: {COIN: a, USDC.address: 1.0}, OTHER: {COIN: b * 7, USDC.address: 7.0}} for a, b in looks)
    return lambda world: replace(made(world), looks=(STRONG,) * len(looks), prices=prices, every_hours=every_hours)


def policy(**keys: Any) -> Happens:
    return lambda world: replace(world, policy={**world.policy, **keys})


def minted(times: float) -> Happens:
    return lambda world: replace(world, minted=round(world.minted * times))


def lost(part: float) -> Happens:
    """So much of what is supplied is a deficit."""
    return now(curve=replace(kinked(1e7, 8e6, low=0.12), deficit=1e7 * part))


def rate(quoted: float) -> Happens:
    return now(quoted=Apr(quoted))


def peers(quoted: float) -> Happens:
    """Six other markets of its asset pay so much."""
    others = tuple(replace(market(f"peer{n}", kinked(1e7, 8e6, low=0.01)), quoted=Apr(quoted)) for n in range(6))
    return lambda world: replace(world, others=others)


def priced(price: int | None, feeds: tuple[Any, ...], spoke: int) -> Happens:
    """What a Morpho market's adapter makes of its collateral's oracle."""
    data = b"" if price is None else price.to_bytes(32, "big")
    rounds = [bytes(96) + spoke.to_bytes(32, "big") + bytes(32)] * len(feeds)
    return now(doubts=(unpriced(COIN, data, feeds, rounds, NOW) or "",))


def waits(days: float) -> Happens:
    """Our request there has waited for so many days."""
    gone = Leaving(requested=usdc(0.1), ready=usdc(0), back=usdc(0))
    since = int(NOW - days * 86_400)

    def made(world: World) -> World:
        asked = ExitAsked(
            chain=ChainId(world.chain), owner=OWNER, market_id=RISKY.market.id, asked=usdc(0.1), ready=usdc(0),
            back=usdc(0), until=None, time=since,
        )  # fmt: skip
        return replace(world, risky=replace(world.risky, leaving=gone), records=(Record(1, since, asked),))

    return made


def left(supplied: float) -> Happens:
    """So much is supplied now."""
    return now(supplied=usdc(supplied), borrowed=usdc(4e6))


CASH_ALONE = {"min_liquidity_multiple": 3.0, "alarms": AlarmLimits(off=CODES), "max_utilisation_entry": 1.0}


def stronger(**facts: Any) -> Happens:
    """As ``changed``, but the facts of now are those of before, so that control became stronger."""
    made = changed(**facts)

    def turned(world: World) -> World:
        after = made(world)
        return replace(after, looks=after.looks[::-1])

    return turned


TRIGGERS: dict[str, tuple[str, Happens, Happens]] = {
    # what it is: its code, what happens, and the same just below its threshold
    "nearly all is lent": ("UTILISATION", used(0.95), used(0.899)),
    "cash halved within a day": ("CASH_FALLING", used(0.90), used(0.8999)),
    "cash below our size": ("CASH_THIN", now(liquidity=usdc(9_990)), now(liquidity=usdc(10_000))),
    "a collateral's market locked on the chain": (
        "COLLATERAL_LOCKED", locked("eip155:1"), locked("eip155:1", 0.9899)
    ),
    "a collateral's market locked on the home chain": (
        "COLLATERAL_LOCKED",
        both(lambda world: replace(world, chain="eip155:8453"), locked("eip155:1")),
        both(lambda world: replace(world, chain="eip155:8453"), locked("eip155:1", 0.9899)),
    ),
    "its collateral's market locked, by a look": (
        "COLLATERAL_LOCKED", rests(utilisation=0.99, shared=True), rests(utilisation=0.9899, shared=True)
    ),
    "a dollar off by two sources for an hour": (
        "PEG", dollar(0.9899, 0.9899, 1.5, 0.9899), dollar(0.9951, 0.9951, 1.5, 0.9951)
    ),
    "a share's worth fell": ("SHARE_PRICE_DOWN", now(index=0.9988), now()),
    "a share's worth rose": ("SHARE_PRICE_UP", now(index=1.012), now(index=1.0001)),
    "the asset was minted": ("SUPPLY_JUMP", minted(1.5), minted(1.49)),
    "a collateral was minted": ("SUPPLY_JUMP", grew(1e24, 1.5e24), grew(1e24, 1.49e24)),
    "others left within a day": ("TVL_FALL", left(5e6), left(5.1e6)),
    "bad debt": ("BAD_DEBT", lost(0.0101), lost(0.0024)),
    "its owner is one key now": ("CONTROL_WEAKER", changed(owner=KEY), stronger(owner=KEY)),
    "its owner needs fewer signatures": (
        "CONTROL_WEAKER", changed(owner=replace(SAFE, threshold=3)), changed(owner=replace(SAFE, threshold=5))
    ),
    "its code was exchanged": ("CONTROL_WEAKER", changed(implementation_hash="dd"), changed()),
    "its oracle was exchanged": ("CONTROL_WEAKER", changed(1, values=(("oracle source", "two"),)), changed(1)),
    "its timelock is shorter": (
        "CONTROL_WEAKER",
        changed(values=(("timelock seconds", "172799"),)),
        changed(values=(("timelock seconds", "172801"),)),
    ),
    "its owner's timelock is gone": ("CONTROL_WEAKER", late(owner=SAFE), late()),
    "you named the market": ("BLACKLIST", policy(blacklist=("risky",)), policy(blacklist=("other",))),
    "you named its collateral": (
        "BLACKLIST", both(rests(), policy(blacklist=("COIN",))), both(rests(0.0009), policy(blacklist=("COIN",)))
    ),
    "you named what it looks through to": (
        "BLACKLIST", both(rests(), policy(blacklist=(COIN.lower(),))), both(rests(), policy(blacklist=(ADMIN,)))
    ),
}  # fmt: skip
"""Signs that ask to leave."""
OF_BOTH = ("a dollar off by two sources for an hour", "the asset was minted")
"""Those that are about the asset, so that both markets have them."""
THRESHOLDS: dict[str, dict[str, Any]] = {
    "nearly all is lent": {"utilisation": 0.96, "falling_utilisation": 0.96},
    "cash halved within a day": {"cash_fall": 0.6},
    "cash below our size": {"cash_multiple": 0.5},
    "a collateral's market locked on the chain": {"collateral_utilisation": 0.999},
    "a collateral's market locked on the home chain": {"collaterals": ("WBTC",)},
    "its collateral's market locked, by a look": {"collateral_utilisation": 0.999},
    "a dollar off by two sources for an hour": {"peg_hours": 3.0},
    "a share's worth fell": {"share_price_fall_bps": 12.0},
    "a share's worth rose": {"share_price_rise_bps": 200.0},
    "the asset was minted": {"supply_jump": 0.6},
    "a collateral was minted": {"supply_jump": 0.6},
    "others left within a day": {"tvl_fall": 0.6},
    "bad debt": {"bad_debt_bps": 150.0},
}
"""For the triggers with a threshold, one at which they do not ask to leave."""
VETOES: dict[str, tuple[str, Happens]] = {
    # what it is: a part of the veto's words, and what happens
    "paused": ("paused", now(status=Status.PAUSED)),
    "frozen": ("frozen", now(status=Status.FROZEN)),
    "at its cap": ("", now(capacity=usdc(0))),
    "utilisation above the entry's limit": ("utilisation", both(used(0.86), policy(max_utilisation_entry=0.85))),
    "cash below the multiple": ("", both(used(1.0), policy(**CASH_ALONE))),
    "no way out": ("no way out", now(no_way_out="it reverts on the fork")),
    "contradictory readings": ("owed", now(doubts=backed(10**13, 1, 1, USDC))),
    "its oracle is silent": ("last spoke", priced(1, (COIN,), NOW - 31 * 86_400)),
    "its oracle says nothing": ("answers nothing", priced(None, (COIN,), NOW)),
    "its oracle says 0: its collateral has no price": ("answers 0", priced(0, (COIN,), NOW)),
    "its oracle is hard-coded": ("hard-coded", priced(1, CONSTANT, NOW)),
    "its price is off that of another pool": ("ORACLE", quoted((3000.0, 3000.0), (3151.0, 3000.0))),
    "its price never moves, and another's does": (
        "ORACLE", quoted(*((3000.0, 3000.0 + 8.0 * (n % 5)) for n in range(9)))
    ),
    "its price never moves": ("ORACLE", quoted(*((1.0, 1.0) for n in range(16)))),
    "a spike over its own mean": ("SPIKE", rate(0.1801)),
    "a spike over its peers": ("SPIKE", both(rate(0.1799), peers(0.04))),
    "one source has the dollar off": ("PEG", dollar(1.0, 0.9949)),
    "the feed has the dollar off": ("PEG", dollar(0.9949, None)),
    "nobody serves our request": ("UNSERVED", waits(14)),
    "a number cannot be read any more": ("MISSING", now(index=None)),
    "a pending owner": ("PENDING_CHANGE", pending("owner", str(ADMIN))),
    "a pending implementation": ("PENDING_CHANGE", pending("implementation", str(ADMIN))),
    "a pending oracle": ("PENDING_CHANGE", pending("oracle", str(ADMIN))),
    "a pending rate model": ("PENDING_CHANGE", pending("rate model", str(ADMIN))),
    "a pending cap": ("PENDING_CHANGE", pending("cap of market 0x12…", "9,000")),
    "a pending curator": ("PENDING_CHANGE", pending("curator", str(ADMIN))),
    "a pending timelock": ("PENDING_CHANGE", pending("timelock", "1 day")),
    "its code was exchanged after a warning": ("CONTROL_WEAKER", late(implementation_hash="dd")),
    "a grade below the policy's": ("min_safety", policy(min_safety=101 - 1)),
    "an expected loss above the policy's": ("max_expected_loss_bps", policy(max_expected_loss_bps=1.0)),
    "you left it out": ("excluded", policy(exclude=("risky",))),
}  # fmt: skip
"""Signs that keep new money out."""


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_takes_money_out_in_the_cycle_that_reads_it(name: str, tmp_path: Path) -> None:
    code, happens, below = TRIGGERS[name]
    calm = below(World()).cycle(tmp_path / "below", held=10_000, idle=0)
    assert calm.alarms.get(code) != LEAVE and not calm.leaves, calm.alarms
    world = happens(World())
    found = world.cycle(tmp_path / "above", held=10_000, idle=0)
    assert found.alarms.get(code) == LEAVE and found.leaves and RISKY.market.id not in found.enters, found.alarms
    saw = next(one for one in found.seen.of(RISKY.market.id).alarms if one.code == code)
    assert saw.saw and saw.since <= NOW and (saw.evidence or code == "MISSING"), "it says what it saw"
    assert saw.saw[:40] in " ".join(getattr(found.decision.outcome, "why", ())), "and so does the plan"
    assert RISKY.market.id not in found.afresh.enters and (name in OF_BOTH or found.afresh.enters)
    limits = (
        {"off": tuple(found.alarms)},
        {"off_for": {"risky": tuple(found.alarms)}},
        {"stop_only": tuple(found.alarms)},
    )
    for keys in limits:
        other = policy(alarms=AlarmLimits(**keys))(world).cycle(tmp_path / next(iter(keys)), held=10_000, idle=0)  # type: ignore[arg-type]
        assert not other.leaves and other.alarms == (
            {} if "stop_only" not in keys else dict.fromkeys(other.alarms, STOP)
        )
    if name in THRESHOLDS:
        moved = policy(alarms=AlarmLimits(**THRESHOLDS[name]))(world).cycle(tmp_path / "moved", held=10_000, idle=0)
        assert moved.alarms.get(code) != LEAVE and not moved.leaves, moved.alarms


@pytest.mark.parametrize("name", VETOES)
def test_a_veto_lets_no_new_money_in(name: str, tmp_path: Path) -> None:
    words, happens = VETOES[name]
    found = happens(World()).cycle(tmp_path, held=0, idle=10_000)
    assert RISKY.market.id not in found.enters, found.alarms
    named = next(one for one in found.decision.assessments if one.market_id == RISKY.market.id)
    if words:
        assert any(words in veto for veto in named.vetoes), named.vetoes
    else:
        assert found.decision.allocation.targets.get(RISKY.market.id, usdc(0)) == usdc(0)


def test_without_a_danger_money_goes_in_and_stays(tmp_path: Path) -> None:
    assert World().cycle(tmp_path / "new", held=0, idle=10_000).enters == {RISKY.market.id}
    stays = World().cycle(tmp_path / "old", held=10_000, idle=0)
    assert not stays.leaves and not stays.alarms and not stays.seen.of(CALM.market.id).alarms


@pytest.mark.parametrize(
    "happens",
    [
        quoted((3000.0, 3000.0), (3149.0, 3000.0)),
        quoted(*((3000.0 + n % 2, 3000.0 + 8.0 * (n % 5)) for n in range(9))),
        quoted(*((1.0, 1.0) for n in range(14))),
        both(quoted((3000.0, 3000.0), (3151.0, 3000.0)), policy(alarms=AlarmLimits(oracle_off=0.06))),
        both(quoted((3000.0, 3000.0), (3151.0, 3000.0)), policy(alarms=AlarmLimits(off=("ORACLE",)))),
    ],
)
def test_an_honest_oracle_keeps_no_money_out(happens: Happens, tmp_path: Path) -> None:
    assert happens(World()).cycle(tmp_path, held=0, idle=10_000).enters == {RISKY.market.id}


def test_each_code_is_driven() -> None:
    driven = {code for code, _, _ in TRIGGERS.values()} | {words for words, _ in VETOES.values()}
    assert set(CODES) <= driven


HAPPENS: list[Happens] = [happens for _, happens, _ in TRIGGERS.values()] + [happens for _, happens in VETOES.values()]


@pytest.mark.parametrize("seed", range(draws(8, 300)))
def test_whatever_comes_together_no_new_money_goes_where_a_veto_stands(seed: int, tmp_path: Path) -> None:
    """Random worlds of several dangers, from readings to plans and what-ifs."""
    draw = random.Random(seed)
    world = both(*draw.sample(HAPPENS, draw.choice((1, 2, 3))))(World())
    found = world.cycle(tmp_path, held=draw.choice((0, 4_000)), idle=draw.choice((500, 10_000)))
    for one in (found, found.afresh):
        barred = {named.market_id for named in one.decision.assessments if named.vetoes}
        barred |= {state.market.id for state in one.seen.markets if state.alarms or state.doubts}
        assert not one.enters & barred
        what_if = decide(one.seen, one.policy, one.job, NOW, wealth=usdc(1e6), records=one.records).allocation
        assert all(what_if.targets.get(key, usdc(0)) <= one.seen.of(key).held for key in barred)
