"""``yieldbot allowances`` on a Solana cluster: who may take what out of our token accounts."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

from tests.unit.cli.program import yieldbot
from yieldbot.protocols._svm import TOKEN_PROGRAM, ata, key_bytes
from yieldbot.sandbox.svm.node import running
from yieldbot.sandbox.svm.save import named


def test_delegates_and_close_authorities_are_listed(tmp_path: Path) -> None:
    thief, closer = named("thief"), named("closer")
    with running(tmp_path) as sandbox:
        command = ("--config", sandbox.config, "allowances")
        clean = yieldbot(*command, cwd=tmp_path)
        assert clean.code == 0 and "no allowance is given" in clean.out
        usdc = sandbox.addresses["usdc"]
        mine = ata(sandbox.wallet, usdc)  # type: ignore[arg-type]
        value = sandbox.rpc("getAccountInfo", mine, {"encoding": "base64"})["value"]
        data = bytearray(base64.b64decode(value["data"][0]))
        data[72:108] = struct.pack("<I32s", 1, key_bytes(thief))
        data[121:129] = struct.pack("<Q", 250 * 10**6)
        data[129:165] = struct.pack("<I32s", 1, key_bytes(closer))
        sandbox.rpc("svm_setAccount", mine, value["lamports"], TOKEN_PROGRAM, base64.b64encode(bytes(data)).decode())
        document = yieldbot(*command, "--json", cwd=tmp_path).document
        (account,) = document["accounts"]
        given = {one["spender"]: one for one in account["allowances"]}
        assert given[thief]["raw"] == str(250 * 10**6) and given[thief]["symbol"] == "USDC" and given[thief]["listed"]
        assert given[thief]["account"] == mine and given[thief]["right"] is None
        assert given[closer]["right"] == "close it when it is empty, and have its SOL"
        told = yieldbot(*command, "--revoke", "--yes", cwd=tmp_path)
        assert "250 USDC" in told.out and "spl-token revoke" in told.out + told.err
