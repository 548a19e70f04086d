"""A Safe as the account, with Safe's own contracts (v1.4.1): its plan becomes one Safe transaction of its owners."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.contracts import call, calldata, send
from tests.kit.evm.home import Home
from tests.kit.evm.safe import FUNDS_RAW, Safe
from tests.kit.evm.safe import service as service
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.app.wiring import Keyless
from yieldbot.chains.evm.signing.safe_tx import FIELDS, SafeTx, batch, calls_in, packed, unpacked
from yieldbot.config.load import load
from yieldbot.errors import ConfigError
from yieldbot.model.ids import Address
from yieldbot.model.tx import EvmCall
from yieldbot.sandbox.evm.node import Sandbox


@pytest.fixture
def safe(sandbox: Sandbox) -> Safe:
    return Safe(sandbox)


def test_a_plan_is_proposed_confirmed_by_another_owner_and_earns(safe: Safe) -> None:
    checks = {row["what"]: row for row in safe.json("check")["checks"]}
    assert "2 of 3 owners must sign" in checks["wallet treasury on sandbox"]["said"]
    (dry,) = safe.json("dry-run")["jobs"]
    assert dry["declined"]["code"] == "DRY_RUN" and dry["rehearsal"]["legs"]

    queued = safe.json("run", "--approve", "queue", code=3)
    plan_id = queued["jobs"][0]["plan"]["id"]
    (job,) = safe.json("approve", plan_id, code=3)["jobs"]
    document = job["proposed"]["safe_transaction"]
    assert document["safe"] == safe.address and document["sender"] == safe.sandbox.wallet and document["operation"] == 1
    assert job["proposed"]["threshold"] == 2 and set(job["proposed"]["owners"]) == set(safe.owners)
    kept = load(safe.sandbox.config).data_dir / "proposals" / f"{job['proposed']['hash']}.json"
    assert json.loads(kept.read_text()) == document and kept.stat().st_mode & 0o777 == 0o600
    assert safe.balance() == FUNDS_RAW and not job["transactions"], "nothing was sent"
    asked = [document[name] for name, _ in FIELDS]
    kinds = ",".join(kind for _, kind in FIELDS)
    values = [int(v) if k.startswith("uint") else v for v, (_, k) in zip(asked, FIELDS, strict=True)]
    values[2] = bytes.fromhex(document["data"][2:])
    said = call(safe.sandbox, safe.address, f"getTransactionHash({kinds})", *values)
    assert "0x" + said.hex() == job["proposed"]["hash"], "the hash is the one that the Safe itself computes"
    (stored,) = safe.json("history", "--plans")["plans"]
    assert stored["status"] == "handed over"

    once_more = safe.json("run", "--approve", "queue", code=3)["jobs"][0]["plan"]["id"]
    (job,) = safe.json("approve", once_more, code=3)["jobs"]
    assert job["declined"]["code"] == "WAITS_FOR_OWNERS" and job["proposed"] is None, "not one proposal after the other"
    safe.execute(document)
    safe.sandbox.warp(30)
    (held,) = safe.json("positions")["jobs"]
    assert held["owner"] == safe.address and sum(int(p["held"]["raw"]) for p in held["positions"]) > FUNDS_RAW * 0.99
    put_in = [int(position["pnl"]["put_in"]["raw"]) for position in held["positions"]]
    assert FUNDS_RAW - sum(put_in) == int(held["idle"]["raw"]), "what its owners carried out is in the books"
    assert all(
        int(p["pnl"]["earned"]["raw"]) == int(p["held"]["raw"]) - n > 0
        for p, n in zip(held["positions"], put_in, strict=True)
    )
    books = safe.json("export")
    assert books["content"].count(",deposit,") == len(put_in) and all(
        check["explained"] for check in books["accounts"][0]["checks"]
    )
    for name in ("aave_pool", "comet", "metamorpho", "drip"):
        spender = safe.sandbox.addresses[name]
        left = call(safe.sandbox, safe.sandbox.addresses["usdc"], "allowance(address,address)", safe.address, spender)
        assert int.from_bytes(left) == 0
    again = safe.run("approve", plan_id)
    assert again.code == 4 and "PLAN_CLOSED" in again.line


def test_who_is_no_owner_proposes_nothing(safe: Safe) -> None:
    before, other = "0x" + "00" * 19 + "01", "0x" + "99" * 20
    swap = calldata("swapOwner(address,address,address)", before, safe.sandbox.wallet, other)
    send(safe.sandbox, safe.address, swap, sender=safe.address)
    ended = safe.run("check")
    assert ended.code == 2 and "is no owner of it; name an owner's wallet, one of" in ended.out
    (job,) = safe.json("run", "--approve", "auto", code=4)["jobs"]
    assert job["declined"]["code"] in ("NOT_AN_OWNER", "POLICY_LIMIT")


def test_the_proposal_is_posted_to_the_service(sandbox: Sandbox, service: tuple[str, list[tuple[str, Any]]]) -> None:
    url, got = service
    safe = Safe(sandbox, url)
    for number, said in ((1, "the Safe's transaction service has it"), (2, "127.0.0.1 refused it with HTTP 422")):
        for file in load(sandbox.config).data_dir.glob("journal.sqlite*"):
            file.unlink()  # as if no proposal waited
        plan_id = safe.json("run", "--approve", "queue", code=3)["jobs"][0]["plan"]["id"]
        ended = safe.run("--json", "approve", plan_id)
        assert ended.code == 3 and said in ended.err
        (job,) = ended.document["jobs"]
        path, body = got[number - 1]
        assert path == f"/api/v1/safes/{safe.address}/multisig-transactions/"
        assert body == job["proposed"]["safe_transaction"]


def test_a_wallet_that_cannot_sign_for_a_safe_is_refused_when_loading(sandbox: Sandbox) -> None:
    config = sandbox.config.read_text()
    for owner in ("nobody", "treasury"):
        table = f'\n[[wallets]]\nname = "treasury"\nkind = "safe"\naddress = "{sandbox.wallet}"\nowner = "{owner}"\n'
        sandbox.config.write_text(config + table)
        ended = Home(sandbox).run("check")
        assert ended.code == 2 and "is no wallet of kind keystore or kms: name one whose key is an owner" in ended.line


async def test_a_signer_that_cannot_sign_for_a_safe_ends_the_job(safe: Safe) -> None:
    plan_id = safe.json("run", "--approve", "queue", code=3)["jobs"][0]["plan"]["id"]
    with world(safe.sandbox, plan_id) as w:
        unable = replace(w, signer_of=Keyless)
        with pytest.raises(ConfigError, match="wallet treasury: its owner's key cannot sign for a Safe"):
            await cycle.approve_queued(unable, plan_id)


SAFE, BATCH = Address("0x" + "5a" * 20), Address("0x" + "6b" * 20)
CALLS = st.lists(
    st.builds(
        lambda to, inside: EvmCall(Address("0x" + to.hex()), inside, 0, ""),
        st.binary(min_size=20, max_size=20),
        st.binary(max_size=70),
    ),
    max_size=4,
)


@given(CALLS, st.integers(0, 2**32))
def test_a_batch_says_again_what_was_packed(calls: list[EvmCall], nonce: int) -> None:
    tx = batch(SAFE, 1, calls, BATCH, nonce)
    assert calls_in(tx, BATCH) == [(one.to.lower(), one.data) for one in calls]
    assert unpacked(packed(calls)) == [(0, one.to.lower(), 0, one.data) for one in calls]


@given(CALLS.filter(bool), st.data())
def test_no_change_of_a_batch_goes_unnoticed(calls: list[EvmCall], draw: st.DataObject) -> None:
    tx = batch(SAFE, 1, calls, BATCH, 0)
    place = draw.draw(st.integers(0, len(tx.data) - 1))
    bits = draw.draw(st.integers(1, 255))
    changed = bytes(b ^ bits if i == place else b for i, b in enumerate(tx.data))
    mutant = SafeTx(SAFE, 1, BATCH, changed, 1, 0)
    with contextlib.suppress(ValueError):
        assert calls_in(mutant, BATCH) != calls_in(tx, BATCH)
    assert mutant.hash != tx.hash


def test_only_batches_of_the_chains_own_contract_are_read() -> None:
    tx = batch(SAFE, 1, [EvmCall(SAFE, b"x", 0, "")], BATCH, 0)
    for bad in (SafeTx(SAFE, 1, SAFE, tx.data, 1, 0), SafeTx(SAFE, 1, BATCH, tx.data, 0, 0)):
        with pytest.raises(ValueError):
            calls_in(bad, BATCH)
    delegating = b"\x01" + packed([EvmCall(SAFE, b"x", 0, "")])[1:]
    data_of = tx.data[:4] + encode(["bytes"], [delegating])
    with pytest.raises(ValueError, match="delegates or sends value"):
        calls_in(SafeTx(SAFE, 1, BATCH, data_of, 1, 0), BATCH)
    assert decode(["bytes"], data_of[4:]) == (delegating,)
