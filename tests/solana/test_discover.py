"""``yieldbot discover`` on the local cluster: accounts of the programs' doubles, listed by the node, each confirmed."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.program import yieldbot
from yieldbot.config.load import load
from yieldbot.sandbox.solana.node import SvmSandbox

KINDS = ("kamino_lend", "save", "marginfi")


def discovered(sandbox: SvmSandbox, *flags: str, code: int = 0) -> Any:
    ended = yieldbot("--json", "discover", *flags, cwd=sandbox.directory)
    assert ended.code == code, ended.err
    (chain,) = json.loads(ended.out)["chains"]
    assert chain["skipped"] is None
    return chain


def test_the_accounts_of_every_program_are_found_and_read(solana_sandbox: SvmSandbox) -> None:
    chain = next(iter(load(solana_sandbox.config).chains.values()))
    programs = {one.protocol: one.params["program"] for one in chain.deployments if one.protocol in KINDS}
    file = solana_sandbox.directory / "chains" / f"{chain.name}.toml"
    tables = [
        f'\n[[registries]]\nkind = "{kind}"\nname = "{kind}"\nprogram = "{program}"\n'
        for kind, program in programs.items()
    ]
    file.write_text(file.read_text() + "".join(tables))
    assert set(programs) == set(KINDS)
    seen = discovered(solana_sandbox)
    listed = {
        key
        for one in chain.deployments
        if one.protocol in KINDS
        for name in ("reserves", "banks", "pools")
        for key in one.params.get(name, ())
        if set(one.assets) & {token for job in load(solana_sandbox.config).jobs for token in job.assets}
    }
    markets = {one["key"]: one for one in seen["markets"]}
    assert {key for key, one in markets.items() if one["state"] == "listed"} <= listed and markets
    assert {one["protocol"] for one in markets.values()} == set(KINDS)
    assert all(one["safety"] is not None and one["quoted_apy"] is not None for one in markets.values()), markets
    assert all(one["supplied"] > 0.0 and one["unfit"] is None for one in markets.values())
    assert not [note for one in seen["registries"] for note in one["notes"]]
    foreign = file.read_text().replace(programs["save"], chain.tokens["USDC"].address)
    file.write_text(foreign)
    again = discovered(solana_sandbox)
    assert len(again["markets"]) == len(markets) - sum(one["protocol"] == "save" for one in markets.values())
