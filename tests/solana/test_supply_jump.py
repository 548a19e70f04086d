"""A mint that grows by 60 % between two runs on a Solana cluster: the alarm stands in that cycle and the money leaves;
nodes that tell another supply are not believed."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace

from tests.kit.solana.world import sandbox as sandbox
from tests.kit.solana.world import world
from yieldbot.app import cycle
from yieldbot.chains.solana.observe import difference
from yieldbot.model.plan import LegKind
from yieldbot.model.tx import Confirmed
from yieldbot.protocols.solana.idle import MINT_SUPPLY_AT
from yieldbot.sandbox.solana.node import SvmSandbox


def mint_more(sandbox: SvmSandbox, mint: str, times: float) -> int:
    """The supply of a mint, times something, as its authority would have made it; what it is now."""
    account = sandbox.rpc("getAccountInfo", mint, {"encoding": "base64"})["value"]
    data = bytearray(base64.b64decode(account["data"][0]))
    raw = round(struct.unpack_from("<Q", data, MINT_SUPPLY_AT)[0] * times)
    struct.pack_into("<Q", data, MINT_SUPPLY_AT, raw)
    args = (account["lamports"], account["owner"], base64.b64encode(bytes(data)).decode())
    sandbox.rpc("svm_setAccount", mint, *args)
    return raw


async def test_a_mint_that_grows_is_left_in_that_cycle(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        first = await cycle.run_job(w, job)
        assert first.after is not None and not any(state.alarms for state in first.after.markets)
        before = first.after.supplies[job.asset.address]
        now = mint_more(sandbox, job.asset.address, 1.6)
        report = await cycle.run_job(w, job)
        seen = report.snapshot
        assert seen is not None and seen.supplies == {job.asset.address: now} and now == round(1.6 * before)
        for state in seen.markets:
            (alarm,) = (one for one in state.alarms if one.code == "SUPPLY_JUMP")
            assert state.leave and "the supply of USDC grew by 60%" in alarm.saw
        assert {leg.kind for leg, _ in report.outcomes} == {LegKind.WITHDRAW}
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert report.after is not None and not any(state.held.raw for state in report.after.markets)
        lie = replace(seen, supplies={job.asset.address: before})
        assert "it shows another supply of" in str(difference(seen, lie)) and difference(seen, seen) is None
        grown = replace(seen, growth={job.asset: 0.06})
        assert difference(seen, grown) == "it shows another growth of USDC" and difference(grown, grown) is None
