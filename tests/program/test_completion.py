"""The completion script in real shells: what bash offers, and that zsh and fish can read theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from yieldbot.history.market_names import FILE

CASES = {
    "yieldbot pos": {"positions"},
    "yieldbot wallet n": {"new"},
    "yieldbot markets --chain a": {"arbitrum", "avalanche"},
    "yieldbot run --approve ": {"queue", "ask", "auto"},
    "yieldbot init --style ": {"safe", "balanced", "high"},
    "yieldbot plan --exc": {"--exclude"},
}
ASK = """
source yieldbot.bash
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  [[ $line != *" " ]] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _shtab_yieldbot yieldbot "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  echo "${COMPREPLY[@]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_completes_commands_flags_and_words(tmp_path: Path) -> None:
    made = yieldbot("completion", "bash", cwd=tmp_path)
    assert made.code == 0 and not made.err
    first = made.out.splitlines()[0]
    assert first.endswith("~/.local/share/bash-completion/completions/yieldbot") and "bash_completion/" not in made.out
    (tmp_path / "yieldbot.bash").write_text(made.out)
    lines = "".join(f"{line}\n" for line in CASES)
    done = subprocess.run(["bash", "-c", ASK], cwd=tmp_path, input=lines, capture_output=True, text=True, check=True)
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    assert dict(zip(CASES, offered, strict=True)) == CASES


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_completes_markets_wallets_and_assets_of_the_folder(tmp_path: Path) -> None:
    """Names with blanks are one word each; a folder without memory offers none, and nothing is printed in between."""
    (tmp_path / "yieldbot.bash").write_text(yieldbot("completion", "bash", cwd=tmp_path).out)
    (tmp_path / "yieldbot.toml").write_text('[[wallets]]\nname = "savings"\n[[jobs]]\nasset = "EURC"\n')
    memory = tmp_path / ".yieldbot" / "history"
    memory.mkdir(parents=True)
    (memory / FILE).write_text('{"eip155:1": {"a": "Aave v3 Prime", "b": "Aave v3", "c": "Mega\\u001b Vault"}}')
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    cases = ["yieldbot exit Aa", "yieldbot plan --wallet ", "yieldbot plan --asset E", "yieldbot approve "]
    lines = "".join(f"{line}\n" for line in cases)
    script = ASK.replace('echo "${COMPREPLY[@]}"', "(IFS=';'; echo \"${COMPREPLY[*]}\")")
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, input=lines, capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.splitlines() == ["Aave\\ v3;Aave\\ v3\\ Prime", "savings", "EURC", ""] and not done.stderr
    found = yieldbot("completion", "--words", "market", "--json", cwd=tmp_path).document["words"]
    assert found == ["Aave v3", "Aave v3 Prime", "Mega\N{REPLACEMENT CHARACTER} Vault"]
    assert yieldbot("completion", cwd=tmp_path).line == "yieldbot: which shell's script? Write one of bash, zsh, fish"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(shell: str, tmp_path: Path) -> None:
    made = yieldbot("completion", shell, "--json", cwd=tmp_path)
    assert made.document["shell"] == shell and "positions" in made.document["script"]
    place = {"zsh": "a folder of $fpath, as _yieldbot", "fish": "~/.config/fish/completions/yieldbot.fish"}[shell]
    assert made.document["script"].count(f"Its place: {place}\n") == 1 and "Copy this" not in made.document["script"]
    assert made.document["script"].startswith("#compdef yieldbot\n" if shell == "zsh" else "# Completion of")
    if shutil.which(shell) is not None:
        (tmp_path / "script").write_text(made.document["script"])
        subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not there")
def test_zsh_may_also_source_its_script(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(yieldbot("completion", "zsh", cwd=tmp_path).out)
    lines = "autoload -Uz compinit; compinit -u -d dump\nsource ./script\nprint $_comps[yieldbot]\n"
    done = subprocess.run(["zsh", "-f"], cwd=tmp_path, input=lines, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["_shtab_yieldbot"] and not done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not there")
def test_fish_shows_values_without_the_description_of_their_flag(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(yieldbot("completion", "fish", cwd=tmp_path).out)
    ask = "source script; complete -C 'yieldbot run --approve '; complete -C 'yieldbot run --appr'"
    done = subprocess.run(["fish", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    *values, flag = done.stdout.splitlines()
    assert values == ["queue", "ask", "auto"] and flag.startswith("--approve\tqueue (default)")
