"""The first configuration without a terminal: what is answered beforehand, and what a person is asked."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from yieldbot.app.context import Context
from yieldbot.app.init import init
from yieldbot.app.init_answers import InitRequest
from yieldbot.app.keys import NewPassphrase, imported_key, typed_passphrase
from yieldbot.app.styles import STYLES
from yieldbot.config.load import load
from yieldbot.errors import ConfigError
from yieldbot.model.families import EVM

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
    assert found.needs_key, "an address alone signs nothing"
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
    with pytest.raises(ConfigError, match=r"--style bold: known are: safe, balanced, high"):
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


def answering(folder: Path, *secrets: str) -> Context:
    """A context whose person types these secrets."""
    rest = iter(secrets)
    context = Context(folder / "yieldbot.toml")
    context.secret = lambda question: next(rest)
    return context


def test_a_wrong_flag_is_asked_for_again_and_the_other_answers_are_kept(tmp_path: Path) -> None:
    given = {"chain": "Base", "rpc": "OWN_URL", "wallet_from": ADDRESS, "asset": "UCSD", "style": "SAFE"}
    asked: list[str] = []

    def ask(question: str, default: str) -> str:
        asked.append(question[:2])
        return "usdc" if question.startswith("4.") else default

    found = init(InitRequest(**given, ask=ask, piped=str), Context(tmp_path / "yieldbot.toml")).document  # type: ignore[arg-type]
    assert asked == ["4.", "6."] and (found.chain, found.asset, found.style) == ("base", "USDC", "safe")


def test_a_wrong_key_and_passphrase_are_asked_for_again(tmp_path: Path) -> None:
    good, words = "11" * 32, "correct horse battery"
    context = answering(tmp_path, "0x12", good, "short", words, words + "x", words, words)
    assert imported_key(None, "64 hex digits", EVM, str, context).secret == bytes.fromhex(good)
    assert typed_passphrase("New passphrase", context) == words
    with pytest.raises(ConfigError, match="64 hex"):
        imported_key(None, "64 hex digits", EVM, str, answering(tmp_path, "1", "2", "3"))


def test_what_cannot_be_written_or_read_is_said_before_any_question(tmp_path: Path) -> None:
    def ask(question: str, default: str) -> str:
        raise AssertionError(question)

    words = tmp_path / "words"
    words.touch(0o600)
    words.write_text("short\n")
    with pytest.raises(ConfigError, match="fewer than 8 characters"):
        init(InitRequest(ask=ask, passphrase=NewPassphrase(file=words), piped=str), Context(tmp_path / "yieldbot.toml"))
    with pytest.raises(ConfigError, match="is no folder"):
        init(InitRequest(ask=ask, piped=str), Context(words / "yieldbot.toml"))


def test_a_keystore_that_is_there_is_named_at_the_question(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "main.json").write_text("{}")
    given = {"chain": "base", "rpc": "OWN_URL", "wallet_from": "new", "asset": "USDC", "style": "safe"}
    with pytest.raises(ConfigError, match="exists already, and a key is never overwritten: give the address"):
        init(InitRequest(**given, piped=str), Context(tmp_path / "yieldbot.toml"))  # type: ignore[arg-type]
