"""The completion script in real shells: what bash offers, and that zsh and fish can read theirs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.program import yieldbot

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
