"""``yieldbot``: parse the command line, call one handler, turn every end into an exit code.

A command's module is imported when the command line names one of its commands, and no other is: ``yieldbot --help``
needs none of them. So they import at their top what they need.

Exit codes: 0 done or nothing to do; 1 failure; 2 wrong usage or configuration; 3 a plan waits for approval; 4 refused
by a safety rule; 5 a transaction's outcome is still open; 130 interrupted; 141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Container, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from yieldbot import __version__
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError, YieldbotError

COMMANDS = {
    "init": {"init": "ask five questions and write yieldbot.toml, .env.example and .env; flags answer them beforehand"},
    "check": {"check": "check RPCs, tokens, markets, wallets and anvil; each fault with its remedy"},
    "view": {
        "markets": "every market: yield quoted, yield after our deposit, liquidity, caps, risk flags",
        "positions": "what we hold, what it earned, predicted against realised yield",
        "plan": "the best allocation and the moves towards it, with the proof; nothing is simulated or signed",
    },
    "run": {
        "dry-run": "one cycle with a rehearsal on a fork; nothing is signed",
        "run": "one cycle: settle, observe, plan, rehearse, get approval, sign, send, confirm",
        "approve": "carry out a queued plan: look again, rehearse again, show every call, sign, send",
        "reject": "refuse a queued plan",
    },
    "history": {"history": "what was planned, approved, signed and confirmed, from the journal"},
    "wallet": {"wallet": "make, import and list wallets (encrypted keystore files, AWS KMS, Ledger)"},
    "halt": {
        "halt": "sign and send nothing more, a run in progress included, until `yieldbot resume`",
        "resume": "lift a halt; with --clear also the stop of accounts "
        "(a balance change that was not simulated, a loss)",
    },
    "sandbox": {"sandbox": "a local market of real protocols to try everything on"},
    "demo": {"demo": "the whole job on a local market: plan, rehearse, approve, sign, send, earn for 30 days"},
    "allocate": {
        "allocate": "solve a problem given as a JSON document: the best allocation, with the proof; no chain is asked"
    },
    "decode": {"decode": "say in words what a call does; what is not known is not described as known"},
    "quote": {"quote": "what a swap would give now, split over the chain's exchanges; nothing is sent"},
    "allowances": {"allowances": "list every allowance that our accounts have given; --revoke takes them back"},
    "lp": {"lp": "liquidity in pools: add, remove, collect, compound, rebalance the range"},
    "export": {"export": "all our transactions with their values, for taxes: first in, first out"},
}
"""Every command in the order of ``--help``: the module of this package that has it, its name, and what it does.

A module's ``register(listed)`` adds the flags and the handler of each of its commands.
"""

INTERRUPTED = 130
READER_GONE = 141


class Formatter(argparse.HelpFormatter):
    """Help in the terminal's width. argparse alone would import shutil for it, and with it three compressors."""

    def __init__(self, prog: str, **options: Any) -> None:
        try:
            columns = int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
        except (ValueError, OSError):  # a pipe
            columns = 100
        super().__init__(prog, **({"max_help_position": 26, "width": max(40, columns - 2)} | options))


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, through the same door as every other mistake of configuration."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"formatter_class": Formatter} | options))

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: see `{self.prog} --help`")


class CommandParser(Parser):
    """A command's parser: it takes the global flags too. Without ``flags`` it is a name in a list, no more."""

    def __init__(self, flags: bool = True, **options: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=flags, **options)
        if flags:
            _flags(self, default=False)


class Listed:
    """What a module's ``register`` adds its commands to: the table says already what each does."""

    def __init__(self, subparsers: Any, lines: Mapping[str, str]) -> None:
        self._subparsers, self._lines = subparsers, lines

    def add_parser(self, name: str, more: str = "", **options: Any) -> Any:
        """The parser of one of the module's commands. ``more``: said in the command's own help alone."""
        line = self._lines[name]
        return self._subparsers.add_parser(name, help=line, description=line + more, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. ``argv``: without the program's name, the process's own by default."""
    words = list(sys.argv[1:] if argv is None else argv)
    _never_unprintable()
    os.umask(os.umask(0o077) | 0o022)  # what we write and others could change would be refused when it is read
    context = Screen(json="--json" in words)
    try:
        code = _dispatch(words, context)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the exit's own flush must not fail again
        return READER_GONE
    except KeyboardInterrupt:
        context.complain("interrupted; whatever was sent is settled by the next run")
        return INTERRUPTED
    return code


def _never_unprintable() -> None:
    """A terminal or a cron mail without UTF-8 gets ? for what it lacks: an error here could follow a payment."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _dispatch(words: list[str], context: Screen) -> int:
    try:
        root = parser(words)
        context.command = _named(root, words)  # told of wrong usage too, which ends before the arguments are taken
        args = root.parse_args(words)
        context.take(args)
        return int(args.handler(args, context))
    except YieldbotError as failure:
        return context.fail(failure)
    except SystemExit as leaving:  # argparse after --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as unforeseen:
        return context.crash(unforeseen)


def _named(root: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """The command that these words name, as documents call it: sandbox-warp; empty where they name none."""
    names, at = list[str](), root
    for word in words:
        choices = next((a.choices for a in at._actions if isinstance(a, argparse._SubParsersAction)), None)
        if choices is not None and word in choices:
            names.append(word)
            at = choices[word]
    return str(at.get_default("command") or "-".join(names))


def parser(words: Container[str]) -> Parser:
    """The command line: all the commands' names, and the flags of those that are among ``words``.

    Global flags stand before or after the command.
    """
    root = Parser(
        prog="yieldbot",
        description="Moves a wallet's idle tokens into the best safe yield on chain, with your approval.",
        epilog="exit codes: 0 done, 1 failure or another run in progress, 2 wrong usage or configuration, 3 a plan "
        "waits for approval, 4 refused by a safety rule, 5 a transaction is still open (run again), "
        "130 interrupted (Ctrl-C)",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"yieldbot {__version__}")
    _flags(root, default=True)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=CommandParser)
    for module, lines in COMMANDS.items():
        listed = Listed(commands, lines)
        if any(name in words for name in lines):
            importlib.import_module(f"yieldbot.cli.{module}").register(listed)
        else:
            for name in lines:
                listed.add_parser(name, flags=False)
    return root


def _flags(to: argparse.ArgumentParser, default: bool) -> None:
    """The global flags. Those of a command have no default: one given before the command would be overwritten."""

    def or_none(value: object) -> object:
        return value if default else argparse.SUPPRESS

    group = to.add_argument_group("global flags")
    group.add_argument(
        "--config", type=Path, metavar="PATH", default=or_none(Path("yieldbot.toml")), help="default: ./yieldbot.toml"
    )
    group.add_argument("--json", action="store_true", default=or_none(False), help="one JSON document on stdout")
    group.add_argument("-v", "--verbose", action="store_true", default=or_none(False), help="tell more on stderr")


if __name__ == "__main__":
    sys.exit(main())
