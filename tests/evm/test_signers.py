"""A plan's transactions signed by AWS KMS (moto over loopback) and by a Ledger (a double), mined by a real node."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.config.files import SETTINGS, WALLET, written
from tests.kit.contracts import mined
from tests.kit.kms_server import REGION, aws_environment, digests, make_key, served
from tests.kit.ledger_double import PATH, Ledger, UsbLibrary, key_of
from tests.kit.program import Ended, yieldbot
from tests.kit.small_market import FUNDS_RAW, SmallMarket
from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.signing.kms import KmsClient, KmsSigner
from yieldbot.chains.evm.signing.ledger import LedgerSigner
from yieldbot.chains.evm.signing.sign import EvmSigner
from yieldbot.cli.main import main
from yieldbot.errors import PendingError, SafetyError, TransientError
from yieldbot.journal.journal_entries import PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.settings import KmsKey, LedgerKey
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import MINT, Sandbox

RAW = 12_000 * 10**6
HOLDER = Address(key_of(PATH).public_key.to_checksum_address())


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a KMS that hashes what it is given once more; ``digests`` makes it sign as AWS does."""
    for name, value in aws_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with served() as url:
        yield url


def kms_key(url: str) -> KmsKey:
    return KmsKey(key_id=make_key(endpoint_url=url), region=REGION, endpoint_url=url)


def ledger(device: Ledger) -> LedgerSigner:
    return LedgerSigner(LedgerKey(path=PATH), HOLDER, device)


async def funded(market: SmallMarket, node: Node, owner: Address) -> SmallMarket:
    """The market with another owner, who holds as much."""
    theirs = replace(market, owner=owner)
    (sender, *_) = await node.request("eth_accounts", [])
    data = "0x40c10f19" + "00" * 12 + owner[2:] + f"{FUNDS_RAW:064x}"
    await node.request("eth_sendTransaction", [{"from": sender, "to": market.usdc_address, "data": data}])
    await node.request("evm_mine", [])
    await node.request("anvil_setBalance", [owner, hex(10**18)])
    return theirs


async def deposit(market: SmallMarket, node: Node, journal: Journal, signer: EvmSigner, **changes: Any) -> Any:
    theirs = await funded(market, node, signer.address)
    account = theirs.account(node, journal, signer=signer, **changes)
    plan = await theirs.plan(node, theirs.deposit_leg(RAW))
    if journal.plan(plan.id) is None:
        journal.append(PlanWritten(plan))
    return await execute_leg(account, theirs.approval(plan), theirs.deposit_work(RAW))


async def held(market: SmallMarket, node: Node, owner: Address) -> tuple[int, int]:
    found = await fetch_balances(node, owner, (market.usdc, market.shares))
    return found[market.usdc], found[market.shares]


async def test_a_deposit_signed_by_aws_kms(market: SmallMarket, aws: str) -> None:
    async with market.node() as node:
        with market.journal() as journal, digests():
            key = kms_key(aws)
            owner = KmsClient(key).address()
            result = await deposit(market, node, journal, KmsSigner(key, owner))
            assert result.done and len(result.outcomes) == 2, result
            assert await held(market, node, owner) == (FUNDS_RAW - RAW, RAW)
            assert await fetch_allowance(node, market.usdc.address, owner, market.market.address) == 0
            journal.verify()


async def test_a_deposit_signed_on_a_ledger(market: SmallMarket) -> None:
    device = Ledger()
    async with market.node() as node:
        with market.journal() as journal:
            result = await deposit(market, node, journal, ledger(device))
            assert result.done and len(result.outcomes) == 2, result
            assert await held(market, node, HOLDER) == (FUNDS_RAW - RAW, RAW)
            assert ["0x" + shown[5].hex() for shown in device.shown] == [
                market.usdc_address.lower(),
                market.vault_address.lower(),
            ]
            journal.verify()


async def test_a_signer_of_other_bytes_sends_nothing(market: SmallMarket, aws: str) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            key = kms_key(aws)
            hashes_again = KmsSigner(key, KmsClient(key).address())
            for signer in (hashes_again, ledger(Ledger(signs_another=True))):
                with pytest.raises(SafetyError, match="WRONG_KEY"):
                    await deposit(market, node, journal, signer)
                assert await node.nonce(signer.address, "pending") == 0
            assert journal.transactions() == ()


async def test_a_no_on_the_device_ends_the_leg_and_takes_back_what_was_allowed(market: SmallMarket) -> None:
    to_vault = bytes.fromhex(market.vault_address[2:])
    device = Ledger(person=lambda shown: shown[5] != to_vault)
    async with market.node() as node:
        with market.journal() as journal:
            result = await deposit(market, node, journal, ledger(device))
            assert result.declined is not None and result.declined.code == "HUMAN_REJECTED", result
            assert "refused on the Ledger" in result.declined.reason and result.declined.reason.startswith("deposit")
            assert [isinstance(outcome, Confirmed) for outcome in result.outcomes] == [True, True]
            assert await held(market, node, HOLDER) == (FUNDS_RAW, 0)
            assert await fetch_allowance(node, market.usdc.address, HOLDER, market.market.address) == 0
            assert len(device.shown) == 3
            stored = journal.plan("plan-1")
            assert stored is not None and stored.status is PlanStatus.REJECTED  # no failure of ours


@pytest.mark.parametrize("code", ["EXPIRED", "HALTED"])
async def test_what_ended_while_the_person_looked_is_not_sent(market: SmallMarket, code: str) -> None:
    late = False

    def person(shown: list[Any]) -> bool:
        nonlocal late
        late = True
        return True

    changes: dict[str, Any] = {
        "EXPIRED": {"now": lambda: int(time.time()) + (10_000 if late else 0)},
        "HALTED": {"halted": lambda: "a person said so" if late else None},
    }[code]
    async with market.node() as node:
        with market.journal() as journal:
            result = await deposit(market, node, journal, ledger(Ledger(person=person)), **changes)
            assert result.declined is not None and result.declined.code == code, result
            assert journal.transactions() == () and await node.nonce(HOLDER, "pending") == 0


async def test_a_device_that_is_gone_sends_nothing_and_a_replacement_is_noted(market: SmallMarket) -> None:
    device = Ledger()
    async with market.node() as node:
        with market.journal() as journal:
            device.state = 0x5515
            with pytest.raises(TransientError, match="unlock it"):
                await deposit(market, node, journal, ledger(device))
            assert journal.transactions() == ()
            device.state = 0x9000
            await node.request("evm_setAutomine", [False])
            stuck = replace(market.settings, replace_after_seconds=0.1, confirm_timeout_seconds=1.0)
            device.person = lambda shown: len(device.shown) == 1  # yes to the first, no to its replacement
            with pytest.raises(PendingError):
                await deposit(market, node, journal, ledger(device), settings=stuck)
            (tx,) = journal.transactions()
            assert [note for note in tx.notes if "HUMAN_REJECTED" in note] == list(tx.notes)
            device.state = 0x5515
            account = replace(market, owner=HOLDER).account(node, journal, signer=ledger(device), settings=stuck)
            with pytest.raises(PendingError):
                await settle(account)
            (tx,) = journal.transactions()
            assert any(note.startswith("not replaced: the Ledger is locked") for note in tx.notes)
            late = replace(account, now=lambda: int(time.time()) + 10_000)
            device.state, device.person = 0x9000, lambda shown: False
            with pytest.raises(PendingError, match=r"must be cancelled, but .* refused on the Ledger"):
                await settle(late)
            device.person = lambda shown: True
            await node.request("evm_setAutomine", [True])
            await node.request("evm_mine", [])
            (outcome,) = await settle(account)
            assert isinstance(outcome, Confirmed)


def test_the_program_finds_the_key_in_aws(tmp_path: Path, aws: str) -> None:
    key = kms_key(aws)
    owner = KmsClient(key).address()

    def run(*words: object) -> Ended:
        ended = yieldbot(*words, cwd=tmp_path, environment=aws_environment(tmp_path))
        assert "never-to-be-shown" not in ended.out + ended.err
        return ended

    flags = ("--kms", key.key_id, "--region", REGION, "--endpoint-url", aws)
    document = run("--json", "wallet", "address", *flags).document
    assert document["schema"] == "yieldbot/wallet-address/v1" and document["address"] == owner
    table = run("wallet", "address", *flags).out.partition("[[wallets]]\n")[2]
    settings = SETTINGS.replace(f'name = "main"\naddress = "{WALLET}"\nkeystore = "keys/main.json"\n', table)
    config = written(tmp_path, settings=settings)
    row = {row["what"]: row for row in run("--config", config, "--json", "check").document["checks"]}["wallet main"]
    assert row["ok"] and row["said"] == f"{owner}, AWS KMS has its key"
    (listed,) = run("--config", config, "--json", "wallet", "list").document["wallets"]
    assert (listed["wallet"], listed["kind"], listed["address"]) == ("main", "kms", owner)
    assert (listed["keystore"], listed["key_id"], listed["fault"]) == (None, key.key_id, None)
    config.write_text(config.read_text().replace(owner, WALLET))
    row = {row["what"]: row for row in run("--config", config, "--json", "check").document["checks"]}["wallet main"]
    assert not row["ok"] and row["remedy"].endswith("correct address or key_id")


def given_to(sandbox: Sandbox, owner: Address, table: str) -> None:
    """The sandbox's configuration with this wallet in place of its own, and money for it."""
    text = sandbox.config.read_text()
    before, _, rest = text.partition("[[wallets]]\n")
    _, _, jobs = rest.partition("[[jobs]]\n")
    sandbox.config.write_text(f"{before}[[wallets]]\n{table}\n[[jobs]]\n{jobs}")
    (sender, *_) = sandbox.rpc("eth_accounts")
    data = MINT + "00" * 12 + owner[2:] + f"{FUNDS_RAW:064x}"
    mined(sandbox, {"from": sender, "to": sandbox.addresses["usdc"], "data": data})
    sandbox.rpc("evm_mine")
    sandbox.rpc("anvil_setBalance", owner, hex(10**19))


def test_run_and_approve_sign_with_aws_kms(sandbox: Sandbox, aws: str) -> None:
    key = kms_key(aws)
    owner = KmsClient(key).address()
    keys = f'key_id = "{key.key_id}"\nregion = "{REGION}"\nendpoint_url = "{aws}"'
    given_to(sandbox, owner, f'name = "main"\naddress = "{owner}"\nkind = "kms"\n{keys}')
    environment = aws_environment(sandbox.directory)
    queued = yieldbot("--json", "run", cwd=sandbox.directory, environment=environment)
    assert queued.code == 3, queued.err
    with digests():
        (job,) = queued.document["jobs"]
        ended = yieldbot("--json", "approve", job["plan"]["id"], cwd=sandbox.directory, environment=environment)
    assert ended.code == 0, ended.err
    assert ended.err.count("asking AWS KMS for the key of wallet main") == 1
    assert "never-to-be-shown" not in ended.out + ended.err + (sandbox.directory / "journal.sqlite").read_text(
        "latin-1"
    )
    (job,) = ended.document["jobs"]
    assert all(tx["result"] == "confirmed" for tx in job["transactions"]) and job["transactions"]
    assert int(sandbox.rpc("eth_getTransactionCount", owner, "latest"), 16) == len(job["transactions"])


def test_run_check_and_wallet_use_the_ledger(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = Ledger()
    monkeypatch.setitem(sys.modules, "hid", UsbLibrary(device))
    given_to(sandbox, HOLDER, f'name = "main"\naddress = "{HOLDER}"\nkind = "ledger"\npath = "{PATH}"')

    def run(*words: str, code: int = 0) -> tuple[Any, str]:
        ended = main(["--config", str(sandbox.config), "--json", *words])
        said = capsys.readouterr()
        assert ended == code, said.err
        return json.loads(said.out), said.err

    found, _ = run("wallet", "address", "--ledger", PATH)
    assert (found["kind"], found["address"], found["path"]) == ("ledger", HOLDER, PATH)
    found, _ = run("wallet", "list")
    (listed,) = [row for row in found["wallets"] if row["wallet"] == "main"]
    assert (listed["kind"], listed["path"], listed["address"]) == ("ledger", PATH, HOLDER)
    found, _ = run("check")
    assert f"{HOLDER}, the Ledger has its key" in str(found)
    device.state = 0x5515
    found, _ = run("check", code=1)
    assert "unlock it with its PIN" in str(found)
    found, said = run("run", code=3)
    assert "Ledger" not in said  # nothing is signed: the device is not needed
    plan_id = found["jobs"][0]["plan"]["id"]
    found, _ = run("approve", plan_id, "-y", code=1)
    assert "the Ledger is locked" in found["jobs"][0]["skipped"]
    device.state = 0x9000
    found, said = run("approve", plan_id, "-y")
    assert said.count("confirm on the Ledger: ") == len(device.shown) == len(found["jobs"][0]["transactions"]) > 0
    assert all(tx["result"] == "confirmed" for tx in found["jobs"][0]["transactions"])
