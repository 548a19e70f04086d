"""On Solana too no command puts money into a market that a veto names, not even a plan that waited from before it."""

from __future__ import annotations

from tests.kit.solana.world import sandbox as sandbox
from tests.solana.test_exit import job, run
from yieldbot.sandbox.solana.node import SvmSandbox


def test_what_the_policy_names_is_entered_by_no_door(sandbox: SvmSandbox) -> None:
    queued = job(run(sandbox, "run"), 3)
    assert {leg["kind"] for leg in queued["plan"]["legs"]} == {"deposit"}
    text = sandbox.config.read_text()
    for line, said in (('blacklist = ["USDC"]', "BLACKLIST"), ("min_safety = 100", "below min_safety 100")):
        sandbox.config.write_text(text.replace("[policy]\n", f"[policy]\n{line}\n", 1))
        refused = job(run(sandbox, "approve", queued["plan"]["id"]), 4)
        assert refused["declined"]["code"] == "MARKET_VETOED" and said in refused["declined"]["reason"]
        for words in (("run", "--approve", "auto"), ("plan",), ("plan", "--wealth", "1000000")):
            assert job(run(sandbox, *words))["plan"]["action"] == "hold", (line, words)
    sandbox.config.write_text(text)
    done = job(run(sandbox, "approve", queued["plan"]["id"]))
    assert done["transactions"], "the same plan once the veto is gone"
