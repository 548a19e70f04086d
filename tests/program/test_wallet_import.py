"""`wallet import` takes keys as other programs write them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kit.program import yieldbot
from tests.unit.chains.test_foreign_keys import ABANDON, ADDRESS, cheap, private
from yieldbot.chains.evm.signing.keystore import KeystoreSigner


def test_the_command_takes_the_file_itself(tmp_path: Path) -> None:
    secret = private(tmp_path / "secret", "correct horse\n")
    old = private(tmp_path / "old", "testpassword\n")
    private(tmp_path / "cast.json", json.dumps(cheap("testpassword")))
    words = ("wallet", "import", "cast.json", "--passphrase-file", secret)
    asked = yieldbot(*words, cwd=tmp_path)
    assert asked.code == 2 and "use --key-passphrase-file" in asked.line
    made = yieldbot(*words, "--key-passphrase-file", old, "--json", cwd=tmp_path)
    assert made.code == 0 and made.document["address"] == ADDRESS and made.document["name"] == "cast"
    KeystoreSigner(tmp_path / "keys" / "cast.json", lambda: "correct horse").open()
    private(tmp_path / "id.json", json.dumps(list(range(64))))
    wrong = yieldbot("wallet", "import", "id.json", "--passphrase-file", secret, cwd=tmp_path)
    assert wrong.code == 2 and "public half" in wrong.line
    phrase = private(tmp_path / "words.txt", ABANDON)
    made = yieldbot(
        "wallet", "import", "sol", "--key-file", phrase, "--chain", "solana", "--passphrase-file", secret, cwd=tmp_path
    )
    assert made.code == 0 and made.out.startswith("HAgk14JpMQLgt6rVgv7cBQFJWFto5Dqxi472uT3DKpqk")
