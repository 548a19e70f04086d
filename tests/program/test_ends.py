"""How the program ends: exit codes, one line for each mistake, one JSON document with --json, never a traceback."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.config.files import SETTINGS, written
from tests.kit.program import ROOT, yieldbot
from yieldbot.cli.main import COMMANDS, INTERRUPTED, main
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError, InvariantError, PendingError, SafetyError, TransientError, YieldbotError
from yieldbot.journal.journal_entries import AccountStopped
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address, evm_chain


def test_help_names_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    ended = yieldbot("--help", cwd=tmp_path)
    assert ended.code == 0 and not ended.err
    assert all(f"\n    {name} " in ended.out for lines in COMMANDS.values() for name in lines)
    probe = (
        "import sys; from yieldbot.cli.main import main; main(['--help']); "
        "heavy = {'web3', 'pydantic', 'sqlalchemy', 'rich', 'structlog', 'numpy', 'eth_account', 'asyncio', 'json', "
        "'dataclasses', 'decimal'}; print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "named"), [("--help", set[str]()), ("nonsense", set[str]()), ("resume --help", {"halt"})]
)
def test_no_command_is_imported_but_the_one_that_is_named(words: str, named: set[str]) -> None:
    probe = (
        f"import sys; from yieldbot.cli.main import COMMANDS, main; main({words.split()!r}); "
        "print([name for name in COMMANDS if f'yieldbot.cli.{name}' in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == str(sorted(named))


@pytest.mark.parametrize("name", [name for lines in COMMANDS.values() for name in lines])
def test_every_command_of_the_table_is_one_of_its_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "global flags:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("run", "--approve", "maybe"),
        ("approve",),
        ("sandbox", "warp", "soon"),
        ("sandbox", "warp", "-1"),
        ("markets", "--nonsense"),
        ("allowances", "--from-block", "-5"),
        ("export", "--from-block", "1.5"),
        ("decode", "0x", "--chain", "base", "--to", "0xA238Dd80C259a72e81d7e4664a9801593F98d1c5", "--value", "-1"),
        ("init",),
    ],
)
def test_wrong_usage_is_one_line_and_2(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = yieldbot(*words, cwd=tmp_path)
    assert ended.code == 2 and not ended.out
    assert len(ended.line) > len("yieldbot: ") + 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("marktes", "there is no command marktes: did you mean markets? See `yieldbot --help`"),
        ("--conifg x plan", "--conifg: did you mean --config? See `yieldbot --help`"),
        ("wallet nwe", "there is no command nwe: did you mean new? See `yieldbot wallet --help`"),
        ("markets --format csv", "--format csv: did you mean --csv or --json? See `yieldbot markets --help`"),
        ("run --aprove ask", "--aprove ask: did you mean --approve? See `yieldbot run --help`"),
        ("run --approve aks", "--approve: aks is not allowed: did you mean ask? See `yieldbot run --help`"),
        ("wallet x", "there is no command x: known are: new, import, list, address: see `yieldbot wallet --help`"),
    ],
)
def test_what_is_misspelt_is_suggested(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err.strip().endswith(said)


@pytest.mark.parametrize("command", ["check", "markets", "positions", "plan", "dry-run", "run", "history"])
def test_no_configuration_is_one_line_with_the_remedy(command: str, tmp_path: Path) -> None:
    ended = yieldbot(command, cwd=tmp_path)
    assert ended.code == 2 and "yieldbot init" in ended.line and str(tmp_path / "yieldbot.toml") in ended.line
    assert not list(tmp_path.iterdir())


def test_errors_are_documents_too(tmp_path: Path) -> None:
    for words, command in (
        (("--json", "plan"), "plan"),
        (("plan", "--json"), "plan"),
        (("--json", "approve"), "approve"),
        (("sandbox", "warp", "--json"), "sandbox-warp"),
        (("markets", "--nonsense", "--json"), "markets"),
        (("--config", "elsewhere.toml", "lp", "add", "--json"), "lp"),
        (("sandbox", "--json"), "sandbox"),
        (("run", "--approve", "maybe", "--json"), "run"),
        (("--json", "nonsense"), ""),
    ):
        ended = yieldbot(*words, cwd=tmp_path)
        assert ended.code == 2
        document = ended.document
        assert document["command"] == command
        assert document["schema"] == "yieldbot/error/v1" and document["exit_code"] == 2
        assert document["kind"] == "ConfigError" and document["message"] in ended.line


def test_a_missing_rpc_address_stops_only_commands_that_need_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert yieldbot("--config", path, "history", cwd=tmp_path).code == 0
    for command in ("markets", "run", "dry-run"):
        ended = yieldbot("--config", path, command, cwd=tmp_path)
        assert ended.code == 2 and "TESTNET_RPC_URL" in ended.line and ".env" in ended.line
    assert not (tmp_path / "data" / "journal.sqlite").exists()


def test_a_node_that_is_down_skips_its_chain(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9/SECRETKEY\n")
    ended = yieldbot("--config", path, "--json", "-v", "markets", cwd=tmp_path)
    assert ended.code == 1
    (job,) = ended.document["jobs"]
    assert "127.0.0.1" in job["skipped"] and job["chain"] == "testnet"
    assert "event=skipped" in ended.err and "SECRETKEY" not in ended.out + ended.err


def test_csv_says_beside_itself_what_it_lacks(tmp_path: Path) -> None:
    ended = yieldbot(
        "--config", written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"), "markets", "--csv", cwd=tmp_path
    )
    assert ended.code == 1 and ended.out.splitlines()[0].startswith("id,market,") and len(ended.out.splitlines()) == 1
    assert "main: USDC on testnet skipped: RPC endpoint 127.0.0.1:9" in ended.err


def test_unknown_job_flags_say_what_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    for flag, known in (("--wallet", "main"), ("--chain", "testnet"), ("--asset", "USDC")):
        ended = yieldbot("--config", path, "plan", flag, "nope", cwd=tmp_path)
        assert ended.code == 2 and known in ended.line


def test_ask_without_a_terminal_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    ended = yieldbot("--config", path, "run", "--approve", "ask", cwd=tmp_path)
    assert ended.code == 2 and "--approve queue" in ended.line


def test_unknown_plans(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    for command in ("approve", "reject"):
        ended = yieldbot("--config", path, command, "deadbeef", cwd=tmp_path)
        assert ended.code == 2 and "deadbeef" in ended.line and "yieldbot history" in ended.line


def test_a_second_run_exits_at_once(tmp_path: Path) -> None:
    from yieldbot.execution.lock import run_lock

    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    with run_lock(tmp_path / "data", "approve") as held:
        held.at("simulating leg 1")
        ended = yieldbot("--config", path, "run", cwd=tmp_path)
    assert ended.code == 6 and "another run is in progress" in ended.line
    assert f"`approve` of {getpass.getuser()} (process {os.getpid()}), since 20" in ended.line
    assert "at: simulating leg 1;" in ended.line


def test_a_journal_that_is_none_stops_the_bot(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.sqlite").write_bytes(b"not a database, however long it may be" * 40)
    for command in ("history", "run", "dry-run"):
        ended = yieldbot("--config", path, command, cwd=tmp_path)
        assert ended.code == 1 and "journal.sqlite" in ended.line


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (TransientError("x"), 1),
        (SafetyError("TARGET_NOT_ALLOWED", "x"), 4),
        (PendingError("x"), 5),
        (InvariantError("x"), 1),
    ],
)
def test_each_errors_exit_code(
    error: YieldbotError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Screen) -> None:
        raise error

    monkeypatch.setattr(Screen, "settings", property(fail))
    assert main(["history"]) == code
    shown = capsys.readouterr()
    assert shown.err == f"yieldbot: {error}\n" and not shown.out


def test_a_bug_is_one_line_and_a_file_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9/v2/SECRETKEY\n")

    def fail(*_: object) -> None:
        raise RuntimeError("a slip near http://127.0.0.1:9/v2/SECRETKEY\nand a second line")

    monkeypatch.setattr("yieldbot.app.overview.observe", fail)
    assert main(["--config", str(path), "plan"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    (crash,) = (tmp_path / "data" / "logs").glob("crash-*.txt")
    assert "this is a bug" in line and str(crash) in line and "SECRETKEY" not in line
    assert "RuntimeError" in crash.read_text() and "SECRETKEY" not in crash.read_text()
    assert crash.stat().st_mode & 0o077 == 0


def test_ctrl_c_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(self: Screen) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Screen, "settings", property(interrupted))
    assert main(["history"]) == INTERRUPTED
    assert capsys.readouterr().err.startswith("yieldbot: interrupted")


@pytest.mark.parametrize("loading", ["argparse", "yieldbot.cli.screen", "yieldbot.cli.halt"])
def test_ctrl_c_while_the_program_is_being_loaded_is_one_line_too(loading: str, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Loading:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {loading!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Loading()); sys.argv[1:] = ['halt']\n"
        "from yieldbot.cli.start import main; sys.exit(main())"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (INTERRUPTED, "yieldbot: interrupted\n")


def test_ctrl_c_while_a_node_does_not_answer(tmp_path: Path) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    slow = "import time; time.sleep(60)"
    code = (
        # A runner in the background of a shell hands down an ignored SIGINT; a terminal does not.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from yieldbot.app import overview; from yieldbot.cli.main import main\n"
        f"def look(*_):\n    print('waiting', flush=True); {slow}\n"
        f"overview.observe = look; sys.exit(main(['--config', {str(path)!r}, 'plan']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == INTERRUPTED and err.startswith("yieldbot: interrupted") and err.count("\n") == 1


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    path = written(tmp_path)
    command = f"{sys.executable} -m yieldbot.cli.main --json --config {path} history --limit 0 | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr


def test_settings_that_nest_without_end_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "yieldbot.toml").write_text("schema = " + "[" * 100_000)
    ended = yieldbot("plan", cwd=tmp_path)
    assert ended.code == 2 and "nests its values too deeply" in ended.line


def test_the_settings_of_another_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    written(tmp_path / "a", settings=SETTINGS)
    ended = yieldbot("history", "--config", "a/yieldbot.toml", "--json", cwd=tmp_path)
    assert ended.code == 0 and ended.document["schema"] == "yieldbot/history/v1" and ended.document["events"] == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_that_lacks_a_character_is_no_error(encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    reason = "to a market called \u4e2d\u2026 that lies behind a very long name " * 4
    with Journal.open(tmp_path / "data" / "journal.sqlite") as journal:
        journal.append(AccountStopped(evm_chain(31337), Address("0x" + "11" * 20), reason))
    environment = {"PYTHONIOENCODING": encoding, "COLUMNS": "120"}
    told = yieldbot("--config", path, "history", cwd=tmp_path, environment=environment)
    assert told.code == 0 and not told.err and "called ?? that lies" in " ".join(told.out.split())
    document = yieldbot("--config", path, "--json", "history", cwd=tmp_path, environment=environment).document
    assert document["events"][0]["text"] == reason.strip()
    wrong = yieldbot("history", "--config", tmp_path / "\u4e2d\u2026.toml", cwd=tmp_path, environment=environment)
    assert wrong.code == 2 and "is not there" in wrong.line


def test_the_journal_can_be_looked_at_on_a_full_disk(tmp_path: Path) -> None:
    path = written(tmp_path)
    file = tmp_path / "data" / "journal.sqlite"
    with Journal.open(file) as journal:
        journal.append(AccountStopped(evm_chain(31337), Address("0x" + "11" * 20), "why"))
    for words, code in (("history --verify", 0), ("history --limit 0", 0), ("reject deadbeef", 1)):
        command = f"ulimit -f 4; {sys.executable} -B -m yieldbot.cli.main --config {path} {words}"
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        if code:
            said = f"yieldbot: journal {file}: the disk of {file.parent} is full or failing; nothing was written; free"
            assert done.stderr.startswith(said) and done.stderr.count("\n") == 1
        else:
            assert not done.stderr and [found.name for found in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(("shell", "code"), [("> /dev/full", 1), (">&-", 0), ("2>&-", 0)])
@pytest.mark.parametrize("flags", ["", "--json"])
def test_an_output_that_takes_nothing_is_no_bug(tmp_path: Path, shell: str, code: int, flags: str) -> None:
    (tmp_path / "yieldbot.toml").write_text('schema = 1\ndata_dir = "data"\n')
    words = f"{sys.executable} -m yieldbot.cli.main {flags} history {shell}"
    ended = subprocess.run(
        words, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr and "bug" not in ended.stderr
    assert not code or (ended.stderr.count("\n") == 1 and "standard output cannot be written" in ended.stderr)
