"""``yieldbot completion``: a script by which a shell completes commands, flags, files, chains and styles."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.completion import CHAIN, KINDS, CompletionDocument, words_of
from yieldbot.app.completion import words as named
from yieldbot.cli.main import COMMANDS
from yieldbot.cli.main import parser as parser_of
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

SHELLS = {
    "bash": "~/.local/share/bash-completion/completions/yieldbot",
    "zsh": "a folder of $fpath, as _yieldbot",
    "fish": "~/.config/fish/completions/yieldbot.fish",
}
"""Shells, and where the script of each belongs."""
ASKED = {"market": "market", "plan_id": "plan", "wallet": "wallet", "asset": "asset", "account": "wallet"}
"""What flags and arguments take, by their names."""
_HEADER = re.compile(r"^(#(?!compdef).*\n)+", re.M)
"""The first comment of a script, in which shtab names other places."""

_VALUES = re.compile(r'(-xka )"([\w.: /-]+)"(?= -d )')
"""The values of a flag that fish offers."""
TAB = r"\t"
"""After a value for fish: its own description, which is none."""


def register(listed: CommandList) -> None:
    where = "; ".join(f"{shell}: {place}" for shell, place in SHELLS.items())
    parser = listed.add_parser("completion", f". Write what it prints into a file ({where}) and start a new shell.")
    parser.add_argument("shell", metavar="SHELL", nargs="?", choices=tuple(SHELLS), help=", ".join(SHELLS))
    parser.add_argument(
        "--words", choices=KINDS, help="what the script asks for as you type: the words of this kind in this folder"
    )
    parser.set_defaults(command="completion", whole=False, handler=completion)


def completion(args: argparse.Namespace, context: Screen) -> int:
    if args.words is not None:
        found = named(args.words, context)
        context.show(found.as_json(), *([lambda: "\n".join(found.words)] if found.words else []))
        return 0
    if args.shell is None:
        raise ConfigError(f"which shell's script? Write one of {', '.join(SHELLS)}")
    import shtab  # here, since it is needed for nothing else

    root = parser_of([name for lines in COMMANDS.values() for name in lines])
    known = words_of(context.config)
    for action in _actions(root):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.choices is None and (kind := ASKED.get(action.dest)):
            action.complete = _asked(kind)  # type: ignore[attr-defined]
        elif action.choices is None and (words := known.get(_what(action))):
            action.choices = words
    header = f"# Completion of yieldbot for {args.shell}. Its place: {SHELLS[args.shell]}\n"
    script = _mended(_HEADER.sub(lambda _: header, shtab.complete(root, args.shell), count=1))
    context.show(CompletionDocument(shell=args.shell, script=script).as_json(), lambda: script)
    return 0


def _mended(script: str) -> str:
    """shtab's script where shells would do otherwise than wanted: zsh sources it too, and fish does not show a flag's
    whole description beside each of its values."""
    script = script.replace("$zsh_eval_context[-1] == eval ]]", "$zsh_eval_context[-1] == (eval|file) ]]")
    return _VALUES.sub(lambda found: f'{found[1]}"{" ".join(f"{word}{TAB}" for word in found[2].split())}"', script)


def _asked(kind: str) -> dict[str, Any]:
    """How each shell asks for the words of a kind while a person types, one a line, with blanks in them."""
    ask, name = f"yieldbot completion --words {kind} 2>/dev/null", f"_yieldbot_{kind}"
    bash = f"""
{name}() {{
  local word
  while IFS= read -r word; do
    printf -v word %q "$word"
    [[ $word == "$1"* ]] && printf '%s\\n' "$word"
  done < <({ask})
}}"""
    zsh = f"""
{name}() {{
  compadd -- ${{(f)"$({ask})"}}
}}"""
    return {"bash": name, "zsh": name, "fish": f"({ask})", "preamble": {"bash": bash, "zsh": zsh}}


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every flag and argument of a parser and of the commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in dict.fromkeys(action.choices.values()):
                yield from _actions(one)
        else:
            yield action


def _what(action: argparse.Action) -> str:
    """What a flag takes, by its name: ``chain`` for --chain and --to-chain."""
    return CHAIN if any(flag.endswith(f"-{CHAIN}") for flag in action.option_strings) else action.dest
