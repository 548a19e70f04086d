"""``yieldbot allowances`` on a Solana cluster: who may take what out of our token accounts, and taking it back."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.program import yieldbot
from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.solana.execution.build import Bid, TxContext, TxStep, revocation, unsigned
from yieldbot.chains.solana.execution.judge import Rules, judge_revocation
from yieldbot.chains.solana.execution.revoke import effect_fault
from yieldbot.chains.solana.node.answers import AccountImage, Blockhash
from yieldbot.chains.solana.node.fork import Ran
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.plan import Declined
from yieldbot.model.settings import SvmLimits
from yieldbot.model.solana_tx import SvmApproved, SvmSimulated
from yieldbot.model.tx import Delta, SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, ata, key_bytes
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.node import SvmSandbox

THIEF, CLOSER, US = named("thief"), named("closer"), named("us")
CHAIN = ChainId("solana:x")
USDC = Token(CHAIN, named("mint"), "USDC", 6)


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def mine(sandbox: SvmSandbox) -> Address:
    return ata(Address(sandbox.wallet), Address(sandbox.addresses["usdc"]))


def account(sandbox: SvmSandbox) -> tuple[int, bytearray]:
    value = sandbox.rpc("getAccountInfo", mine(sandbox), {"encoding": "base64"})["value"]
    return value["lamports"], bytearray(base64.b64decode(value["data"][0]))


def allow(sandbox: SvmSandbox, *, delegate: str | None = None, closer: str | None = None) -> None:
    """What the owner's own wallet would have signed: SPL Token's Approve and SetAuthority."""
    lamports, data = account(sandbox)
    if delegate is not None:
        data[72:108] = struct.pack("<I32s", 1, key_bytes(Address(delegate)))
        data[121:129] = struct.pack("<Q", 250 * 10**6)
    if closer is not None:
        data[129:165] = struct.pack("<I32s", 1, key_bytes(Address(closer)))
    encoded = base64.b64encode(bytes(data)).decode()
    sandbox.rpc("svm_setAccount", mine(sandbox), lamports, TOKEN_PROGRAM, encoded)


def rows(sandbox: SvmSandbox, tmp_path: Path, *more: str) -> dict[str, Any]:
    document = yieldbot("--config", sandbox.config, "allowances", *more, "--json", cwd=tmp_path).document
    (one,) = document["accounts"]
    return {row["spender"]: row for row in one["allowances"]}


def test_delegates_and_close_authorities_are_listed(sandbox: SvmSandbox, tmp_path: Path) -> None:
    clean = yieldbot("--config", sandbox.config, "allowances", cwd=tmp_path)
    assert clean.code == 0 and "no allowance is given" in clean.out
    allow(sandbox, delegate=THIEF, closer=CLOSER)
    given = rows(sandbox, tmp_path)
    assert given[THIEF]["raw"] == str(250 * 10**6) and given[THIEF]["symbol"] == "USDC" and given[THIEF]["listed"]
    assert given[THIEF]["account"] == mine(sandbox) and given[THIEF]["right"] is None
    assert given[CLOSER]["right"] == "close it when it is empty, and have its SOL"


def test_a_delegate_is_taken_back_and_a_strangers_right_to_close_cannot_be(sandbox: SvmSandbox, tmp_path: Path) -> None:
    allow(sandbox, delegate=THIEF, closer=CLOSER)
    unasked = yieldbot("--config", sandbox.config, "allowances", "--revoke", cwd=tmp_path)
    assert unasked.code == 2 and "add --yes" in unasked.line and account(sandbox)[1][72] == 1
    before = account(sandbox)
    told = yieldbot("--config", sandbox.config, "allowances", "--revoke", "--yes", cwd=tmp_path)
    assert told.code == 1, "one of the two could not be taken back"
    assert f"take back that {THIEF} may take USDC out of {mine(sandbox)} (250 USDC)" in told.err
    assert f"{CLOSER} alone can give that right up" in told.err and "not revoked" in told.out
    after = account(sandbox)
    assert after[0] == before[0] and after[1][64:72] == before[1][64:72], "nothing moved"
    assert after[1][72:76] == bytes(4) and after[1][121:129] == bytes(8) and after[1][129] == 1
    given = rows(sandbox, tmp_path)
    assert list(given) == [CLOSER]
    events = yieldbot("--config", sandbox.config, "history", "--json", cwd=tmp_path).document["events"]
    assert [event["kind"] for event in events] == ["tx.signed", "tx.sent", "tx.settled"], (
        "written down before it is sent"
    )
    assert yieldbot("--config", sandbox.config, "history", "--verify", cwd=tmp_path).code == 0


def test_a_delegate_is_in_the_way_of_a_run_until_it_is_taken_back(sandbox: SvmSandbox, tmp_path: Path) -> None:
    allow(sandbox, delegate=THIEF)
    command = ("--config", sandbox.config, "run", "--approve", "auto", "--json")
    refused = yieldbot(*command, cwd=tmp_path)
    assert refused.code == 4 and refused.document["jobs"][0]["declined"]["code"] == "ALLOWANCE_LEFT"
    assert rows(sandbox, tmp_path, "--revoke", "--yes")[THIEF]["revoked"]["result"] == "confirmed"
    done = yieldbot(*command, cwd=tmp_path)
    assert done.code == 0 and [t["result"] for t in done.document["jobs"][0]["transactions"]] == ["confirmed"] * 3


def test_a_revocation_that_is_left_open_is_settled_by_the_next_command(sandbox: SvmSandbox, tmp_path: Path) -> None:
    allow(sandbox, delegate=THIEF)
    (chain,) = (sandbox.config.parent / "chains").glob("*.toml")
    patient = chain.read_text()
    chain.write_text(patient.replace("confirm_timeout_seconds = 90", "confirm_timeout_seconds = 0.01"))
    command = ("--config", sandbox.config, "allowances", "--revoke", "--yes")
    hasty = yieldbot(*command, cwd=tmp_path)
    assert hasty.code == 5 and "run again" in hasty.err
    chain.write_text(patient)
    run = yieldbot("--config", sandbox.config, "run", "--approve", "queue", "--json", cwd=tmp_path)
    (job,) = run.document["jobs"]
    assert [tx["result"] for tx in job["settled"]] == ["confirmed"] and run.code == 3
    after = yieldbot(*command, cwd=tmp_path)
    assert after.code == 0 and "no allowance is given" in after.out
    halted = yieldbot("--config", sandbox.config, "halt", cwd=tmp_path)
    allow(sandbox, delegate=THIEF)
    refused = yieldbot(*command, cwd=tmp_path)
    assert halted.code == 0 and refused.code == 4 and account(sandbox)[1][72] == 1, "nothing is signed while halted"


def test_a_right_to_close_of_another_wallet_of_ours_is_given_up_by_it(sandbox: SvmSandbox, tmp_path: Path) -> None:
    folder = sandbox.config.parent
    (folder / "second").write_text("a longer passphrase\n")
    (folder / "second").chmod(0o600)
    made = yieldbot(
        "--config", sandbox.config, "wallet", "new", "second", "--chain", "solana", "--passphrase-file",
        folder / "second", "--json", cwd=tmp_path,
    ).document  # fmt: skip
    with sandbox.config.open("a") as config:
        config.write(
            f'\n[[wallets]]\nname = "second"\naddress = "{made["address"]}"\n'
            f'keystore = "{made["keystore"]}"\npassphrase_file = "second"\n'
        )
    sandbox.rpc("svm_setAccount", made["address"], 10**9, SYSTEM_PROGRAM, "")
    allow(sandbox, closer=made["address"])
    given = rows(sandbox, tmp_path)[made["address"]]
    assert given["spender_name"] == "wallet second"
    assert rows(sandbox, tmp_path, "--revoke", "--yes")[made["address"]]["revoked"]["result"] == "confirmed"
    assert account(sandbox)[1][129:133] == bytes(4) and rows(sandbox, tmp_path) == {}
    # The wallet that signed paid for it, and nothing else of it moved.
    left = sandbox.rpc("getBalance", made["address"])["value"]
    assert 0 < 10**9 - left < 200_000


def given(right: str = "") -> GrantedAllowance:
    return GrantedAllowance(USDC, THIEF, 5, True, None, None, right, ata(US, USDC.address), TOKEN_PROGRAM)


def simulated(instruction: SvmInstruction, *more: SvmInstruction) -> SvmSimulated:
    context = TxContext(CHAIN, US, "revoke-1", 0, MarketId("allowance/solana/x"))
    tx = unsigned(TxStep((instruction, *more), TOKEN_PROGRAM), context, Bid(10_000, 1), Blockhash(named("hash"), 9, 1))
    assert not isinstance(tx, Declined)
    return SvmSimulated(tx, BlockRef(CHAIN, 1, "", 0), 1, (Delta(USDC, 0), Delta(USDC, -5000)))


def test_nothing_but_the_revocation_is_signed_as_one() -> None:
    rules = Rules(CHAIN, US, SvmLimits())
    good = revocation(given(), US)
    assert isinstance(judge_revocation(rules, given(), simulated(good)), SvmApproved)

    def code(found: SvmSimulated, rules: Rules = rules) -> str:
        said = judge_revocation(rules, given(), found)
        assert isinstance(said, Declined)
        return said.code

    steal = SvmInstruction(
        TOKEN_PROGRAM, (*good.accounts[:1], SvmMeta(THIEF), *good.accounts[1:]), b"\4" + bytes(8), ""
    )
    hand_over = replace(good, data=b"\x06\x02\x01" + key_bytes(THIEF))
    for wrong in (steal, hand_over, replace(good, program=THIEF), replace(good, data=b"\5\0")):
        assert code(simulated(wrong)) == "NOT_A_REVOCATION"
    assert code(simulated(good, hand_over)) == "NOT_A_REVOCATION"
    assert code(simulated(good, good)) == "NOT_A_REVOCATION"
    assert (
        code(simulated(replace(good, accounts=(SvmMeta(THIEF, writable=True), good.accounts[1])))) == "NOT_A_REVOCATION"
    )
    assert code(replace(simulated(good), deltas=(Delta(USDC, -1), Delta(USDC, -5000)))) == "DELTA_NOT_PLANNED"
    assert code(simulated(good), replace(rules, owner=THIEF)) == "SIGNER_NOT_SELF"
    assert (
        code(simulated(good), replace(rules, limits=replace(rules.limits, max_fee_lamports=1))) == "FEE_ABOVE_CEILING"
    )
    assert code(simulated(good), replace(rules, chain=ChainId("solana:y"))) == "NOT_A_REVOCATION"


def image(*, delegate: str | None = None, closer: str | None = None, amount: int = 7) -> AccountImage:
    data = bytearray(165)
    data[:32], data[32:64], data[64:72] = key_bytes(USDC.address), key_bytes(US), struct.pack("<Q", amount)
    if delegate:
        data[72:108], data[121:129] = struct.pack("<I32s", 1, key_bytes(Address(delegate))), struct.pack("<Q", 5)
    if closer:
        data[129:165] = struct.pack("<I32s", 1, key_bytes(Address(closer)))
    return AccountImage(2_039_280, TOKEN_PROGRAM, bytes(data))


def test_what_a_revocation_did_must_be_that_and_no_more() -> None:
    place = ata(US, USDC.address)
    wallet = AccountImage(10**9, SYSTEM_PROGRAM, b"")
    paid = replace(wallet, lamports=10**9 - 5000)

    def fault(after: AccountImage | None, right: str = "", wallet_after: AccountImage = paid) -> str | None:
        before = {place: image(delegate=THIEF, closer=CLOSER), US: wallet}
        ran = Ran(None, (), 1, 5000, before, {place: after, US: wallet_after})
        found = effect_fault(given(right), US, ran)
        return found.code if found else None

    assert fault(image(closer=CLOSER)) is None
    assert fault(image(delegate=THIEF), right="close it") is None
    assert fault(image()) == "ALLOWANCE_LEFT", "more was taken back than was asked for"
    assert fault(image(delegate=THIEF, closer=CLOSER)) == "ALLOWANCE_LEFT"
    assert fault(image(delegate=CLOSER, closer=CLOSER)) == "ALLOWANCE_LEFT"
    assert fault(image(closer=CLOSER, amount=6)) == "DELTA_NOT_PLANNED"
    assert fault(None) == "DELTA_NOT_PLANNED"
    assert fault(replace(image(closer=CLOSER), lamports=1)) == "DELTA_NOT_PLANNED"
    assert fault(image(closer=CLOSER), wallet_after=replace(paid, lamports=1)) == "DELTA_NOT_PLANNED"
