"""`yieldbot watch` on a local cluster: programs behind a multisig's vault, behind a key, and behind nobody known."""

from __future__ import annotations

import base64
from typing import Any

from solders.pubkey import Pubkey

from tests.kit.program import yieldbot
from tests.kit.solana.world import sandbox as sandbox
from tests.unit.chains.solana.test_multisigs import KEYS, v4
from yieldbot.chains.solana.multisigs import SQUADS_V4, SYSTEM
from yieldbot.config.load import load
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.sandbox.solana.node import SvmSandbox

MULTISIG, NONCE = KEYS[20], KEYS[21]
VAULT = Pubkey.find_program_address([b"multisig", bytes(MULTISIG), b"vault", b"\0"], Pubkey.from_string(SQUADS_V4))[0]
DATA = Pubkey.find_program_address([b"data"], Pubkey.from_string(UPGRADEABLE_LOADER))[0]


def put(sandbox: SvmSandbox, at: Pubkey, data: bytes, program: str, *, executable: bool = False) -> None:
    sandbox.rpc("svm_setAccount", str(at), 10**9, program, base64.b64encode(data).decode(), executable)


def deployed(sandbox: SvmSandbox, by: Pubkey, slot: int = 1) -> None:
    head = b"\x03\0\0\0" + slot.to_bytes(8, "little") + b"\x01" + bytes(by)
    put(sandbox, DATA, head, UPGRADEABLE_LOADER)


def looked(sandbox: SvmSandbox) -> Any:
    ended = yieldbot("--json", "watch", cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    (job,) = ended.document["jobs"]
    assert job["skipped"] is None
    return job


def test_a_multisig_behind_a_program_is_named_and_what_weakens_it_is_left(sandbox: SvmSandbox) -> None:
    chain = load(sandbox.config).jobs[0].chain
    program = next(one.params["program"] for one in chain.deployments if one.protocol == "kamino_lend")
    file = next(sandbox.directory.rglob(f"{chain.name}.toml"))
    text = file.read_text()
    put(sandbox, Pubkey.from_string(program), b"\x02\0\0\0" + bytes(DATA), UPGRADEABLE_LOADER)
    deployed(sandbox, VAULT)
    put(sandbox, MULTISIG, v4(2, lock=3600), SQUADS_V4)
    nonce = (1).to_bytes(4, "little") * 2 + bytes(KEYS[1]) + bytes(KEYS[2]) + (5000).to_bytes(8, "little")
    put(sandbox, NONCE, nonce, SYSTEM)

    def who(job: Any) -> str:
        mine = [one for one in job["markets"] if one["market_id"].startswith("kamino_lend")]
        return str(mine[0]["contracts"][0]["holders"][0]["who"])

    first = looked(sandbox)
    assert who(first).startswith("contract") and not first["alarms"], "a vault says not whose it is"
    named = f'multisigs = ["{MULTISIG}"]\ndurable_nonces = ["{NONCE}"]\n'
    file.write_text(text.replace("\n[native]", f"{named}\n[native]", 1) if "\n[native]" in text else named + text)
    second = looked(sandbox)
    assert who(second).startswith("multisig 2 of 3, 1 h") and not second["alarms"]
    mine = next(one for one in second["markets"] if one["market_id"].startswith("kamino_lend"))
    assert mine["contracts"][0]["created_at"] is not None
    put(sandbox, NONCE, nonce[:40] + bytes(KEYS[4]) + nonce[72:], SYSTEM)
    used = looked(sandbox)
    assert any("durable nonce" in line for one in used["messages"] for line in one["lines"])
    put(sandbox, MULTISIG, v4(2, [(key, 7) for key in (KEYS[1], *KEYS[30:34])]), SQUADS_V4)
    weak = looked(sandbox)
    saw = [
        (one["code"], one["act"], one["saw"]) for one in weak["alarms"] if one["market_id"].startswith("kamino_lend")
    ]
    assert saw and saw[0][:2] == ("CONTROL_WEAKER", "leave") and "1 h of warning before" in saw[0][2]
    deployed(sandbox, KEYS[40])
    alone = looked(sandbox)
    assert who(alone).startswith("one key") and any("one key now" in one["saw"] for one in alone["alarms"])
