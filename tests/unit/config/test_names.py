"""Names in the policy: each way to name a market binds wherever the policy names one; what binds nothing is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.config.files import CHAIN, POOL, SETTINGS, USDC, swapped, written
from tests.kit.decision.holds import changed, planned
from tests.kit.market_builder import BLOCK, OWNER, market, snapshot
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.allocator.allocate import exact_of
from yieldbot.allocator.assess import assess
from yieldbot.allocator.portfolio import portfolio_of
from yieldbot.app.whatif import WhatIf
from yieldbot.chains.evm.cash import unseen
from yieldbot.config.load import load
from yieldbot.config.policy_names import unmatched_names
from yieldbot.decision.holds import still_holds
from yieldbot.errors import ConfigError
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Quarantined
from yieldbot.model.names import named, of_table
from yieldbot.model.plan import EXCLUDED
from yieldbot.risk.limits import guard

VAULT = f"erc4626/1/{OWNER.lower()}"
"""The vault of every test here."""
NAMES = ["erc4626", "generic", "Drip Vault", "Drip Vault dvUSDC", VAULT, "erc4626/1", f"{VAULT}/0xtoken"]
BINDING = NAMES[:-1]


def vault() -> MarketState:
    plain = market("a", ConstantCurve(0.10), protocol="erc4626", borrowed=500_000)
    called = replace(
        plain.market,
        id=MarketId(VAULT),
        name="Drip Vault dvUSDC",
        deployment="Drip Vault",
        params={"flavour": "generic"},
    )
    return replace(plain, market=called)


OTHER = market("Other", ConstantCurve(0.05), protocol="lend")
BOTH = snapshot(100_000, vault(), OTHER)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_a_market_means_it_everywhere(name: str) -> None:
    binds, state = name in BINDING, BOTH.of(MarketId(VAULT))
    assert named(state.market, (name,)) is binds and not named(OTHER.market, (name,))
    found = {one.market_id: one for one in assess(BOTH, loose(horizon_days=30.0, exclude=(name,)))}
    assert (EXCLUDED in found[MarketId(VAULT)].vetoes) is binds and not found[OTHER.market.id].vetoes
    cut = {
        one.market_id: one
        for one in assess(BOTH, loose(horizon_days=30.0, haircut_bps={name: 7.0}, max_share_markets={name: 0.25}))
    }
    most = cut[MarketId(VAULT)].max_exposure
    assert most is not None and (cut[MarketId(VAULT)].haircut_bps, most.raw) == (
        (7.0, 25_000 * 10**6) if binds else (0.0, 100_000 * 10**6)
    )
    assert cut[OTHER.market.id].haircut_bps == 0.0
    policy = loose(horizon_days=30.0, max_share_protocol={name: 0.5})
    groups = exact_of(BOTH.markets, cut, policy, portfolio_of(BOTH), None).groups
    assert [members for members, _ in groups] == ([(0,)] if binds else [])
    if binds:
        WhatIf(exclude=(name,)).check_names([BOTH])
    else:
        with pytest.raises(ConfigError):
            WhatIf(exclude=(name,)).check_names([BOTH])


@pytest.mark.parametrize("name", BINDING)
def test_a_plan_that_waits_goes_into_nothing_that_is_excluded_since(name: str) -> None:
    plan = planned(BOTH)
    gone = still_holds(plan, 0, BOTH, loose(horizon_days=30.0, exclude=(name,)), JOB)
    assert gone is not None and gone.code == "EXCLUDED"


@pytest.mark.parametrize("name", BINDING)
def test_cash_is_not_asked_for_by_a_wider_share_than_a_name_allows(name: str) -> None:
    blind = changed(BOTH, vault(), opaque=True)
    assert unseen(blind, loose(horizon_days=30.0))[MarketId(VAULT)].raw == 100_000 * 10**6
    assert (
        unseen(blind, loose(horizon_days=30.0, max_share_markets={name: 0.25}))[MarketId(VAULT)].raw == 25_000 * 10**6
    )
    assert unseen(blind, loose(horizon_days=30.0, exclude=(name,))) == {}


def test_the_narrowest_name_wins() -> None:
    table: dict[str, float] = {}
    for value, name in enumerate(["erc4626", "generic", "Drip Vault", "Drip Vault dvUSDC", "erc4626/1", VAULT]):
        table[name] = float(value)
        assert of_table(dict(reversed(table.items())), vault().market, -1.0) == value
    assert of_table(table, OTHER.market, -1.0) == -1.0


def test_a_limit_of_time_narrows_a_share_by_name_and_never_widens_it() -> None:
    policy = loose(horizon_days=30.0, max_share_markets={"Drip Vault": 0.1}, limit_move="50000")
    narrowed = guard(policy, [], BOTH, BOTH.assets[0], BLOCK.timestamp).policy
    most = next(one for one in assess(BOTH, narrowed) if one.market_id == VAULT).max_exposure
    assert most is not None and most.raw == 10_000 * 10**6


AAVE = f"aave_v3/31337/{POOL.lower()}"
GONE = f"erc4626/31337/{OWNER.lower()}"
RIGHT = ["Aave v3", "Aave v3 something", "aave_v3", "generic", "aave_v3/31337", AAVE, f"{AAVE}/{USDC.lower()}", GONE]
WRONG = [
    (f"{AAVE}/{OWNER.lower()}", "unknown token"),
    (f"{AAVE}/usdc", "unknown token"),
    (f"{AAVE}/{USDC.lower()}/0", "unknown market"),
    (f"{AAVE[:-1]}", "unknown market"),
    ("aave_v3/", "unknown market"),
    ("aave_v3/1", "unknown market"),
    ("aave", "did you mean aave_v3 or aave_v4?"),
    ("Aave v2", "did you mean Aave v3"),
]
KEYS = ["exclude = [%s]", "try_first = [%s]", "haircut_bps = {%s = 1}", "max_share_markets = {%s = 1}"]


def with_policy(folder: Path, line: str, name: str) -> Path:
    return written(folder, swapped(SETTINGS, 'exclude = ["compound_v3"]', line % f'"{name}"'), CHAIN)


@pytest.mark.parametrize("line", KEYS)
@pytest.mark.parametrize("name", RIGHT)
def test_what_may_mean_a_market_is_taken(tmp_path: Path, line: str, name: str) -> None:
    policy = load(with_policy(tmp_path, line, name)).policy
    assert name in getattr(policy, line.split()[0])


@pytest.mark.parametrize(
    ("line", "name", "known"),
    [(KEYS[0], "GENERIC", "generic"), (KEYS[1], "aave V3", "Aave v3"), (KEYS[2], "Aave_v3", "aave_v3")],
)
def test_a_name_in_other_capitals_is_the_known_one(tmp_path: Path, line: str, name: str, known: str) -> None:
    assert list(getattr(load(with_policy(tmp_path, line, name)).policy, line.split()[0])) == [known]


def test_a_job_names_wallet_chain_and_asset_in_any_capitals(tmp_path: Path) -> None:
    text = swapped(SETTINGS, 'asset = "USDC"', 'asset = "usdc"')
    job, *_ = load(written(tmp_path, swapped(text, 'wallet = "main"', 'wallet = "MAIN"'), CHAIN)).jobs
    assert (job.wallet.name, job.asset.symbol) == ("main", "USDC")


def test_a_market_that_stands_twice_in_a_table_is_refused(tmp_path: Path) -> None:
    twice = swapped(SETTINGS, 'exclude = ["compound_v3"]', 'haircut_bps = {"aave_v3" = 1, "AAVE_V3" = 2}')
    with pytest.raises(ConfigError, match=r"policy.haircut_bps.AAVE_V3: is aave_v3, which stands there too"):
        load(written(tmp_path, twice, CHAIN))


@pytest.mark.parametrize("line", KEYS)
@pytest.mark.parametrize(("name", "said"), WRONG)
def test_what_can_mean_none_is_refused(tmp_path: Path, line: str, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(with_policy(tmp_path, line, name))
    assert said in str(refused.value) and f"policy.{line.split()[0]}" in str(refused.value)


def test_a_name_that_no_market_answers_to_is_told(tmp_path: Path) -> None:
    names = RIGHT
    settings = load(with_policy(tmp_path, "exclude = [%s]", '", "'.join(names)))
    (job,) = settings.jobs
    assert unmatched_names(settings.policy, settings.jobs, []) == [
        f"policy.exclude: {name!r} binds nothing, no market that was read answers to it: `yieldbot markets --json` "
        "shows the names and ids"
        for name in ("generic", GONE)
    ]
    lines = unmatched_names(settings.policy, settings.jobs, [(job, BOTH)])
    assert [line.split("'")[1] for line in lines] == [n for n in names if n not in ("aave_v3", "generic")]
    lost = replace(
        BOTH, quarantined=(Quarantined(replace(OTHER.market, id=MarketId("aave_v3/31337/?"), name="Aave v3"), "x"),)
    )
    lines = unmatched_names(settings.policy, settings.jobs, [(job, lost)])
    assert [line.split("'")[1] for line in lines] == [GONE], "whose markets cannot be listed may have it"
    assert unmatched_names(loose(horizon_days=30.0), settings.jobs, [(job, BOTH)]) == []
