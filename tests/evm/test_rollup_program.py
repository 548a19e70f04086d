"""A sandbox as an OP chain, with OP's real predeploys: every command that signs asks for the very bytes, and the fees
are in the plan, in its limits and in the books."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.rollup import OpNode, serving
from tests.kit.evm.allowances import STRANGER, allow
from tests.kit.evm.home import Home
from tests.kit.evm.liquidity import GIVE, POOL, fund, within
from tests.kit.evm.rollups import bytes_of
from tests.kit.evm.safe import Safe
from tests.kit.evm.several_assets import dollars
from tests.kit.op_fees import fastlz_length
from tests.kit.program import yieldbot
from tests.kit.traded import pool_sandbox
from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.rollups import GAS_PRICE_ORACLE
from yieldbot.chains.evm.signing.safe_tx import EXEC, unsigned_yet
from yieldbot.config.load import load
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.rollup import Era, L1Fees, put_op_stack

__all__ = ["dollars", "pool_sandbox"]  # fixtures
TOLD_WEI = 123_456_789_000_000
FEES = L1Fees(operator_constant_wei=10**12, operator_scalar=10**9)


def put(sandbox: Sandbox, fees: L1Fees) -> None:
    async def run() -> None:
        async with sandbox.node() as node:
            await put_op_stack(node, Era.ISTHMUS, fees)

    asyncio.run(run())


@contextmanager
def op_chain(sandbox: Sandbox) -> Iterator[OpNode]:
    """The sandbox behind an OP chain's node, configured as one."""
    put(sandbox, FEES)
    chain = sandbox.directory / "chains" / "sandbox.toml"
    chain.write_text('fee_kind = "op-stack"\n' + chain.read_text())
    with serving(OpNode(sandbox.rpc_url, FEES, TOLD_WEI)) as double:
        assert isinstance(double, OpNode)
        environment = sandbox.directory / ".env"
        environment.write_text(environment.read_text().replace(sandbox.rpc_url, double.url))
        yield double


def signed_bytes(sandbox: Sandbox) -> list[bytes]:
    with Journal.open(load(sandbox.directory / "yieldbot.toml").data_dir / "journal.sqlite") as journal:
        return [bytes_of(tx.signed) for tx in journal.transactions()]


def asked_for_all(sandbox: Sandbox, double: OpNode, least: int) -> None:
    signed = signed_bytes(sandbox)
    assert len(signed) >= least
    assert not [data for data in signed if data not in double.fee_asks], "signed without asking what its data costs"


def plan_of(home: Home) -> Any:
    (job,) = home.json("plan")["jobs"]
    return job["plan"]


def test_a_plan_its_limits_and_its_books_have_the_fees(sandbox: Sandbox) -> None:
    with op_chain(sandbox) as double:
        home = Home(sandbox)
        put(sandbox, replace(FEES, operator_constant_wei=5 * 10**18))
        held = plan_of(home)
        assert held["action"] == "hold", "what costs more than it gains is not done"
        put(sandbox, replace(FEES, operator_constant_wei=10**14))
        dear = plan_of(home)
        assert dear["action"] == "move"
        put(sandbox, FEES)
        (dry,) = home.json("dry-run")["jobs"]
        rehearsal, plan = dry["rehearsal"], dry["plan"]
        assert int(rehearsal["l1_fee_wei"]) > 0 and int(rehearsal["operator_fee_wei"]) > 0 == rehearsal["l1_gas"]
        assert len(plan["legs"]) == len(dear["legs"])
        each = 0.0001 * 3_000  # ether to a transaction's operator, at the sandbox's price
        more = float(dear["cost"]) - float(plan["cost"])
        count = sum(2 if leg["kind"] == "deposit" else 1 for leg in plan["legs"])  # an allowance before each deposit
        assert more == pytest.approx(each * count, rel=0.02)

        asked = len(double.fee_asks)
        (done,) = home.json("run", "--approve", "auto")["jobs"]
        assert done["transactions"] and all(tx["result"] == "confirmed" for tx in done["transactions"])
        asked_for_all(sandbox, double, len(done["transactions"]))
        assert len(double.fee_asks) - asked <= len(done["transactions"]), "one question a transaction on the chain"
        with Journal.open(load(sandbox.directory / "yieldbot.toml").data_dir / "journal.sqlite") as journal:
            outcomes = [tx.outcome for tx in journal.transactions()]
        for outcome in outcomes:
            assert isinstance(outcome, Confirmed) and outcome.fee_raw is not None
            operator = outcome.gas_used * FEES.operator_scalar // 10**6 + FEES.operator_constant_wei
            assert outcome.fee_raw == outcome.gas_used * outcome.gas_price_wei + TOLD_WEI + operator

        allow(sandbox, sandbox.addresses["usdc"], STRANGER, 5_000_000)
        put(sandbox, replace(FEES, operator_constant_wei=10**17))
        native = sandbox.rpc("eth_getBalance", sandbox.wallet, "latest")
        sandbox.rpc("anvil_setBalance", sandbox.wallet, hex(10**16))
        ended = home.run("allowances", "--revoke", "--yes")
        assert ended.code != 0 and "cannot be revoked: gas may cost up to" in ended.err and "data on L1" in ended.err
        assert len(signed_bytes(sandbox)) == len(outcomes), "told before anything is signed"
        put(sandbox, FEES)
        sandbox.rpc("anvil_setBalance", sandbox.wallet, native)
        home.json("allowances", "--revoke", "--yes")
        asked_for_all(sandbox, double, len(outcomes) + 1)


def test_check_and_every_run_notice_a_wrong_kind(sandbox: Sandbox) -> None:
    chain = sandbox.directory / "chains" / "sandbox.toml"
    plain = chain.read_text()
    home = Home(sandbox)
    with op_chain(sandbox):
        right = {row["what"]: row for row in home.json("check")["checks"]}["sandbox fee_kind"]
        assert right["ok"] and right["said"].startswith("op-stack, a transaction pays about 0.0")
        chain.write_text(plain)
        wrong = {row["what"]: row for row in home.json("check", code=2)["checks"]}["sandbox fee_kind"]
        assert not wrong["ok"] and GAS_PRICE_ORACLE in wrong["said"]
        assert wrong["remedy"] == 'write fee_kind = "op-stack" into chains/sandbox.toml'
        ended = home.run("run", "--approve", "auto")
        assert ended.code == 2 and ended.err.splitlines()[-1].endswith(wrong["remedy"])
        assert sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest") == "0x0"
        chain.write_text('fee_kind = "op"\n' + plain)
        assert "fee_kind" in home.run("check").err


def test_swaps_ask_for_their_bytes(dollars: Sandbox) -> None:
    with op_chain(dollars) as double:
        (done,) = Home(dollars).json("run", "--approve", "auto")["jobs"]
        assert any(leg["kind"] == "swap" for leg in done["plan"]["legs"])
        asked_for_all(dollars, double, 4)


def test_a_safes_transaction_is_weighed_with_its_data_and_every_signature(sandbox: Sandbox) -> None:
    safe = Safe(sandbox)
    with op_chain(sandbox) as double:
        plan_id = safe.json("run", "--approve", "queue", code=3)["jobs"][0]["plan"]["id"]
        (job,) = safe.json("approve", plan_id, code=3)["jobs"]
        batch = bytes.fromhex(job["proposed"]["safe_transaction"]["data"][2:])
        (asked,) = [data for data in double.fee_asks if selector(EXEC) in data]
        assert batch in asked and unsigned_yet(2) in asked, "signatures of two owners"
        assert len(unsigned_yet(2)) == 130 <= fastlz_length(unsigned_yet(2)), "which no compression makes shorter"


def test_liquidity_asks_for_its_bytes(pool_sandbox: Sandbox, tmp_path: Path) -> None:
    within(pool_sandbox, fund)
    with op_chain(pool_sandbox) as double:
        words = ("--config", pool_sandbox.config, "lp", "add", POOL, *GIVE, "--range", "2800:3200", "--anyway")
        added = yieldbot(*words, "--yes", "--json", cwd=tmp_path)
        assert added.code == 0, added.err
        assert int(added.document["rehearsal"]["l1_fee_wei"]) > 0
        asked_for_all(pool_sandbox, double, 3)
