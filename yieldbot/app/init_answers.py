"""The six answers of ``init``: given beforehand, or by a person, who is asked again after a wrong one and keeps the
others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from yieldbot.app.keys import KEYS, NewPassphrase
from yieldbot.app.styles import BALANCED, STYLES
from yieldbot.config.load import read_toml
from yieldbot.errors import ConfigError
from yieldbot.execution.keyfile import SHORTEST
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import Family, family_of
from yieldbot.model.ids import ChainId
from yieldbot.model.numbers import number
from yieldbot.model.spelling import did_you_mean, intended

if TYPE_CHECKING:
    from yieldbot.app.context import Context

NAME = "main"
"""The wallet's name."""
NEW, IMPORT = "new", "import"
USUAL_ASSET, USUAL_CHAIN = "USDC", "base"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    """Answers given in advance; a question whose answer is None is asked."""

    chain: str | None = None
    """1. The chain's name."""
    rpc: str | None = None
    """2. The environment variable that holds the RPC URL; ``-``: read the URL itself from standard input."""
    wallet_from: str | None = None
    """3. ``new``, ``import``, or the address of an existing wallet."""
    asset: str | None = None
    """4. The symbol of the token to put to work."""
    style: str | None = None
    """5. How careful the policy is: one of ``styles.STYLES``; None and nobody to ask: balanced."""
    max_share: str | None = None
    """6. The largest fraction of the wealth in one market."""
    key_file: Path | None = None
    """The key to import; ``-``: standard input. None: a person is asked if one can be, else standard input."""
    passphrase: NewPassphrase = field(default_factory=NewPassphrase)
    """The new keystore's passphrase."""
    overwrite: bool = False
    """Whether an existing configuration may be overwritten (a keystore never is)."""
    ask: Callable[[str, str], str] | None = None
    """Asks a person a question with its default answer; None: nobody can be asked."""
    piped: Callable[[], str]
    """Reads a line of standard input."""


class Answers(NamedTuple):
    """The six answers."""

    chain: str
    """The chain's name."""
    rpc: str
    """The RPC URL, or the environment variable that holds it."""
    wallet: str
    """``new``, ``import`` or an address."""
    asset: str
    """The token's symbol."""
    style: str
    """One of ``styles.STYLES``."""
    max_share: float
    """The largest fraction of the wealth in one market, above 0 to 1."""


class _Asks(NamedTuple):
    """Where a question's answer comes from: the request, or a person."""

    request: InitRequest
    """Answers given in advance."""
    context: Context
    """Where a wrong answer is reported."""


def answers_of(request: InitRequest, chains: Mapping[str, Path], context: Context) -> Answers:
    """The six answers. Raises ConfigError for a wrong or missing one that nobody can be asked for."""
    asks = _Asks(request, context)
    if request.ask is not None:
        context.say("Enter takes the answer in [ ]. Nothing is written before the last answer; Ctrl-C ends.")
    names = ", ".join(sorted(chains))
    chain = _answer(
        asks,
        request.chain,
        "--chain",
        f"1. Which chain? ({names}) [{USUAL_CHAIN}] ",
        USUAL_CHAIN,
        lambda answer: _one_of(answer, sorted(chains), "no file of chains/ describes it: "),
    )
    described = read_toml(chains[chain])
    family = family_of(ChainId(str(described["chain"])))
    rpc = _rpc(asks, chain, str(described["rpc_env"]))
    keystore = context.config.expanduser().absolute().parent / KEYS / f"{NAME}.json"
    wallet = _answer(
        asks,
        request.wallet_from,
        "--wallet-from",
        "3. Wallet: new, import, or the address of one you have? A new or imported key is encrypted by a passphrase of "
        f"at least {SHORTEST} characters, which is asked for at the end. [{NEW}] ",
        NEW,
        lambda answer: _wallet(answer, family, keystore),
    )
    tokens = list(described["tokens"])
    usual_asset = USUAL_ASSET if USUAL_ASSET in tokens else tokens[0]
    asset = _answer(
        asks,
        request.asset,
        "--asset",
        f"4. Which token? ({', '.join(tokens)}) [{usual_asset}] ",
        usual_asset,
        lambda answer: _one_of(answer, tokens, f"not in chains/{chain}.toml: "),
    )
    style = _style(asks)
    given, usual = request.max_share, f"{STYLES[style].max_share:g}"
    if given is None and request.ask is None:
        given = usual
    question = f"6. The most that one market may hold, as a fraction above 0, up to 1 (0.5 is half)? [{usual}] "
    share = _answer(asks, given, "--max-share", question, usual, _share)
    return Answers(chain, rpc, wallet, asset, style, float(share))


def _answer(
    asks: _Asks,
    given: str | None,
    name: str,
    question: str,
    default: str,
    understood: Callable[[str], str],
) -> str:
    """The given answer, or a person's, who is asked again after a wrong one.

    understood: the answer as it is used; raises ValueError for a wrong one. Raises ConfigError.
    """
    if given is not None:
        try:
            return understood(given)
        except ValueError as wrong:
            if asks.request.ask is None:
                raise ConfigError(f"{name} {wrong}") from None
            asks.context.say(f"{name} {wrong}")
    if asks.request.ask is None:
        raise ConfigError(f"{name} is missing, and there is no terminal to ask on")
    while True:
        try:
            return understood(asks.request.ask(question, default))
        except ValueError as wrong:
            asks.context.say(f"   {wrong}")


def _one_of(answer: str, known: Collection[str], wrong: str = "") -> str:
    found = intended(answer, known)
    if found is None:
        raise ValueError(f"{answer}: {wrong}{did_you_mean(answer, known)}")
    return found


def _style(asks: _Asks) -> str:
    """How careful the policy is; balanced if it is not given and nobody can be asked."""
    given = asks.request.style
    if given is None and asks.request.ask is None:
        return BALANCED
    told = "".join(f"\n     {name}: {style.words}" for name, style in STYLES.items())
    question = f"5. How careful?{told}\n   [{BALANCED}] "
    return _answer(asks, given, "--style", question, BALANCED, lambda answer: _one_of(answer, STYLES))


def _wallet(answer: str, family: Family, keystore: Path) -> str:
    if (way := intended(answer, (NEW, IMPORT))) is not None:
        if os.path.lexists(keystore):
            raise ValueError(
                f"{way}: {keystore} exists already, and a key is never overwritten: give the address of a wallet you "
                "have, or another folder by --config"
            )
        return way
    try:
        family.parse_address(answer)
    except ValueError as bad:
        raise ValueError(f"{answer}: write {NEW}, {IMPORT} or an address; {bad}") from None
    return answer


def _share(answer: str) -> str:
    how = "write a fraction above 0, up to 1, as 0.5 for 50 %"
    if not 0 < number(answer, how) <= 1:
        raise ValueError(f"{answer}: {how}")
    return answer


def _rpc(asks: _Asks, chain: str, name: str) -> str:
    """An RPC URL, or a variable's name. It is never quoted in a message, since a URL may contain a key."""
    question = f"2. RPC URL of {chain} (kept in .env as {name}), or the variable that holds it? [{name}] "
    given = asks.request.rpc
    if given == "-":
        try:
            return _endpoint(asks.request.piped().strip())
        except ValueError as wrong:
            raise ConfigError(f"--rpc {wrong}") from None
    if given is not None and "://" in given:
        raise ConfigError("--rpc: arguments can be seen by others: pipe the URL in with --rpc -, or name a variable")
    return _answer(asks, given, "--rpc", question, name, _endpoint)


def _endpoint(answer: str) -> str:
    try:
        parts = urlsplit(answer)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c in answer for c in "\"'\n #")
    except ValueError:
        sound = False
    if not sound and not _ENV_NAME.fullmatch(answer):
        raise ValueError("is neither an http(s) URL nor the name of an environment variable")
    return answer
