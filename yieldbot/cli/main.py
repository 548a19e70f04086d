"""``yieldbot``: parses the command line, calls one handler and turns its end into an exit code.

Only the module of the named command is imported; ``yieldbot --help`` imports none. So these modules may import what
they need at their top.

Exit codes: 0 done or nothing to do; 1 failure; 2 wrong usage or configuration; 3 a plan waits for approval; 4 refused
by a safety rule; 5 a transaction's outcome is still open; 6 another run is in progress; 130 interrupted; 141 the reader
of our output is gone; 143 (as a shell has it) ended by SIGTERM, which serve, signer and mcp take as a request to end.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Container, Mapping, Sequence
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path

from yieldbot import __version__
from yieldbot.app import telemetry
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.resources import no_core_dumps

TYPE_CHECKING = False  # see yieldbot/__init__.py
if TYPE_CHECKING:
    from typing import Any, NoReturn

COMMANDS = {
    "init": {
        "init": "ask six questions and write yieldbot.toml, .env.example and .env; flags answer questions beforehand"
    },
    "check": {"check": "check RPC endpoints, tokens, markets, wallets and anvil; name each fault with its remedy"},
    "view": {
        "markets": "every market: quoted yield, yield after our own deposit, liquidity, caps, exits, risk flags",
        "positions": "what we hold, what it has earned, predicted and realised yield, profit and loss",
        "plan": "the best allocation, its certificate and the moves towards it; nothing is simulated or signed",
    },
    "run": {
        "dry-run": "run one cycle up to the rehearsal on a fork; nothing is signed",
        "run": "run one cycle: settle, observe, plan, rehearse, get approval, sign, send, confirm",
        "approve": "carry out a plan that waits: observe and rehearse again, show every call, sign, send",
        "reject": "reject a plan that waits",
    },
    "approver": {"approver": "manage the persons who may approve, and their signatures (policy.approvals_needed)"},
    "exit": {"exit": "take the money out of one market or all: as much as each can pay now, the rest in later runs"},
    "watch": {
        "watch": "show who may change the contracts that our markets depend on, and what has changed since the "
        "last time"
    },
    "discover": {
        "discover": "markets that contracts register on chain: what is there, new or gone; --pin adds some to the "
        "chain's file"
    },
    "memory": {"observe": "read every market and store the readings; nothing is decided"},
    "history": {"history": "what was planned, approved, signed and confirmed; recorded rates of markets"},
    "forecast": {"forecast": "what each market is expected to pay over 1 to 30 days, and how good each forecaster was"},
    "risk": {"risk": "each market's safety grade with the evidence, its expected loss, and its yield after that"},
    "backtest": {"backtest": "what the policy would have earned on recorded history, beside simple rules"},
    "paper": {"paper": "what the policy would do with simulated money on live markets"},
    "wallet": {"wallet": "make, import and list wallets (encrypted keystore files, AWS KMS, Ledger)"},
    "serve": {"serve": "give over HTTP what the other commands print, to callers with an API key (docs/api.md)"},
    "signer": {
        "signer": "hold the wallets' keys as another user than `serve`, and carry out its plans once persons have "
        "signed them"
    },
    "mcp": {
        "mcp": "give an assistant tools over stdin and stdout: it may read and plan; a person approves (docs/mcp.md)"
    },
    "ask": {
        "ask": 'ask the assistant a question, as: yieldbot ask "why did you leave X?" (docs/assistant.md)',
        "chat": "talk with the assistant at the terminal",
    },
    "proposal": {"proposal": "what the assistant proposes (exits, alerts, settings): list, accept or reject it"},
    "notify": {"notify": "send notices by chat, mail or webhook, or test every channel (docs/notices.md)"},
    "alert": {"alert": "manage your alerts: a rate, price, depeg, utilisation, grade or wealth passes a threshold"},
    "secret": {"secret": "secrets (RPC URLs, tokens, passphrases) in a file that a passphrase encrypts"},
    "key": {"key": "make, list, rotate and revoke API keys for `serve`"},
    "halt": {
        "halt": "sign and send nothing more until `yieldbot resume`; stops a run in progress too",
        "resume": "lift a halt; with --clear also let stopped accounts sign again (stopped after a loss, or "
        "after a balance change that was not simulated)",
    },
    "sandbox": {"sandbox": "a local market of real protocols to try everything on"},
    "demo": {"demo": "the whole job on a local market: plan, rehearse, approve, sign, send, and 30 days of earning"},
    "allocate": {
        "allocate": "solve an allocation problem given as a JSON document, with a certificate; no chain is asked"
    },
    "decode": {
        "decode": "describe in words what a call or a message to sign does, and warn of dangers; no chain is asked"
    },
    "quote": {"quote": "what a swap would bring now, split over the chain's pools; nothing is sent"},
    "allowances": {"allowances": "list every allowance that our accounts have given; --revoke sets them to zero"},
    "lp": {"lp": "liquidity in pools: add, remove, collect fees, compound them, or rebalance the range"},
    "report_file": {"report": "the overview as one HTML file: wealth over time, positions, what was done and why"},
    "help": {"help": 'what a figure on a screen means, with an example, as: yieldbot help "APY after"'},
    "completion": {"completion": "print a script by which bash, zsh or fish completes commands, flags and chains"},
    "export": {"export": "all transactions of our accounts with value, cost and gain (first in, first out), for taxes"},
}
"""Every command in the order of ``--help``: its module in this package, its name and what it does.

A module's ``register(listed)`` adds the flags and handlers of its commands.
"""

SENDING = frozenset(("run", "approve", "exit", "watch", "lp", "allowances", "demo"))
"""Commands that may send transactions."""
INTERRUPTED = 130
_WRONG_CHOICE = re.compile(r"argument (.+?): invalid choice: '(.*?)' \(choose from")
_WRONG_FLAG = re.compile(r"unrecognized arguments: (--[a-z-]+)")
_WRONG_NUMBER = re.compile(r"argument (.+?): invalid (int|float) value: (?:'(.*)'|\"(.*)\")$", re.S)
_NUMBERS = {"int": "a whole number", "float": "a number, as 1.5"}
FEW = 12
"""Most commands that are listed where none is similar to what was typed."""
_NEGATIVE, _FLAG = re.compile(r"-[0-9.]"), re.compile(r"--[a-z][a-z-]*")
READER_GONE = 141


class Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal. argparse would import shutil to find the width, which is slow."""

    def __init__(self, prog: str, **options: Any) -> None:
        try:
            columns = int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
        except (ValueError, OSError):  # a pipe
            columns = 100
        super().__init__(prog, **({"max_help_position": 26, "width": max(40, columns - 2)} | options))


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ConfigErrors, in one line like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"formatter_class": Formatter} | options))

    def error(self, message: str) -> NoReturn:
        what = self._corrected(message)
        raise ConfigError(f"{what}{' See' if what.endswith('?') else ': see'} `{self.prog} --help`")

    def _corrected(self, message: str) -> str:
        """argparse's message, with the most similar command, value or flag in place of a list of all."""
        from yieldbot.model.spelling import did_you_mean, nearest

        if (wrong := _WRONG_CHOICE.match(message)) is not None:
            where, word = wrong.groups()
            action = next((one for one in self._actions if one.choices and where in _called(one)), None)
            known = [str(choice) for choice in (action and action.choices) or ()]
            is_command = isinstance(action, argparse._SubParsersAction)
            what = f"there is no command {word}" if is_command else f"argument {where}: {word} is not allowed"
            return f"{what}: {did_you_mean(word, known)}" if len(known) <= FEW or nearest(word, known) else what
        if (wrong := _WRONG_FLAG.match(message)) is not None:
            flags = [flag for one in self._actions for flag in one.option_strings if flag.startswith("--")]
            if wrong[1] in ("--format", "--output") and (kinds := [one for one in ("--csv", "--json") if one in flags]):
                return f"{message}: did you mean {' or '.join(kinds)}?"
            return f"{message}: {did_you_mean(wrong[1], flags)}" if nearest(wrong[1], flags) else message
        if (wrong := _WRONG_NUMBER.match(message)) is not None:
            return f"{wrong[1].rpartition('/')[2]} {wrong[3] or wrong[4] or ''}: write {_NUMBERS[wrong[2]]}"
        return message


def _called(action: argparse.Action) -> tuple[str, ...]:
    """What argparse may call an action in a message."""
    return ("/".join(action.option_strings), str(action.metavar), action.dest)


class CommandParser(Parser):
    """The parser of one command, with the global flags; without ``flags`` only its name for the list of commands."""

    def __init__(self, flags: bool = True, **options: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=flags, **options)
        if flags:
            _flags(self, default=False)

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """As argparse's; what is not known is this command's error, whose flags are suggested, not the program's."""
        found, unknown = super().parse_known_args(*given, **named)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


class CommandList:
    """The commands of one module, to which its ``register`` adds parsers; their descriptions come from COMMANDS."""

    def __init__(self, subparsers: Any, lines: Mapping[str, str], words: Container[str]) -> None:
        self._subparsers, self._lines, self._words = subparsers, lines, words

    def names(self, *words: str) -> bool:
        """Whether one of these stands on the command line."""
        return any(word in self._words for word in words)

    def add_parser(self, name: str, more: str = "", **options: Any) -> Any:
        """Add the parser of a command. ``more``: appended to the description in the command's own help."""
        line = self._lines[name]
        return self._subparsers.add_parser(name, help=line, description=line + more, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``argv``: arguments without the program's name; None: the process's."""
    words = _joined(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    _never_unprintable()
    no_core_dumps()
    os.umask(os.umask(0o077) | 0o022)  # files that others can write are refused when read
    context = Screen(json="--json" in words)
    telemetry.begin()
    try:
        code = _dispatch(words, context)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the exit's own flush must not fail again
        return READER_GONE
    except OSError as failure:  # a disk that is full, behind what the shell made of stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        context.complain(f"standard output cannot be written: {failure.strerror}; whatever was done is in the journal")
        return 1
    except BaseException as ending:
        if not _interrupted(ending):
            raise
        _say_no_more()
        sends = not SENDING.isdisjoint(words)
        context.complain("interrupted" + ("; if anything was sent, the next run settles it" if sends else ""))
        return INTERRUPTED
    return code


def _interrupted(ending: BaseException) -> bool:
    """Whether a command ends for a Ctrl-C. ``asyncio.run`` makes a CancelledError of it where what the command waited
    for, as time limits of libraries do, cancelled it at the same moment."""
    loops = sys.modules.get("asyncio")  # not imported for this: that takes time
    return isinstance(ending, KeyboardInterrupt) or (loops is not None and isinstance(ending, loops.CancelledError))


def _say_no_more() -> None:
    """Silence warnings of libraries about connections that were still open when the process ended."""
    import logging

    logging.disable()


def _never_unprintable() -> None:
    """Print ? for characters that the output cannot encode: an encoding error could come after a payment."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _dispatch(words: list[str], context: Screen) -> int:
    try:
        context.log_as(_log_format(words))
        root = parser(words)
        context.command = _named(root, words)  # set early: errors of usage name it too
        if words and _FLAG.match(words[0]) and words[0].partition("=")[0] not in root._option_string_actions:
            root.error(f"unrecognized arguments: {words[0]}")  # argparse would take its value for the command
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
        if isinstance(unforeseen, OSError) and unforeseen.filename is None:
            os.write(sys.stdout.fileno(), b"\n")  # raises once more where it is stdout that takes nothing
        return context.crash(unforeseen)


def _joined(words: Sequence[str]) -> list[str]:
    """The words with a value such as ``-5%`` joined to the flag before it (``--above=-5%``): argparse takes what begins
    with a dash for a flag."""
    found = list[str]()
    for word in words:
        if found and _NEGATIVE.match(word) and _FLAG.fullmatch(found[-1]):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _log_format(words: Sequence[str]) -> str:
    """The format of log lines, known before flags are parsed, so that errors of usage have it too; where the flag's
    value is wrong, the parser says so."""
    given = dict(pairwise(words)).get("--log-format") or next(
        (word.partition("=")[2] for word in words if word.startswith("--log-format=")), None
    )
    return given if given in telemetry.FORMATS else os.environ.get(telemetry.VARIABLE) or telemetry.TEXT


def _named(root: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """The command that these words name, spelled as in documents: sandbox-warp; empty if they name none."""
    names, at = list[str](), root
    for word in words:
        choices = next((a.choices for a in at._actions if isinstance(a, argparse._SubParsersAction)), None)
        if choices is not None and word in choices:
            names.append(word)
            at = choices[word]
    return str(at.get_default("command") or "-".join(names))


def parser(words: Container[str]) -> Parser:
    """The command line's parser: all commands by name, with the flags of those among ``words``.

    Global flags may stand before or after the command.
    """
    root = Parser(
        prog="yieldbot",
        description="Moves a wallet's idle tokens into the best safe yield on chain, with your approval.",
        epilog="exit codes: 0 done, 1 failure, 2 wrong usage or configuration, 3 a plan "
        "waits for approval, 4 refused by a safety rule, 5 a transaction is still open (run again), "
        "6 another run is in progress, 130 interrupted (Ctrl-C), 143 ended by SIGTERM",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"yieldbot {__version__}")
    _flags(root, default=True)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", parser_class=CommandParser)
    root.set_defaults(command="", handler=_next)
    for module, lines in COMMANDS.items():
        listed = CommandList(commands, lines, words)
        if any(name in words for name in lines):
            importlib.import_module(f"yieldbot.cli.{module}").register(listed)
        else:
            for name in lines:
                listed.add_parser(name, flags=False)
    return root


def _next(args: argparse.Namespace, context: Screen) -> int:
    """Say what to do next, where no command is named."""
    from yieldbot.cli.next import show

    return show(args, context)


def _flags(to: argparse.ArgumentParser, default: bool) -> None:
    """Add the global flags. On a command's parser they have no default, which would overwrite a flag given before the
    command."""

    def or_none(value: object) -> object:
        return value if default else argparse.SUPPRESS

    group = to.add_argument_group("global flags")
    group.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        default=or_none(Path("yieldbot.toml")),
        help="configuration to use (default: ./yieldbot.toml)",
    )
    group.add_argument("--json", action="store_true", default=or_none(False), help="print one JSON document on stdout")
    group.add_argument(
        "-v", "--verbose", action="store_true", default=or_none(False), help="print more progress on stderr"
    )
    group.add_argument(
        "--log-format",
        choices=telemetry.FORMATS,
        default=or_none(None),
        help=f"lines on stderr as text or as JSON objects (default: {telemetry.VARIABLE}, else text)",
    )


if __name__ == "__main__":
    sys.exit(main())
