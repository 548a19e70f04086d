"""Merkl's rewards through the whole job: answers made by hand on a server of this machine, the Distributor's double."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.kit import incentives
from tests.kit.evm.world import transactions, world
from tests.kit.incentives import ONE, Incentives
from yieldbot.app import cycle
from yieldbot.config.load import load
from yieldbot.execution.approvals import Auto
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.rewards import Reward
from yieldbot.model.settings import Merkl, Settings
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox
TOTAL = 250 * ONE
CHAIN = 31337


@contextmanager
def api(body: bytes, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every GET so; its URL and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def said(owner: str, token: str, total_raw: int, proof: list[bytes]) -> bytes:
    reward = {
        "amount": str(total_raw),
        "claimed": "0",
        "proofs": ["0x" + node.hex() for node in proof],
        "recipient": owner,
        "token": {"address": token, "chainId": CHAIN, "symbol": "RWD", "decimals": 18},
    }
    return json.dumps(incentives.answer(CHAIN, [reward])).encode()


async def owing(sandbox: Sandbox, total_raw: int = TOTAL) -> tuple[Settings, Incentives, list[bytes]]:
    """Settings of one market, the distributions, and our proof in the tree whose root the double has."""
    settings = load(sandbox.directory / "yieldbot.toml")
    (job,) = settings.jobs
    async with sandbox.node() as node:
        found = await incentives.deploy(node, sandbox.addresses)
        owner, token = job.wallet.address, found.token.address
        others = [incentives.leaf("0x" + f"{i:040x}", token, i * ONE) for i in range(1, 5)]
        root, proofs = incentives.tree([*others, incentives.leaf(owner, token, total_raw)])
        await found.d.send(found.distributor, "setRoot", root)
    chain = found.chain(job.chain)
    kept = tuple(replace(d, params=p.params) for d, p in zip(chain.deployments, job.chain.deployments, strict=True))
    job = replace(job, chain=replace(chain, deployments=tuple(d for d in kept if d.name == "Drip Vault")))
    return replace(settings, jobs=(job,)), found, proofs[4]


def asking(settings: Settings, found: Incentives, url: str) -> Settings:
    (job,) = settings.jobs
    merkl = Merkl(distributor=found.distributor.address, url=url)
    return replace(settings, jobs=(replace(job, chain=replace(job.chain, merkl=merkl)),))


def wallet(snapshot: Snapshot) -> tuple[tuple[Reward, ...], tuple[str, ...]]:
    (idle,) = (state for state in snapshot.states.values() if state.market.kind is Kind.IDLE)
    return idle.rewards, idle.flags


async def test_what_the_chain_proves_is_claimed_once(sandbox: Sandbox) -> None:
    plain, found, proof = await owing(sandbox)
    owner = plain.jobs[0].wallet.address
    with api(said(owner, found.token.address, TOTAL, proof)) as (url, asked):
        settings = asking(plain, found, url)
        (job,) = settings.jobs
        with world(sandbox, Auto, settings) as w:
            (reward,), flags = wallet(await cycle.observe_job(w, job))
            assert reward.claimable.raw == TOTAL and reward.price == 2.0 and flags == ()
            report = await cycle.run_job(w, job)
            plan = report.decision.outcome
            assert isinstance(plan, Plan) and [leg.kind for leg in plan.legs] == [LegKind.CLAIM]
            ((leg, outcome),) = report.outcomes
            assert isinstance(outcome, Confirmed) and leg.gets == reward.claimable
            assert {d.raw for d in outcome.deltas if d.token == reward.token} == {TOTAL}
            (after,), _ = wallet(await cycle.observe_job(w, job))
            assert (after.claimable.raw, after.in_wallet.raw) == (0, TOTAL)
            moved = await cycle.run_job(
                w, job
            )  # the claim brings more than the moves within the horizon: it went first
            assert moved.outcomes and {leg.kind for leg, _ in moved.outcomes} <= {LegKind.DEPOSIT, LegKind.WITHDRAW}
            sent = transactions(sandbox)
            await cycle.run_job(w, job)
            assert transactions(sandbox) == sent
        assert set(asked) == {f"/v4/users/{owner}/rewards?chainId={CHAIN}"}


@pytest.mark.parametrize("lie", ["amount", "proof", "token"])
async def test_an_answer_that_the_root_does_not_prove_counts_nothing(sandbox: Sandbox, lie: str) -> None:
    plain, found, proof = await owing(sandbox)
    owner, token, total_raw = plain.jobs[0].wallet.address, found.token.address, TOTAL
    if lie == "amount":
        total_raw *= 1000
    elif lie == "proof":
        proof = [*proof, bytes(32)]
    else:
        token = sandbox.addresses["usdc"]
    with api(said(owner, token, total_raw, proof)) as (url, _):
        settings = asking(plain, found, url)
        with world(sandbox, Auto, settings) as w:
            assert wallet(await cycle.observe_job(w, settings.jobs[0])) == ((), ("merkl-not-proven",))


@pytest.mark.parametrize(("body", "status"), [(b"{}", 200), (b"[]", 500), (b"[" * 2000, 200), (b"[]" * 2**20, 200)])
async def test_without_an_answer_the_markets_stand(sandbox: Sandbox, body: bytes, status: int) -> None:
    settings = load(sandbox.directory / "yieldbot.toml")
    (job,) = settings.jobs
    with api(body, status) as (url, asked):
        merkl = Merkl(distributor=job.asset.address, url=url)
        job = replace(job, chain=replace(job.chain, merkl=merkl))
        with world(sandbox, Auto, settings) as w:
            snapshot = await cycle.observe_job(w, job)
    assert asked and wallet(snapshot) == ((), ("merkl-not-read",)) and len(snapshot.states) > 5


async def test_a_distributor_that_pays_less_than_it_owes_is_found_by_the_rehearsal(sandbox: Sandbox) -> None:
    """Two million are proven, one million is there."""
    total_raw = 2 * 10**6 * ONE
    plain, found, proof = await owing(sandbox, total_raw)
    owner = plain.jobs[0].wallet.address
    with api(said(owner, found.token.address, total_raw, proof)) as (url, _):
        settings = asking(plain, found, url)
        with world(sandbox, Auto, settings) as w:
            await cycle.run_job(w, settings.jobs[0])
            sent = transactions(sandbox)
            report = await cycle.run_job(w, settings.jobs[0])
            assert report.declined is not None and report.declined.code == "WOULD_REVERT"
            assert transactions(sandbox) == sent
