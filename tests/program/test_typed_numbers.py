"""Numbers as people type them, to commands: what may be misread is refused with the right spelling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.program import yieldbot


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("plan", "--horizon", "1,5"), "write 1.5"),
        (("plan", "--horizon", "1e2"), "write 100"),
        (("plan", "--max-share", "0,5"), "write 0.5"),
        (("quote", "USDC", "DAI", "5", "--slippage-bps", "1_0"), "write 10"),
        (("lp", "remove", "7", "--share", "0,5"), "write 0.5"),
        (("history", "--limit", "-5"), "no whole number of 0 or more"),
        (("history", "--limit", "1_0"), "no whole number of 0 or more"),
        (("sandbox", "warp", "1e3"), "write 1000"),
        (("markets", "--top", "abc"), "--top abc: write a whole number: see `yieldbot markets --help`"),
        (("markets", "--exit-within", "a'b"), "--exit-within a'b: write a number, as 1.5"),
    ],
)
def test_flags_take_the_same_numbers(tmp_path: Path, words: tuple[str, ...], remedy: str) -> None:
    ended = yieldbot(*words, cwd=tmp_path)
    assert ended.code == 2 and remedy in ended.err and len(ended.err.splitlines()) == 1, ended.err


def test_the_policy_file_is_told_the_right_spelling(tmp_path: Path) -> None:
    """``auto_max_move = "9000,50"`` was read as 900,050."""
    (tmp_path / "yieldbot.toml").write_text('schema = 1\n[policy]\nauto_max_move = "9000,50"\n')
    ended = yieldbot("plan", cwd=tmp_path)
    assert ended.code == 2 and ended.err.endswith("policy.auto_max_move: '9000,50' is not an amount: write 9000.50\n")


def test_a_problem_document_is_told_the_right_spelling(tmp_path: Path) -> None:
    document = {"schema": "yieldbot/problem/v1", "wealth": "1,5", "markets": []}
    (tmp_path / "p.json").write_text(json.dumps(document))
    ended = yieldbot("allocate", str(tmp_path / "p.json"), cwd=tmp_path)
    assert ended.code == 2 and "wealth" in ended.err and "write 1.5" in ended.err


def test_a_flag_takes_a_negative_number_with_a_unit(tmp_path: Path) -> None:
    """argparse takes ``-5%`` for a flag."""
    config = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    ended = yieldbot("--config", config, "alert", "add", "rate", "aave_v3", "--above", "-5%", cwd=tmp_path)
    assert ended.code == 0 and "above -5 %" in ended.out, ended.err
    wrong = yieldbot("--config", config, "alert", "add", "rate", "aave_v3", "--above", "-5", cwd=tmp_path)
    assert wrong.code == 2 and "--above -5: write it as 5%" in wrong.err
