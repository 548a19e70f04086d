"""A key of one family given where the other's is expected."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.program import yieldbot


def test_a_solana_cli_file_without_the_flag_is_told_what_it_looks_like(tmp_path: Path) -> None:
    for name, text in (("id.json", json.dumps([7] * 64)), ("words", "several words say")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    words = ("wallet", "import", "x", "--key-file", "id.json", "--passphrase-file", "words", "--keystore", "x.json")
    ended = yieldbot(*words, cwd=tmp_path)
    assert ended.code == 2 and ended.line.endswith("add --chain solana")
    assert "7, 7" not in ended.err, "a key is never quoted"
