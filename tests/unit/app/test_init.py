"""The first configuration without a terminal: what is answered beforehand, and what a person is asked."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from yieldbot.app.context import Context
from yieldbot.app.init import InitRequest, init
from yieldbot.app.styles import STYLES
from yieldbot.config.load import load
from yieldbot.errors import ConfigError

ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"


def test_a_person_is_asked_for_what_is_not_answered_beforehand(tmp_path: Path) -> None:
    answers = iter(["", "OWN_URL", "0x12", ADDRESS, "USDC", "", "0.4"])
    asked: list[str] = []

    def ask(question: str, default: str) -> str:
        asked.append(question)
        return next(answers) or default

    context = Context(tmp_path / "yieldbot.toml")
    found = init(InitRequest(ask=ask, piped=str), context)
    assert [question.split(".")[0] for question in asked] == ["1", "2", "3", "3", "4", "5", "6"]
    document = found.document
    assert (document.chain, document.asset, document.rpc_env, document.address) == ("base", "USDC", "OWN_URL", ADDRESS)
    assert found.needs_rpc and load(tmp_path / "yieldbot.toml").wallets["main"].address == ADDRESS
    assert document.written[1] == str(tmp_path / "chains" / "base.toml")
    assert document.style == "balanced" and load(tmp_path / "yieldbot.toml").policy.max_share_market == 0.4
    with pytest.raises(ConfigError, match="exists already"):
        init(InitRequest(ask=ask, piped=str), context)


def test_without_a_person_every_answer_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rpc is missing, and there is no terminal"):
        init(InitRequest(chain="base", piped=str), Context(tmp_path / "yieldbot.toml"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("chain", ["base", "solana"])
@pytest.mark.parametrize("style", list(STYLES))
def test_each_style_is_a_policy_that_loads(chain: str, style: str, tmp_path: Path) -> None:
    address = ADDRESS if chain == "base" else "So11111111111111111111111111111111111111112"
    answers = {"chain": chain, "rpc": "OWN_URL", "wallet_from": address, "asset": "USDC", "style": style}
    file = tmp_path / "yieldbot.toml"
    init(InitRequest(**answers, piped=str), Context(file))  # type: ignore[arg-type]
    policy = load(file).policy
    assert policy.max_share_market == STYLES[style].max_share
    assert policy.haircut_bps == {}, "figures of their own would replace the expected loss of grades"
    assert (policy.min_safety is None) == (style != "safe")
    for line in (*STYLES[style].policy, *STYLES[style].alarms):
        where = policy.alarms if line in STYLES[style].alarms else policy
        wanted = tomllib.loads(str(line)).get(line.key)
        found = getattr(where, line.key)
        assert (list(found) if isinstance(found, tuple) else found) == wanted, line.key
    text = file.read_text()
    assert f"the style `{style}`" in text and max(len(line) for line in text.splitlines()) <= 120


def test_a_wrong_style_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    answers = {"chain": "base", "rpc": "OWN_URL", "wallet_from": ADDRESS, "asset": "USDC", "style": "bold"}
    with pytest.raises(ConfigError, match=r"--style bold: write one of safe, balanced, high"):
        init(InitRequest(**answers, piped=str), Context(tmp_path / "yieldbot.toml"))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_styles_grow_bolder_in_every_figure() -> None:
    """From safe to high: more in one market, less cash, later exits."""
    by_key = [{line.key: line.value for line in style.policy} for style in STYLES.values()]
    shares = [style.max_share for style in STYLES.values()]
    assert shares == sorted(shares)
    for key, sign in (("min_liquidity_multiple", -1), ("max_utilisation_entry", 1), ("stop_at_loss_bps", 1),
                      ("cooldown_hours", -1)):  # fmt: skip
        values = [sign * float(one[key]) for one in by_key]
        assert values == sorted(values), key
