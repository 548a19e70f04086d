"""What an order for liquidity means, and how it is answered, without a node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.allocator.liquidity import STATE, held
from tests.kit.app.cycle import DONE, SEEN
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app import move_liquidity as module
from yieldbot.app.context import Context
from yieldbot.app.liquidity_orders import _have, _part, _position, _wanted, pool_of
from yieldbot.app.move_liquidity import LiquidityRequest, RehearsedOrder, exit_code, move_liquidity
from yieldbot.errors import ConfigError
from yieldbot.execution.lock import run_lock
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import full_range
from yieldbot.model.plan import Declined
from yieldbot.model.settings import SafeOwner, Settings
from yieldbot.model.tx import NO_ROLLUP_FEE, Delta, Reverted

POOL = STATE.pool
ZERO, ONE = POOL.token0.symbol, POOL.token1.symbol
FEE = round(STATE.fee * 1_000_000)
OURS = held(-1000, 1000)
VIEW: Any = SimpleNamespace(states={POOL.id: STATE}, positions=(replace(OURS, state=STATE),), unread=())
NO = Declined("CODE", "a reason")
REVERTED = Reverted("0xbb", SEEN.block, 1, "it failed")


@pytest.mark.parametrize("name", [POOL.id, POOL.id.upper(), f"{ZERO}/{ONE}", f"{ONE}/{ZERO}/{FEE}"])
def test_a_pool_is_meant_by_its_address_or_its_tokens(name: str) -> None:
    assert pool_of(name, VIEW) == STATE


@pytest.mark.parametrize("name", ["", ZERO, f"{ZERO}/{ONE}/{FEE + 1}", f"{ZERO}/{ONE}/{FEE}/1", f"{ZERO}/NONE"])
def test_another_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=f"0 pools match; there are: {ZERO}/{ONE}/{FEE} "):
        pool_of(name, VIEW)


def test_a_position_is_meant_by_its_number() -> None:
    assert _position(str(OURS.token_id), VIEW) is VIEW.positions[0]
    with pytest.raises(ConfigError, match=f"position 99: not found; the wallet's positions are: {OURS.token_id}$"):
        _position("99", VIEW)
    unread = SimpleNamespace(states={}, positions=(), unread=("no answer",))
    with pytest.raises(ConfigError, match="the wallet's positions are: none; not read: no answer"):
        _position("1", unread)  # type: ignore[arg-type]


def test_a_range_is_best_full_or_two_prices_on_the_pools_grid() -> None:
    assert _wanted("best", STATE, VIEW) is None
    assert _wanted("full", STATE, VIEW) == full_range(STATE.spacing)
    found = _wanted("0.5:2", STATE, VIEW)
    assert isinstance(found, Range) and found.low % STATE.spacing == found.high % STATE.spacing == 0
    assert found.low < STATE.tick < found.high
    for text in ("1", "1:2:3", "a:b", "2:1", "0:1", "1:1", "nan:2", "1:inf"):
        with pytest.raises(ConfigError, match=f"--range {text}: "):
            _wanted(text, STATE, VIEW)


def test_a_share_of_liquidity_is_exact_and_all_of_it_is_all() -> None:
    whole = 10**30 + 7
    assert _part(whole, 1.0) == whole and _part(whole, 0.5) == whole // 2 and _part(whole, 1e-9) == whole // 10**9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["NONE=1"], "--give NONE=1: write TOKEN=AMOUNT"),
        ([f"{ZERO}=1", f"{ZERO}=2"], f"--give {ZERO}=2: write TOKEN=AMOUNT"),
        ([f"{ZERO}=x"], f"--give {ZERO}=x: "),
        ([f"{ZERO}=0"], "--give is missing"),
        ([], "--give is missing"),
    ],
)
async def test_what_goes_in_is_named_well_before_a_node_is_asked(given: list[str], said: str) -> None:
    nothing: Any = None
    with pytest.raises(ConfigError, match=said):
        await _have(given, nothing, POOL)


def test_the_exit_code_is_the_gravest() -> None:
    assert exit_code([]) == exit_code([DONE]) == 0
    assert exit_code([DONE, NO]) == 4 and exit_code([REVERTED, NO]) == exit_code([DONE, REVERTED]) == 1


def settings(tmp_path: Path, *jobs: Any) -> Context:
    made = Context(tmp_path / "yieldbot.toml")
    made._settings = Settings(
        source=made.config,
        data_dir=tmp_path / "data",
        wallets={},
        chains={},
        jobs=jobs,
        policy=loose(horizon_days=30.0),
    )
    return made


def refused(context: Context, said: str, **asked: Any) -> None:
    with pytest.raises(ConfigError, match=said):
        move_liquidity(
            LiquidityRequest(action="collect", position="1", **asked), context, show=lambda _: None, ask=lambda: True
        )
    assert not context.settings.data_dir.exists()  # neither a lock nor a journal


def test_what_cannot_be_meant_ends_before_anything_is_opened(tmp_path: Path) -> None:
    bare = replace(JOB.chain, rpc_urls=("http://127.0.0.1:9",), exchanges=())
    refused(settings(tmp_path, replace(JOB, chain=bare)), "no chain of these jobs lists an exchange")
    pools: Any = (SimpleNamespace(protocol="uniswap_v2", params={}),)
    job = replace(JOB, chain=replace(bare, exchanges=pools))
    for slippage in (0.0, 1_000.0, float("nan")):
        refused(settings(tmp_path, job), "name a number above 0 and below 1000", slippage_bps=slippage)
    other = replace(job, wallet=replace(job.wallet, name="second", address="0x" + "77" * 20))
    refused(settings(tmp_path, job, other), "several wallets or chains match: add one of --wallet")
    safe = replace(job, wallet=replace(job.wallet, held=SafeOwner(wallet="main", service_url=None)))
    refused(settings(tmp_path, safe), "is a Safe: liquidity is moved for its owners' own keys only")


class NodeDouble:
    async def __aenter__(self) -> NodeDouble:
        return self

    async def __aexit__(self, *_: Any) -> None: ...

    async def verify_chain(self) -> None: ...


@pytest.mark.parametrize("end", ["dry run", "no", "no answer", "yes", "the policy", "the fork"])
def test_nothing_is_carried_out_that_was_not_rehearsed_shown_and_agreed_to(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []
    pools: Any = (SimpleNamespace(protocol="uniswap_v2", params={}),)
    context = settings(
        tmp_path, replace(JOB, chain=replace(JOB.chain, rpc_urls=("http://127.0.0.1:9",), exchanges=pools))
    )
    order = SimpleNamespace(share=None, manager="0x" + "66" * 20, spenders=())
    meant = SimpleNamespace(
        state=STATE, prepared=SimpleNamespace(order=order, steps=()), warnings=("thin",), before=None
    )
    tx = SimpleNamespace(description="collect", to=order.manager, gas_used=9)
    rehearsed = SimpleNamespace(
        block=SEEN.block, gas_used=9, rollup=NO_ROLLUP_FEE, txs=(tx,), deltas=(Delta(POOL.token0, 5),)
    )

    class Account:
        native = POOL.token0
        node = SimpleNamespace()

    async def block() -> Any:
        return SEEN.block

    Account.node.block = block

    def step(name: str, answer: Any) -> Any:
        async def taken(*_: Any) -> Any:
            did.append(name)
            return answer

        return taken

    def show(found: RehearsedOrder) -> None:
        assert found.warnings == ("thin",) and found.rehearsal is rehearsed
        did.append("show")

    def ask() -> bool | None:
        did.append("ask")
        with run_lock(context.settings.data_dir, "another"):  # it is free while a person thinks
            return None if end == "no answer" else end == "yes"

    monkeypatch.setattr(module, "connect", lambda chain: NodeDouble())
    monkeypatch.setattr(module, "account_of", lambda *_: Account)
    monkeypatch.setattr(module, "settle", step("settle", ()))
    monkeypatch.setattr(module, "intended_order", step("mean", NO if end == "the policy" else meant))
    monkeypatch.setattr(module, "rehearse_steps", step("rehearse", NO if end == "the fork" else rehearsed))
    monkeypatch.setattr(module, "execute_order", step("carry out", [DONE]))
    request = LiquidityRequest(action="collect", position="1", dry_run=end == "dry run")
    done = move_liquidity(request, context, show=show, ask=ask).as_json()
    order_of_things = ["settle", "mean", "rehearse", "show", "ask", "carry out"]
    left_out = {
        "dry run": {"settle", "ask", "carry out"},
        "no": {"carry out"},
        "no answer": {"carry out"},
        "yes": set(),
        "the policy": {"rehearse", "show", "ask", "carry out"},
        "the fork": {"show", "ask", "carry out"},
    }[end]
    assert did == [name for name in order_of_things if name not in left_out]
    assert list(done) == [
        *("schema", "exit_code", "action", "wallet", "owner", "chain_id"),
        *("pool", "rehearsal", "warnings", "declined", "transactions"),
    ]
    codes = {"dry run": (0, "DRY_RUN"), "no": (0, "HUMAN_REJECTED"), "no answer": (1, "NO_ANSWER"), "yes": (0, None)}
    code, why = codes.get(end, (4, NO.code))
    assert (done["exit_code"], done["declined"] and done["declined"]["code"]) == (code, why)
    assert len(done["transactions"]) == (end == "yes")
    assert (done["pool"] is None) == (end == "the policy") and done["warnings"] == (
        [] if end == "the policy" else ["thin"]
    )
    if "show" not in left_out:
        keys = ["block", "gas_used", "l1_fee_wei", "operator_fee_wei", "l1_gas", "calls", "deltas"]
        assert list(done["rehearsal"]) == keys and done["rehearsal"]["calls"][0]["words"] == "collect"
