"""A queued plan is approved by the policy and the prices of that moment, not of the one it was made at."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.kit.contracts import mined
from tests.kit.program import yieldbot
from yieldbot.config.load import load
from yieldbot.sandbox.evm.node import Sandbox


def queued(sandbox: Sandbox) -> dict[str, Any]:
    ended = yieldbot("--json", "run", "--approve", "queue", cwd=sandbox.directory)
    assert ended.code == 3, ended.err
    return ended.document["jobs"][0]["plan"]  # type: ignore[no-any-return]


def sent(sandbox: Sandbox) -> int:
    return int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16)


def set_feed(sandbox: Sandbox, dollars: float) -> None:
    data = keccak(text="set(int256)")[:4] + encode(["int256"], [int(dollars * 10**8)])
    call = {"from": sandbox.wallet, "to": sandbox.addresses["usdc_feed"], "data": "0x" + data.hex(), "gas": hex(10**6)}
    owner = sandbox.rpc("eth_accounts")[0]
    mined(sandbox, call | {"from": owner})


def approve(sandbox: Sandbox, plan: dict[str, Any], code: int) -> str:
    ended = yieldbot("approve", plan["id"], "--yes", cwd=sandbox.directory)
    assert ended.code == code, ended.out + ended.err
    return ended.out + ended.err


def test_a_plan_that_todays_policy_or_price_would_not_make_is_declined(sandbox: Sandbox) -> None:
    """And it goes on waiting: with the old policy and a whole dollar back it is done as it was shown."""
    plan, before, settings = queued(sandbox), sent(sandbox), sandbox.config.read_text()
    best = max(plan["legs"], key=lambda leg: int(leg["amount"]["raw"]))["market_id"]
    (job,) = yieldbot("--json", "markets", cwd=sandbox.directory).document["jobs"]
    name = next(row["name"] for row in job["markets"] if row["id"] == best)
    (table,) = (d.name for d in load(sandbox.config).jobs[0].chain.deployments if f"{name} ".startswith(f"{d.name} "))
    for was, now, code in (
        ("[policy]\n", f'[policy]\nexclude = ["{best}"]\n', "EXCLUDED"),
        ("[policy]\n", f'[policy]\nexclude = ["{name}"]\n', "EXCLUDED"),
        ("[policy]\n", f'[policy]\nexclude = ["{table}"]\n', "EXCLUDED"),
        ("max_share_market = 0.5", "max_share_market = 0.1", "EXPOSURE_LIMIT"),
        ('idle_buffer = "500"', 'idle_buffer = "90000"', "BUFFER_TAKEN"),
    ):
        assert was in settings
        sandbox.config.write_text(settings.replace(was, now))
        assert code in approve(sandbox, plan, 4)
    sandbox.config.write_text(settings)

    set_feed(sandbox, 0.80)
    assert "DEPEGGED" in approve(sandbox, plan, 4)
    fresh = yieldbot("--json", "run", "--approve", "auto", cwd=sandbox.directory)
    (job,) = fresh.document["jobs"]
    assert fresh.code == 0 and job["plan"]["action"] == "hold"
    told = yieldbot("markets", cwd=sandbox.directory, environment={"COLUMNS": "250"}).out
    assert "0.8" in told or "off its dollar" in told, told
    assert sent(sandbox) == before

    set_feed(sandbox, 1.0)
    assert "alarm PEG" in approve(sandbox, plan, 4), "what fell once is not trusted again at once"
    off = '[policy]\nalarms = { off = ["PEG", "ORACLE"] }\n'  # ORACLE: Morpho's fixed price of ether was off in USDC
    sandbox.config.write_text(settings.replace("[policy]\n", off))
    approve(sandbox, plan, 0)
    assert sent(sandbox) > before
