"""`yieldbot watch` and `yieldbot risk` on a local cluster: what others deposit and withdraw, and whose the money is."""

from __future__ import annotations

import base64
from typing import Any

from tests.kit.program import yieldbot
from tests.kit.solana.others import Depositor, put
from tests.kit.solana.world import sandbox as sandbox
from yieldbot.config.load import load
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.protocols.solana.layout import ata
from yieldbot.sandbox.solana.images import image
from yieldbot.sandbox.solana.node import SvmSandbox


def document(sandbox: SvmSandbox, *words: str) -> Any:
    ended = yieldbot("--json", *words, cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    return ended.document


def looked(sandbox: SvmSandbox) -> Any:
    (job,) = document(sandbox, "watch")["jobs"]
    assert job["skipped"] is None and not job["notes"]
    return job


def of(job: Any, protocol: str) -> Any:
    return next(one for one in job["markets"] if one["market_id"].startswith(protocol))


def lines(job: Any, protocol: str) -> list[str]:
    return [line for one in job["messages"] if one["market_id"].startswith(protocol) for line in one["lines"]]


def issued_by(sandbox: SvmSandbox, authority: bytes | None) -> None:
    """Give the asset's mint another authority; None: nobody."""
    asset = load(sandbox.config).jobs[0].asset
    data = base64.b64decode(sandbox.rpc("getAccountInfo", asset.address, {"encoding": "base64"})["value"]["data"][0])
    head = bytes(36) if authority is None else b"\1\0\0\0" + authority
    put(sandbox, {asset.address: image(TOKEN_PROGRAM, head + data[36:])})


def test_flows_and_holders_are_said_once_followed_and_graded(sandbox: SvmSandbox) -> None:
    whale, minnow = Depositor(sandbox, 40), Depositor(sandbox, 41)
    whale.fund(9_000_000)
    minnow.fund(1_000)
    whale.deposit("save", 1_500_000)
    text = sandbox.config.read_text()
    sandbox.config.write_text(f'{text}\n[watch]\naddresses = ["{minnow.address}"]\n')
    issued_by(sandbox, None)
    first = looked(sandbox)
    assert first["first"] and not first["messages"]
    assert any("deposit of 1,500,000 USDC" in line for line in of(first, "save")["recent"])

    whale.deposit("kamino_lend", 2_000_000)
    whale.deposit("marginfi", 2_000_000)
    minnow.deposit("kamino_lend", 7)
    asset = load(sandbox.config).jobs[0].asset
    minnow.pay(asset.address, ata(whale.address, asset.address), 5 * asset.one)
    second = looked(sandbox)
    for protocol in ("kamino_lend", "marginfi"):
        said = lines(second, protocol)
        assert any("deposit of 2,000,000 USDC" in line and whale.address in line for line in said), said
        assert any("largest depositor" in line and whale.address in line for line in said), said
        assert of(second, protocol)["flows"]["cut"] is None
    assert any("deposit of 7 USDC" in line and "followed" in line for line in lines(second, "kamino_lend"))
    said = [line for one in second["messages"] for line in one["lines"]]
    assert sum(f"{minnow.address}, an address that is followed, sent 5 USDC" in line for line in said) == 1
    assert not [line for line in lines(second, "save") if "1,500,000" in line], (
        "what was said of the time before the first look is not said again"
    )
    held = of(second, "save")["holders"]["top"]
    assert held[0]["address"] == whale.address and 0.1 < held[0]["share"] < 0.2

    whale.withdraw("marginfi", 1_000_000)
    whale.withdraw("save", 1_000_000)
    third = looked(sandbox)
    for protocol in ("marginfi", "save"):
        (line,) = [line for line in lines(third, protocol) if "deposit of" in line or "withdrawal of" in line]
        assert line.startswith("withdrawal of 1,000,000 USDC"), line
    assert not lines(third, "kamino_lend") and of(third, "kamino_lend")["flows"] is None
    issued_by(sandbox, bytes(whale.key.pubkey()))
    alarms = [one for one in looked(sandbox)["alarms"] if one["market_id"].startswith("kamino_lend")]
    assert [(one["code"], one["act"]) for one in alarms] == [("CONTROL_WEAKER", "leave")], alarms
    assert "mint" in alarms[0]["saw"] and "one key" in alarms[0]["saw"]

    (grades,) = document(sandbox, "risk")["jobs"]
    (mine,) = [one for one in grades["markets"] if one["id"].startswith("kamino_lend")]
    (side,) = [one for one in mine["components"] if one["name"] == "exit_liquidity"]
    (seen,) = [one for one in side["evidence"] if one["what"] == "largest depositor seen"]
    assert whale.address in seen["value"] and "token accounts and transactions" in seen["source"]
    assert "largest depositor" not in side["missing"]
    (side,) = [one for one in mine["components"] if one["name"] == "asset"]
    assert side["score"] == 70.0 and any("one key" in one["value"] for one in side["evidence"])
