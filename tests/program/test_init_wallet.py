"""init and wallet: what they write, with which permissions, and that no secret lands anywhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from yieldbot.chains.keystores import keystore_address
from yieldbot.config.load import load

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
KEYS_ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
PASSPHRASE = "correct horse battery staple"
URL = "https://node.example/v2/SECRETKEY"


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def everything(folder: Path) -> str:
    """All text of the folder but .env and keystores."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.name != ".env"]
    return "\n".join(f.read_text(errors="replace") for f in files)


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret" / "passphrase"
    file.parent.mkdir()
    file.touch(0o600)
    file.write_text(PASSPHRASE + "\n")
    return file


def test_what_init_writes_is_not_refused_whatever_the_umask(tmp_path: Path, passphrase_file: Path) -> None:
    """Debian's and Ubuntu's users have umask 002: files that their group may write."""
    answers = ("--chain", "base", "--rpc", "-", "--wallet-from", "new", "--asset", "USDC", "--max-share", "0.4")
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    ended = yieldbot("init", *answers, "--passphrase-file", passphrase_file, cwd=home, given=URL + "\n", umask=0o002)
    assert ended.code == 0, ended.err
    assert not [file for file in home.rglob("*") if mode(file) & 0o022]
    assert yieldbot("history", cwd=home, umask=0o002).code == 0
    assert not [file for file in home.rglob("*") if mode(file) & 0o022]
    strict = tmp_path / "strict"
    strict.mkdir(mode=0o700)
    yieldbot("init", *answers, "--passphrase-file", passphrase_file, cwd=strict, given=URL + "\n", umask=0o077)
    assert not [file for file in strict.rglob("*") if mode(file) & 0o077]


def test_init_by_flags_writes_what_load_reads(tmp_path: Path, passphrase_file: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    answers = ("--chain", "base", "--rpc", "-", "--wallet-from", "new", "--asset", "USDC", "--max-share", "0.4")
    ended = yieldbot("--json", "init", *answers, "--passphrase-file", passphrase_file, cwd=home, given=URL + "\n")
    assert ended.code == 0, ended.err
    document = ended.document
    settings = load(home / "yieldbot.toml")
    (job,) = settings.jobs
    assert document["schema"] == "yieldbot/init/v1" and document["address"] == job.wallet.address
    assert (job.chain.name, job.asset.symbol, job.chain.rpc_urls) == ("base", "USDC", (URL,))
    assert settings.policy.max_share_market == 0.4 and settings.policy.auto_max_move == "0"
    assert keystore_address(job.wallet.keystore) == job.wallet.address
    assert job.wallet.passphrase_file == passphrase_file
    assert mode(home / ".env") == 0o600 and mode(job.wallet.keystore) == 0o600
    assert "SECRETKEY" not in everything(home) + ended.out + ended.err
    assert PASSPHRASE not in everything(home) + ended.out + ended.err
    assert (home / ".env.example").read_text().count("BASE_RPC_URL=\n") == 1
    again = yieldbot("init", *answers, cwd=home)
    assert again.code == 2 and "--force" in again.line


def test_init_with_a_variable_and_an_address(tmp_path: Path) -> None:
    answers = ("--chain", "polygon", "--rpc", "MY_NODE", "--wallet-from", KEYS_ADDRESS)
    ended = yieldbot("init", *answers, "--asset", "USDC", "--max-share", "1", cwd=tmp_path)
    assert ended.code == 0, ended.err
    settings = load(tmp_path / "yieldbot.toml")
    assert settings.jobs[0].chain.rpc_env == "MY_NODE" and settings.jobs[0].wallet.address == KEYS_ADDRESS
    assert not (tmp_path / ".env").exists() and "MY_NODE" in ended.out


def test_init_keeps_the_other_variables_of_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER=1\nBASE_RPC_URL=http://old\n")
    answers = ("--chain", "base", "--rpc", "-", "--wallet-from", KEYS_ADDRESS, "--asset", "USDC", "--max-share", "1")
    assert yieldbot("init", *answers, cwd=tmp_path, given=URL).code == 0
    assert (tmp_path / ".env").read_text() == f"OTHER=1\nBASE_RPC_URL={URL}\n" and mode(tmp_path / ".env") == 0o600


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--chain", "bse", "base"),
        ("--rpc", "node.example/SECRETKEY", "--rpc"),
        ("--rpc", URL, "--rpc -"),
        ("--wallet-from", "0x12", "40 hex digits"),
        ("--wallet-from", KEYS_ADDRESS.lower(), KEYS_ADDRESS),
        ("--asset", "USCD", "USDC"),
        ("--max-share", "50%", "0.5"),
        ("--max-share", "1.5", "0.5"),
        ("--max-share", "nan", "0.5"),
    ],
)
def test_init_refuses_a_wrong_answer_and_writes_nothing(flag: str, value: str, said: str, tmp_path: Path) -> None:
    answers = {"--chain": "base", "--rpc": "BASE_RPC_URL", "--wallet-from": KEYS_ADDRESS, "--asset": "USDC",
               "--max-share": "0.5"} | {flag: value}  # fmt: skip
    ended = yieldbot("init", *(word for pair in answers.items() for word in pair), cwd=tmp_path)
    assert ended.code == 2 and said in ended.line and "SECRETKEY" not in ended.line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_wallet_import_never_shows_the_key(way: str, tmp_path: Path, passphrase_file: Path) -> None:
    words: list[object] = ["wallet", "import", "main", "--passphrase-file", passphrase_file, "--json"]
    if way == "file":
        key_file = tmp_path / "secret" / "key"
        key_file.touch(0o600)
        key_file.write_text(f"0x{KEY}\n")
        words += ["--key-file", key_file]
    ended = yieldbot(*words, cwd=tmp_path, given="" if way == "file" else KEY + "\n")
    assert ended.code == 0, ended.err
    assert ended.document["address"] == KEYS_ADDRESS
    keystore = tmp_path / "keys" / "main.json"
    assert mode(keystore) == 0o600 and keystore_address(keystore) == KEYS_ADDRESS
    assert KEY not in ended.out + ended.err + keystore.read_text()
    again = yieldbot(*words, cwd=tmp_path, given=KEY)
    assert again.code == 2 and again.document["schema"] == "yieldbot/error/v1" and KEY not in again.out + again.err


def test_wallet_import_refuses_what_is_no_key(tmp_path: Path, passphrase_file: Path) -> None:
    ended = yieldbot("wallet", "import", "main", "--passphrase-file", passphrase_file, cwd=tmp_path, given=KEY[:-2])
    assert ended.code == 2 and KEY[:20] not in ended.line


def test_passphrases_come_from_private_files_the_environment_or_a_terminal(
    tmp_path: Path, passphrase_file: Path
) -> None:
    assert "--passphrase-file" in yieldbot("wallet", "new", "a", cwd=tmp_path).line
    missing = yieldbot("wallet", "new", "a", "--passphrase-env", "NOT_SET", cwd=tmp_path)
    assert missing.code == 2 and "NOT_SET" in missing.line
    os.chmod(passphrase_file, 0o644)
    shared = yieldbot("wallet", "new", "a", "--passphrase-file", passphrase_file, cwd=tmp_path)
    assert shared.code == 2 and "chmod 600" in shared.line
    words = ("wallet", "new", "a", "--passphrase-env", "WORDS")
    assert yieldbot(*words, cwd=tmp_path, environment={"WORDS": PASSPHRASE}).code == 0
    assert yieldbot("wallet", "new", "../a", "--passphrase-env", "WORDS", cwd=tmp_path).code == 2


def test_a_passphrase_in_an_env_that_others_can_read_makes_no_wallet(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"WORDS={PASSPHRASE}\nBASE_RPC_URL={URL}\n")
    words = ("wallet", "new", "a", "--passphrase-env", "WORDS")
    for open_to_others in (0o644, 0o622, 0o604):
        os.chmod(tmp_path / ".env", open_to_others)
        refused = yieldbot(*words, cwd=tmp_path)
        remedy = "chmod go-w" if open_to_others & 0o022 else "chmod 600"  # what can be written decides more than a key
        assert refused.code == 2 and f"{remedy} {tmp_path / '.env'}" in refused.line
        assert PASSPHRASE not in refused.line and not (tmp_path / "keys").exists()
    os.chmod(tmp_path / ".env", 0o600)
    assert yieldbot(*words, cwd=tmp_path).code == 0


def test_wallet_list_tells_faults(tmp_path: Path) -> None:
    words = ("wallet", "new", "a", "--passphrase-env", "WORDS")
    assert yieldbot(*words, cwd=tmp_path, environment={"WORDS": PASSPHRASE}).code == 0
    ended = yieldbot("--json", "wallet", "list", cwd=tmp_path)
    assert ended.code == 0 and ended.document["wallets"][0]["fault"] is None
    os.chmod(tmp_path / "keys" / "a.json", 0o640)
    ended = yieldbot("--json", "wallet", "list", cwd=tmp_path)
    assert ended.code == 1 and "chmod 600" in ended.document["wallets"][0]["fault"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ledger", "44/60"), "write one such as m/44'/60'/0'/0/0"),
        (("--ledger", "m/44'/60'/0'/0/0", "--region", "x"), "go with --kms alone"),
        (("--ledger", "m/0", "--kms", "x"), "not allowed with"),
        ((), "one of the arguments --kms --ledger is required"),
    ],
)
def test_wallet_address_tells_what_it_needs(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = yieldbot("wallet", "address", *words, cwd=tmp_path)
    assert ended.code == 2 and said in ended.line


def test_wallet_list_names_the_kinds(tmp_path: Path) -> None:
    table = f'address = "{KEYS_ADDRESS}"\n'
    (tmp_path / "yieldbot.toml").write_text(
        f'schema = 1\n[[wallets]]\nname = "cloud"\n{table}kind = "kms"\nkey_id = "alias/bot"\n'
        f'[[wallets]]\nname = "desk"\n{table}kind = "ledger"\npath = "m/44\'/60\'/0\'/0/0"\n'
        f'[[wallets]]\nname = "here"\n{table}keystore = "keys/none.json"\n'
        f'[[wallets]]\nname = "vault"\n{table}kind = "safe"\nowner = "here"\n'
    )
    rows = {row["wallet"]: row for row in yieldbot("--json", "wallet", "list", cwd=tmp_path).document["wallets"]}
    kinds = {"cloud": "kms", "desk": "ledger", "here": "keystore", "vault": "safe"}
    assert {name: row["kind"] for name, row in rows.items()} == kinds
    assert rows["vault"]["owner"] == "here" and rows["vault"]["service_url"] is None
    assert rows["cloud"]["key_id"] == "alias/bot" and rows["cloud"]["fault"] is None and rows["here"]["fault"]
    shown = yieldbot("wallet", "list", cwd=tmp_path).out
    assert all(
        word in shown for word in ("cloud", "kms", "alias/bot", "desk", "ledger", "m/44'/60'/0'/0/0", "wallet here")
    )


@pytest.mark.parametrize(("asset", "least"), [("USDC", "10"), ("SOL", "0.1")])
def test_init_for_solana_makes_a_solana_key(asset: str, least: str, tmp_path: Path, passphrase_file: Path) -> None:
    answers = ("--chain", "solana", "--rpc", "-", "--wallet-from", "new", "--asset", asset, "--max-share", "0.4")
    ended = yieldbot("--json", "init", *answers, "--passphrase-file", passphrase_file, cwd=tmp_path, given=URL + "\n")
    assert ended.code == 0, ended.err
    (job,) = load(tmp_path / "yieldbot.toml").jobs
    assert job.wallet.family.name == "solana" and job.wallet.address == ended.document["address"]
    assert (job.chain.name, job.asset.symbol, job.chain.rpc_urls) == ("solana", asset, (URL,))
    assert job.wallet.keystore is not None and mode(job.wallet.keystore) == 0o600
    settings = load(tmp_path / "yieldbot.toml")
    assert settings.policy.min_position == least and settings.policy.haircut_bps == {}
    assert "# save = 30" in (tmp_path / "yieldbot.toml").read_text()
    wrong = yieldbot("init", "--force", *answers[:4], "--wallet-from", KEYS_ADDRESS, cwd=tmp_path, given=URL + "\n")
    assert wrong.code == 2 and KEYS_ADDRESS in wrong.line
