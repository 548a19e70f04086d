"""What a run lacks, told without a terminal and without a node."""

from __future__ import annotations

from pathlib import Path

from tests.kit.config.files import written
from yieldbot.app.check import check
from yieldbot.app.context import Context


def test_what_is_missing_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = written(tmp_path)
    found = check(Context(path))
    rows = {row.what: row for row in found.checks}
    assert rows[str(path)].ok and rows[str(path)].remedy is None
    chain = rows["chain testnet"]
    assert not chain.ok and chain.said == "TESTNET_RPC_URL is not set"
    assert ".env as TESTNET_RPC_URL" in str(chain.remedy)
    assert (found.ok, found.exit_code) == (False, 2)
    document = found.as_json()
    assert list(document) == ["schema", "ok", "exit_code", "verdict", "checks"]
    assert found.verdict.startswith("not ready: of ")
    assert list(document["checks"][0]) == ["what", "ok", "warning", "said", "remedy"]


def test_where_a_signer_has_the_key_none_is_missed_here(tmp_path: Path) -> None:
    """To make a new wallet, as is said without a signer, would be the wrong remedy."""
    config = written(tmp_path)
    for keystore in tmp_path.rglob("keys/*.json"):
        keystore.unlink()
    before = {row.what: row for row in check(Context(config)).checks}["wallet main"]
    text = config.read_text()
    config.write_text(text.replace("schema = 1\n", 'schema = 1\nsigner = "/run/yieldbot/signer.sock"\n', 1))
    row = {row.what: row for row in check(Context(config)).checks}["wallet main"]
    assert not before.ok and row.ok and "signer's at /run/yieldbot/signer.sock" in row.said
