"""The encrypted file of secrets: made, used, replaced and refused; what is in it is never shown."""

from __future__ import annotations

import errno
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.config.files import SETTINGS, written
from yieldbot.app import stored_secrets as use
from yieldbot.app.context import Context
from yieldbot.app.halt import HaltRequest, halt
from yieldbot.config import secrets, stored_secrets
from yieldbot.errors import ConfigError

PASSPHRASE, URL = "four plain words Å", "https://node.example/v2/key-of-the-provider"
NAME = "TESTNET_RPC_URL"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key from before, a key that is made quickly, and nobody's environment."""
    monkeypatch.setattr(stored_secrets, "WORK", (2**14, 8, 1))
    for name in (NAME, stored_secrets.PASSPHRASE_NAME, "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    stored_secrets.forget()
    yield
    stored_secrets.forget()
    secrets.again()
    secrets._known.clear()


class Person:
    """Answers questions in this order; each must be asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.questions = list(answers), list[str]()

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)


def made(folder: Path, *answers: str, more: str = "", env: str = "") -> Context:
    """A configuration whose person gives these answers."""
    folder.mkdir(exist_ok=True)
    context = Context(
        folder / "yieldbot.toml" if (folder / "chains").exists() else written(folder, SETTINGS + more, env=env)
    )
    context.secret = Person(*answers) if answers else None
    return context


def put(context: Context, name: str = NAME, value: str = "") -> None:
    use.set_(use.SetSecretRequest(name=name, piped=lambda: value), context)


def file_of(context: Context) -> Path:
    return context.config.parent / "data" / stored_secrets.FILE


def test_what_is_set_is_used_and_is_in_no_byte_of_the_file(tmp_path: Path) -> None:
    context = made(tmp_path, PASSPHRASE, PASSPHRASE, URL)
    put(context)
    file = file_of(context)
    assert file.stat().st_mode & 0o777 == 0o600 and [one.name for one in use.list_(context).secrets] == [NAME]
    assert b"node.example" not in file.read_bytes() and b"words" not in file.read_bytes()
    assert context.settings.chains["testnet"].rpc_urls == (URL,), "the passphrase is asked for once in a process"
    stored_secrets.forget()
    other = made(tmp_path, PASSPHRASE)
    assert other.settings.chains["testnet"].rpc_urls == (URL,)
    shown = other.redacted(f"no answer from {URL}: key-of-the-provider {PASSPHRASE}")
    assert "key-of-the-provider" not in shown and "words" not in shown
    os.environ[NAME] = "http://127.0.0.1:9"
    try:
        stored_secrets.forget()
        beside = made(tmp_path)
        assert beside.settings.chains["testnet"].rpc_urls == ("http://127.0.0.1:9",), "nothing is opened"
        assert use.list_(beside).secrets[0].hidden_by == "environment"
    finally:
        del os.environ[NAME]


def test_another_process_replaces_it_and_the_next_need_has_the_new_one(tmp_path: Path) -> None:
    first = made(tmp_path, PASSPHRASE, PASSPHRASE, URL)
    put(first)
    put(made(tmp_path, "https://new.example/new-key-of-it"))
    put(made(tmp_path, "twelve of them"), "TELEGRAM_TOKEN")
    assert first.environment[NAME] == "https://new.example/new-key-of-it"
    assert first.environment["TELEGRAM_TOKEN"] == "twelve of them"
    assert "key-of" not in first.redacted(f"{URL} key-of-the-provider new-key-of-it")
    use.remove(NAME, first)
    assert NAME not in first.environment and [one.name for one in use.list_(first).secrets] == ["TELEGRAM_TOKEN"]
    with pytest.raises(ConfigError, match="is not in"):
        use.remove(NAME, first)


def test_nobody_waits_for_a_person_who_is_asked(tmp_path: Path) -> None:
    """Another command may set a secret while a person types one; both are kept. One that was typed for a file that is
    now opened by another passphrase is not."""
    put(made(tmp_path, PASSPHRASE, PASSPHRASE, URL))
    slow = made(tmp_path, "typed slowly")
    asked = slow.secret

    def meanwhile(question: str) -> str:
        put(made(tmp_path, "set meanwhile"), "OTHER_TOKEN")
        assert asked is not None
        return asked(question)

    slow.secret = meanwhile
    put(slow, "TELEGRAM_TOKEN")
    assert [one.name for one in use.list_(slow).secrets] == ["OTHER_TOKEN", "TELEGRAM_TOKEN", NAME]
    assert (slow.environment["OTHER_TOKEN"], slow.environment["TELEGRAM_TOKEN"]) == ("set meanwhile", "typed slowly")

    def rewrapped(question: str) -> str:
        use.rewrap(use.RewrapRequest(), made(tmp_path, "other plain words", "other plain words"))
        return "a value"

    slow.secret = rewrapped
    with pytest.raises(ConfigError, match="changed its passphrase: nothing is changed: run again"):
        put(slow, "THIRD_TOKEN")
    assert "THIRD_TOKEN" not in [one.name for one in use.list_(slow).secrets]


def test_a_new_passphrase_counts_alone(tmp_path: Path) -> None:
    put(made(tmp_path, PASSPHRASE, PASSPHRASE, URL))
    use.rewrap(use.RewrapRequest(), made(tmp_path, "other plain words", "other plain words"))
    stored_secrets.forget()
    with pytest.raises(ConfigError, match="passphrase is wrong, or the file was changed"):
        _ = made(tmp_path, PASSPHRASE).environment
    assert made(tmp_path, "other plain words").environment[NAME] == URL
    new = tmp_path / "new"
    new.write_text("in a file instead\n")
    new.chmod(0o600)
    use.rewrap(use.RewrapRequest(new_passphrase_file=new), made(tmp_path))
    stored_secrets.forget()
    assert made(tmp_path, "in a file instead").environment[NAME] == URL


@pytest.mark.parametrize("source", ["environment", "command", "file", "credential"])
def test_where_nobody_is_asked_the_passphrase_comes_from_elsewhere(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"[secrets]\n{stored_secrets.PASSPHRASE_NAME} = "
    command = f"{own}{{ command = '''{sys.executable} -c \"print('{PASSPHRASE}')\"''' }}\n"
    context = made(tmp_path, more={"command": command, "file": f'{own}{{ file = "pass" }}\n'}.get(source, ""))
    for name in ("pass", stored_secrets.CREDENTIAL):
        (tmp_path / name).write_text(PASSPHRASE + "\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / stored_secrets.CREDENTIAL).chmod(0o440)  # systemd's, with an access list
    if source == "environment":
        monkeypatch.setenv(stored_secrets.PASSPHRASE_NAME, PASSPHRASE)
    if source == "credential":
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    put(context, value=URL)
    stored_secrets.forget()
    assert context.environment[NAME] == URL
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "pass").unlink()
    stored_secrets.forget()
    secrets.again()
    if source in ("credential", "file"):
        with pytest.raises(ConfigError, match=r"nobody can be asked: give YIELDBOT_|cannot be read"):
            _ = context.environment


def test_what_cannot_be_is_one_line_without_the_secret(tmp_path: Path) -> None:
    cases = {
        "no name of a secret": ("9 lives", (PASSPHRASE, PASSPHRASE, URL)),
        "is no name of a secret": (stored_secrets.PASSPHRASE_NAME, ()),
        "the two passphrases differ": (NAME, (PASSPHRASE, "something else") * 3),
        "fewer than 8 characters": (NAME, ("short",) * 3),
        "in one line": (NAME, (PASSPHRASE, PASSPHRASE, "very-secret\x1b")),
        "more than 8192 bytes": (NAME, (PASSPHRASE, PASSPHRASE, "very-secret" * 1000)),
    }
    for why, (name, answers) in cases.items():
        with pytest.raises(ConfigError, match=why) as refused:
            put(made(tmp_path, *answers), name)
        assert "very-secret" not in str(refused.value) and "\n" not in str(refused.value)
        assert not file_of(made(tmp_path)).exists()
    (tmp_path / ".env").write_text(f"{stored_secrets.PASSPHRASE_NAME}=x\n")
    (tmp_path / ".env").chmod(0o600)
    with pytest.raises(ConfigError, match="would lie beside what it protects"):
        _ = made(tmp_path).environment


def test_a_file_that_was_changed_in_any_place_is_refused(tmp_path: Path) -> None:
    """A digit, a name, a cut, other work for scrypt, other users: one line, and nothing of what is in it."""
    context = made(tmp_path, PASSPHRASE, PASSPHRASE, URL)
    put(context)
    file = file_of(context)
    good, draw = file.read_text(), random.Random(7)
    places = draw.sample([at for at, one in enumerate(good) if not one.isspace()], 12)
    texts = [good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1 :] for at in places]
    texts += ["", "[]", "null", good[: len(good) // 2], good.replace(NAME, "OTHER"), "[" * 100_000]
    document = json.loads(good)
    for n, r in ((2**40, 8), (3, 8), (2**14, -1), (2**13, 8)):
        texts.append(json.dumps(document | {"scrypt": document["scrypt"] | {"n": n, "r": r}}))
    for at in (-1, 10**18):
        texts.append(json.dumps(document | {"changed_at": dict.fromkeys(document["changed_at"], at)}))
    for text in texts:
        file.write_text(text)
        with pytest.raises(ConfigError) as refused:
            _ = made(tmp_path, PASSPHRASE).environment
        line = str(refused.value)
        assert str(file) in line and "\n" not in line and "node.example" not in line and "words" not in line
    file.write_text(good)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        _ = context.environment


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = made(tmp_path, PASSPHRASE, PASSPHRASE, URL)
    put(context)
    before = file_of(context).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        put(made(tmp_path, "another"), "OTHER")
    assert file_of(context).read_bytes() == before and not list(file_of(context).parent.glob("*.part"))


def test_halting_needs_no_secret_and_no_other_part_of_the_configuration(tmp_path: Path) -> None:
    put(made(tmp_path, PASSPHRASE, PASSPHRASE, URL))
    stored_secrets.forget()
    config = tmp_path / "yieldbot.toml"
    config.write_text(config.read_text().replace("aave_v3 = 0.5", "no_such_protocol = 0.5"))
    done = halt(HaltRequest(reason="smoke"), made(tmp_path))
    assert done.halted and Path(done.file).parent == tmp_path / "data"
    config.write_text("data_dir = [")
    with pytest.raises(ConfigError, match="is not TOML"):
        halt(HaltRequest(), made(tmp_path))
