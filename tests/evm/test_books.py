"""Books of real runs on the sandbox: what the journal and the chain tell together, to the unit."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from tests.kit.contracts import calldata, send
from tests.kit.evm.home import Home
from yieldbot.app.account_entries import hashes
from yieldbot.books.chain_record import quote_of, wallet_sums
from yieldbot.books.entries import from_journal
from yieldbot.books.ledger import RowKind, post
from yieldbot.books.recorded_prices import recorded_prices
from yieldbot.chains.evm import account_history as evm
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.ports import AccountHistoryRequest
from yieldbot.config.load import load
from yieldbot.errors import NodeRefused
from yieldbot.journal.store import Journal
from yieldbot.model.settings import ChainSettings
from yieldbot.sandbox.evm.node import Sandbox

STRANGER = "0x000000000000000000000000000000000000dEaD"


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def run(home: Home) -> Any:
    (job,) = home.json("run", "--approve", "auto")["jobs"]
    assert job["transactions"] and all(tx["result"] == "confirmed" for tx in job["transactions"]), job
    return job


def leave(home: Home) -> None:
    """Risk that no yield pays for, so that the next run takes everything out."""
    risky = re.sub(
        r"^(aave_v3|compound_v3|morpho_blue|erc4626) = \d+$", r"\1 = 9000", home.sandbox.config.read_text(), flags=re.M
    )
    home.sandbox.config.write_text(re.sub(r'^(auto_max_\w+) = "\d+"$', r'\1 = "900000"', risky, flags=re.M))


def usdc(home: Home) -> int:
    data = "0x" + calldata("balanceOf(address)", home.sandbox.wallet).hex()
    return int(home.sandbox.rpc("eth_call", {"to": home.sandbox.addresses["usdc"], "data": data}, "latest"), 16)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def total(found: list[dict[str, str]], token: str, column: str = "amount") -> Decimal:
    return sum((Decimal(row[column] or 0) for row in found if row["token"] == token), Decimal(0))


def loaded(text: str) -> Any:
    """The entries of a file that Beancount itself reads and checks: every transaction and every balance."""
    from beancount import loader

    entries, errors, _ = loader.load_string(text)
    assert errors == [], errors
    return entries


def test_what_a_month_earned_is_what_the_wallet_has_more(home: Home) -> None:
    """In, a month, out: profit and loss, interest and fees, each equal to the balance's change to the unit."""
    before, wei = usdc(home), int(home.sandbox.rpc("eth_getBalance", home.sandbox.wallet, "latest"), 16)
    first = run(home)
    home.sandbox.warp(30)
    (job,) = home.json("positions")["jobs"]
    assert job["positions"] and not job["closed"]
    for position in job["positions"]:
        pnl = position["pnl"]
        held, put_in, earned = (int(money["raw"]) for money in (position["held"], pnl["put_in"], pnl["earned"]))
        out = int(pnl["taken_out"]["raw"])  # half of a first try comes out again (policy.try_first)
        assert position["earned"] == pnl["earned"], "both tables say the same"
        assert earned == held + out - put_in > 0 and Decimal(pnl["total"]) == Decimal(pnl["unrealised"]), (
            "a dollar is a dollar"
        )
    leave(home)
    last = run(home)
    (job,) = home.json("positions")["jobs"]
    gained = usdc(home) - before
    assert not job["positions"] and len(job["closed"]) == 3
    assert sum(int(left["pnl"]["earned"]["raw"]) for left in job["closed"]) == gained > 0
    assert sum(Decimal(left["pnl"]["realised"]) for left in job["closed"]) == Decimal(gained).scaleb(-6)
    assert all(left["pnl"]["unrealised"] == "0" for left in job["closed"])
    paid = wei - int(home.sandbox.rpc("eth_getBalance", home.sandbox.wallet, "latest"), 16)
    assert sum(int(left["pnl"]["gas"]["raw"]) for left in job["closed"]) == paid
    table = home.run("positions").out
    assert "Profit and loss since entry" in table and table.count("(left)") == 3

    told = home.run("export")
    assert told.code == 0
    found = rows(told.out)
    hashes = {tx["hash"] for job in (first, last) for tx in job["transactions"]}
    assert {row["transaction"] for row in found if row["transaction"]} == hashes
    assert total([row for row in found if row["kind"] == "interest"], "USDC") == Decimal(gained).scaleb(-6)
    assert total([row for row in found if row["kind"] == "interest"], "USDC", "income_usd") == Decimal(gained).scaleb(
        -6
    )
    assert total(found, "USDC") == Decimal(usdc(home)).scaleb(-6), "every change from the opening on"
    assert total([row for row in found if row["kind"] == "fee"], "ETH") == -Decimal(paid).scaleb(-18)
    assert {row["price_usd"] for row in found if row["token"] == "ETH"} == {"3000"}

    entries = loaded(home.run("export", "--format", "beancount").out)
    kinds = [type(entry).__name__ for entry in entries]
    assert kinds.count("Balance") == 2 and kinds.count("Transaction") == len(hashes) + 1
    events = rows(home.run("export", "--format", "rotki").out)
    income = [event for event in events if event["Type"] == "Income"]
    assert sum(Decimal(event["Amount"]) for event in income) == Decimal(gained).scaleb(-6)
    assert {event["Location"] for event in events} == {"blockchain"} and all(len(e["Timestamp"]) == 13 for e in events)
    assert income[0]["Currency"] == f"eip155:31337/erc20:{home.sandbox.addresses['usdc']}"


def test_transfers_by_others_are_entries_and_what_nothing_explains_is_named(home: Home) -> None:
    run(home)
    owner, token = home.sandbox.wallet, home.sandbox.addresses["usdc"]
    send(home.sandbox, token, calldata("transfer(address,uint256)", STRANGER, 77_000_000), sender=owner)
    home.sandbox.rpc("anvil_setBalance", STRANGER, hex(10**19))
    send(home.sandbox, token, calldata("transfer(address,uint256)", owner, 7_000_000), sender=STRANGER)
    compound = home.sandbox.addresses["comet"]
    send(home.sandbox, token, calldata("approve(address,uint256)", compound, 5_000_000), sender=owner)
    send(home.sandbox, compound, calldata("supply(address,uint256)", token, 5_000_000), sender=owner)
    pool = home.sandbox.addresses["aave_pool"]
    send(home.sandbox, token, calldata("approve(address,uint256)", pool, 6_000_000), sender=owner)
    supply = calldata("supply(address,uint256,address,uint16)", token, 6_000_000, owner, 0)
    send(home.sandbox, pool, supply, sender=owner)
    home.sandbox.warp(1)
    home.sandbox.rpc("anvil_setBalance", owner, hex(5 * 10**18))
    document = home.json("export")
    found = rows(document["content"])
    by_kind = {row["kind"]: row for row in found if row["kind"] in ("in", "out", "unexplained")}
    assert by_kind["out"]["amount"] == "-77" and by_kind["out"]["description"] == f"to {STRANGER.lower()}"
    assert by_kind["in"]["amount"] == by_kind["in"]["cost_usd"] == "7"
    deposits = [row for row in found if row["kind"] == "deposit" and row["amount"] in ("-5", "-6")]
    assert [row["market"] for row in deposits] == ["Compound v3 (double)", "Aave v3"], "a deposit by hand is one"
    assert total(found, "USDC") == Decimal(usdc(home)).scaleb(-6)
    checks = {check["symbol"]: check for check in document["accounts"][0]["checks"]}
    grown = checks["aUSDC"]
    by_itself = int(grown["difference"]["raw"])
    assert grown["explained"] and 0 < by_itself < int(grown["chain_raw"]) / 1_000, "what the token grew in a day"
    put = [Decimal(row["amount"]) for row in found if row["kind"] == "deposit" and row["market"] == "Aave v3"]
    whole_raw = int(-sum(put).scaleb(6))
    seconds_raw = whole_raw // 10**5  # at most what the first deposit earned until the second, which its event pays out
    assert whole_raw - 2 * len(put) <= int(grown["books_raw"]) <= whole_raw + seconds_raw
    assert checks["USDC"]["explained"] and not checks["ETH"]["explained"]
    assert total(found, "ETH") == 5 and by_kind["unexplained"]["token"] == "ETH"
    assert [note for note in document["notes"] if "ETH: the chain has -" in note]
    loaded(home.run("export", "--format", "beancount").out)
    (job,) = home.json("positions")["jobs"]
    comet = next(p for p in job["positions"] if p["name"].startswith("Compound"))
    assert int(comet["pnl"]["earned"]["raw"]) == int(comet["held"]["raw"]) - int(comet["pnl"]["put_in"]["raw"])
    assert comet["pnl"]["put_in"]["raw"] == "5000000"
    aave = next(p for p in job["positions"] if p["name"] == "Aave v3")["pnl"]
    earned_raw = int(aave["earned"]["raw"])
    assert abs(int(aave["put_in"]["raw"]) - whole_raw) <= seconds_raw + 2 * len(put)
    assert earned_raw == int(grown["chain_raw"]) - int(aave["put_in"]["raw"])
    assert 0 < earned_raw < 10**6 * 30_001 * 0.1 / 365, "a day's, not the six that came by hand"

    a_token = grown["token"]
    send(home.sandbox, a_token, calldata("transfer(address,uint256)", STRANGER, 1_000_000), sender=owner)
    (job,) = home.json("positions")["jobs"]
    given = next(p for p in job["positions"] if p["name"] == "Aave v3")
    assert given["pnl"] is None and "moved part of it" in given["pnl_unknown"], "no number where none can be right"

    whole = rows(home.run("export", "--from-block", "0").out)
    assert whole[0]["kind"] == "in" and total(whole, "USDC") == total(found, "USDC")
    assert Decimal(next(row for row in whole if row["kind"] == "out")["cost_usd"]) == 77


def test_a_swap_by_hand_on_a_real_exchange_is_a_disposal(home: Home) -> None:
    """Without any journal, from the first block on."""
    owner, addresses = home.sandbox.wallet, home.sandbox.addresses
    usdc_at, weth_at, router = (addresses[name] for name in ("usdc", "weth", "uniswap_router"))
    send(home.sandbox, usdc_at, calldata("approve(address,uint256)", router, 3_000_000_000), sender=owner)
    terms = (usdc_at, weth_at, 500, owner, 2**40, 3_000_000_000, 0, 0)
    kinds = ["address", "address", "uint24", "address", "uint256", "uint256", "uint256", "uint160"]
    swap = function_signature_to_4byte_selector(f"exactInputSingle(({','.join(kinds)}))") + encode(kinds, terms)
    send(home.sandbox, router, swap, sender=owner)
    found = rows(home.run("export", "--from-block", "0").out)
    given, got = [row for row in found if row["kind"] == "swap"]
    assert (given["token"], given["amount"], given["cost_usd"]) == ("USDC", "-3000", "3000")
    assert got["token"] == "WETH" and 0.98 < float(got["amount"]) < 1, "the pool's fee and its price's move"
    worth = Decimal(got["amount"]) * 3000
    assert round(Decimal(got["cost_usd"]), 6) == -round(Decimal(given["value_usd"]), 6) == round(worth, 6)
    assert round(Decimal(given["gain_usd"]), 6) == round(worth - 3000, 6) < 0
    (trade,) = rows(home.run("export", "--from-block", "0", "--format", "rotki-trades").out)
    assert (trade["Spend Amount"], trade["Receive Amount"]) == ("3000", got["amount"])
    loaded(home.run("export", "--from-block", "0", "--format", "beancount").out)


def test_a_job_over_a_base_of_ether_counts_in_ether(home: Home) -> None:
    text = home.sandbox.config.read_text()
    base = '\n[policy.bases.ether]\nunit = "ETH"\nassets = { USDC = 1.0 }\n'
    home.sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "ether"') + base)
    run(home)
    home.sandbox.warp(30)
    (job,) = home.json("positions")["jobs"]
    for position in job["positions"]:
        pnl = position["pnl"]
        worth = Decimal(pnl["earned"]["text"]) / 3000
        assert pnl["base"] == "ETH" and abs(Decimal(pnl["total"]) - worth) < Decimal("1e-9") and worth > 0
        assert abs(Decimal(pnl["gas_base"]) - Decimal(pnl["gas"]["text"])) < Decimal("1e-9")
    assert " ETH" in home.run("positions").out


def test_without_a_node_prices_are_those_that_runs_wrote_down(home: Home, tmp_path: Path) -> None:
    run(home)
    online = rows(home.run("export").out)
    env = home.sandbox.directory / ".env"
    env.write_text(re.sub(r"=.*", "=http://127.0.0.1:9", env.read_text()))
    offline = home.run("export", "--offline")
    assert offline.code == 0
    found = rows(offline.out)
    assert all("written down" in row["price_source"] for row in found if row["price_usd"])
    assert [r["amount"] for r in found if r["transaction"]] == [r["amount"] for r in online if r["transaction"]]
    assert {row["price_usd"] for row in found if row["kind"] == "fee"} == {"3000"}
    skipped = home.run("export")
    assert skipped.code == 1 and skipped.out == offline.out and " on sandbox skipped: " in skipped.err
    unset = {"SANDBOX_RPC_URL": ""}
    assert home.run("export", "--offline", environment=unset).out == offline.out


def test_days_and_files(home: Home, tmp_path: Path) -> None:
    run(home)
    home.sandbox.warp(30)
    leave(home)
    run(home)
    every = rows(home.run("export", "--offline").out)
    days = sorted({row["time"][:10] for row in every})
    later = home.run("export", "--offline", "--from", days[-1])
    assert [row["time"][:10] for row in rows(later.out)] == [
        row["time"][:10] for row in every if row["time"][:10] == days[-1]
    ]
    earlier = home.run("export", "--offline", "--to", days[-2])
    assert rows(earlier.out) + rows(later.out) == every
    loaded(home.run("export", "--offline", "--format", "beancount", "--from", days[-1]).out)
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "books.csv"
    written = home.run("export", "--offline", "--output", file)
    assert written.code == 0 and written.out == "" and f"rows to {file}: income " in written.err
    data = file.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == len(every) + 1, "RFC 4180's ends of lines"
    assert rows(data.decode()) == every and file.stat().st_mode & 0o777 == 0o600
    refused = home.run("export", "--offline", "--output", file)
    assert refused.code == 2 and "--force" in refused.line and file.read_bytes() == data
    assert home.run("export", "--offline", "--output", file, "--force", "--format", "rotki").code == 0
    assert file.read_text().startswith("Type,Location,") and [f.name for f in folder.iterdir()] == ["books.csv"]
    for words in (("--from", "yesterday"), ("--from", "2026-02-02", "--to", "2026-02-01"), ("--output", "/dev/null")):
        assert home.run("export", "--offline", *words).code == 2
    absent = home.run("export", "--offline", "--output", tmp_path / "no" / "books.csv")
    assert absent.code == 1 and "cannot be written" in absent.err


async def test_a_node_that_forgets_and_serves_few_events_is_told_and_the_rest_stands(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No state of past blocks, events of forty blocks at a time: what is known is said, what is not is not made up."""
    run(home)
    home.sandbox.rpc("anvil_mine", hex(120))
    settings = load(home.sandbox.config)
    with Journal.read(settings.data_dir / "journal.sqlite") as journal:
        records = journal.history()
    head = int(home.sandbox.rpc("eth_blockNumber"), 16)
    newest = home.sandbox.rpc("eth_getBlockByNumber", "latest", False)["hash"]

    def forgetful(chain: ChainSettings) -> Quorum:
        node = connect(chain)
        ask = node.request

        async def request(method: str, params: list[Any]) -> Any:
            at = (
                params[-1]["blockHash"]
                if params and isinstance(params[-1], dict) and method != "eth_getLogs"
                else newest
            )
            past = method in ("eth_call", "eth_getBalance") and at != newest
            wide = method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 40
            if past or wide:
                raise NodeRefused(method, -32000, "missing trie node" if past else "query exceeds the limit")
            return await ask(method, params)

        monkeypatch.setattr(node, "request", request)
        return node

    monkeypatch.setattr(evm, "connect", forgetful)
    account = (settings.jobs[0].chain.chain, settings.jobs[0].wallet.address)
    entries, ours = from_journal(records), hashes(records, account)
    seen = await evm.fetch_account_history(settings.jobs, entries, AccountHistoryRequest(ours=ours))
    first = min(entry.height for entry in entries if entry.hash)
    assert f"balances before block {first} cannot be read" in seen.notes[0] and "feeds cannot be read" in seen.notes[-1]
    assert all(not check.known for check in seen.checks), "no balance is called checked"
    wallet = wallet_sums(seen.entries)
    usdc_token = settings.jobs[0].asset
    assert wallet[usdc_token] == usdc(home) and seen.since == first
    books = post(seen.entries, quote_of(seen.quotes, recorded_prices(records)))
    fees = [row for row in books.rows if row.what is RowKind.FEE]
    assert fees and all(row.quote and "written down" in row.quote.source for row in fees), "by the journal's prices"
    few = await evm.fetch_account_history(
        settings.jobs, entries, AccountHistoryRequest(ours=ours, checked=False, most_parts=2)
    )
    assert head - 80 <= few.since <= head and not few.checks
    assert any("2 parts were read" in note for note in few.notes)
