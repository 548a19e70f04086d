"""``init``: asks six questions and writes yieldbot.toml, .env.example and, for an RPC URL, .env.

A URL may contain a provider's key, so it is only written to .env (mode 0600); a private key only to a keystore.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from yieldbot.app.init_documents import InitDocument
from yieldbot.app.keys import KEYS, NewPassphrase, key_text, passphrase_of
from yieldbot.app.styles import BALANCED, STYLES, alarms_text, policy_text
from yieldbot.chains.keystores import KEY_FORMS, maker
from yieldbot.config.load import chain_names, load, read_toml
from yieldbot.errors import ConfigError
from yieldbot.model.families import EVM, Family, family_of
from yieldbot.model.ids import ChainId
from yieldbot.model.native import fees_to_begin_with
from yieldbot.model.numbers import number

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address

NAME = "main"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InitAnswer:
    """The files that were written."""

    document: InitDocument
    """For ``--json``."""
    needs_rpc: bool
    """Whether the RPC URL must still be put into .env or the environment."""


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


def init(request: InitRequest, context: Context) -> InitAnswer:
    """Asks the open questions, then writes the files. Raises ConfigError for a wrong or missing answer, before anything
    is written."""
    target = context.config.expanduser().absolute()
    if target.exists() and not request.overwrite:
        raise ConfigError(f"{target} exists already: --force overwrites it, or name another with --config")
    chains = chain_names(target)
    answers = _answers(request, chains, context)
    chain_file = chains[answers.chain]
    described = read_toml(chain_file)
    name = str(described["rpc_env"])
    folder = target.parent
    folder.mkdir(parents=True, exist_ok=True)
    chain_id = ChainId(str(described["chain"]))
    family = family_of(chain_id)
    address, keystore = _wallet(request, context, answers.wallet, folder, family)
    written = [target]
    if "://" in answers.rpc:
        written.append(_write_env(folder / ".env", name, answers.rpc))
    elif answers.rpc != name:
        name = answers.rpc
        written.append(_own_chain(chain_file, folder, name))
    example = folder / ".env.example"
    example.write_text(ENV_EXAMPLE.format(name=name, chain=answers.chain), encoding="utf-8")
    text = _settings_text(request.passphrase, answers, address, keystore, folder, described)
    target.write_text(text, encoding="utf-8")
    load(target)
    document = InitDocument(
        config=str(target),
        written=tuple(str(file) for file in (*written, example)),
        chain=answers.chain,
        asset=answers.asset,
        style=answers.style,
        rpc_env=name,
        address=address,
        fees_to_begin_with=f"{fees_to_begin_with(chain_id)} {described['native']['symbol']}",
        keystore=str(keystore),
    )
    return InitAnswer(document=document, needs_rpc="://" not in answers.rpc)


def _answers(request: InitRequest, chains: dict[str, Path], context: Context) -> Answers:
    """The six answers: given in advance or by a person. Raises ConfigError for a wrong or missing answer."""
    names = ", ".join(sorted(chains))
    asks = _Asks(request, context)
    chain = _answer(
        asks,
        request.chain,
        "--chain",
        f"1. Which chain? ({names}) [base] ",
        "base",
        lambda answer: None if answer in chains else f"{answer}: unknown; known are: {names}",
    )
    described = read_toml(chains[chain])
    rpc = _rpc(asks, chain, str(described["rpc_env"]))
    wallet = _answer(
        asks,
        request.wallet_from,
        "--wallet-from",
        "3. Wallet: new, import, or the address of one you have? [new] ",
        "new",
        lambda answer: _wallet_fault(answer, family_of(ChainId(str(described["chain"])))),
    )
    symbols = ", ".join(described["tokens"])
    asset = _answer(
        asks,
        request.asset,
        "--asset",
        f"4. Which token? ({symbols}) [USDC] ",
        "USDC",
        lambda answer: None if answer in described["tokens"] else f"{answer}: chains/{chain}.toml has: {symbols}",
    )
    style = _style(asks)
    given, usual = request.max_share, f"{STYLES[style].max_share:g}"
    if given is None and request.ask is None and request.style is not None:
        given = usual
    question = f"6. The most that one market may hold, as a fraction? [{usual}] "
    share = _answer(asks, given, "--max-share", question, usual, _share_fault)
    return Answers(chain, rpc, wallet, asset, style, float(share))


def _style(asks: _Asks) -> str:
    """How careful the policy is; balanced if it is not given and nobody can be asked."""
    given = asks.request.style
    if given is None and asks.request.ask is None:
        return BALANCED
    told = "".join(f"\n     {name}: {style.words}" for name, style in STYLES.items())
    names = ", ".join(STYLES)

    def fault(answer: str) -> str | None:
        return None if answer in STYLES else f"{answer}: write one of {names}"

    return _answer(asks, given, "--style", f"5. How careful?{told}\n   [{BALANCED}] ", BALANCED, fault)


def _wallet_fault(answer: str, family: Family) -> str | None:
    if answer in ("new", "import"):
        return None
    try:
        family.parse_address(answer)
    except ValueError as bad:
        return f"{answer}: write new, import or an address; {bad}"
    return None


def _share_fault(answer: str) -> str | None:
    how = "write a fraction above 0, up to 1, as 0.5 for 50 %"
    try:
        sound = 0 < number(answer, how) <= 1
    except ValueError as bad:
        return str(bad)
    return None if sound else f"{answer}: {how}"


class _Asks(NamedTuple):
    """Where a question's answer comes from: the request, or a person."""

    request: InitRequest
    """Answers given in advance."""
    context: Context
    """Where a wrong answer is reported."""


def _answer(
    asks: _Asks,
    given: str | None,
    name: str,
    question: str,
    default: str,
    fault: Callable[[str], str | None] = lambda answer: None,
) -> str:
    """The given answer, or a person's, who is asked again after a wrong one. Raises ConfigError."""
    if given is not None:
        if (wrong := fault(given)) is not None:
            raise ConfigError(f"{name} {wrong}")
        return given
    if asks.request.ask is None:
        raise ConfigError(f"{name} is missing, and there is no terminal to ask on")
    while True:
        answer = asks.request.ask(question, default)
        if (wrong := fault(answer)) is None:
            return answer
        asks.context.say(f"   {wrong}")


def _rpc(asks: _Asks, chain: str, name: str) -> str:
    """An RPC URL, or a variable's name. It is never quoted in a message, since a URL may contain a key."""
    question = f"2. RPC URL of {chain} (kept in .env as {name}), or the variable that holds it? [{name}] "
    if asks.request.rpc == "-":
        given = asks.request.piped().strip()
        if (wrong := _rpc_fault(given)) is not None:
            raise ConfigError(f"--rpc {wrong}")
    else:
        given = _answer(asks, asks.request.rpc, "--rpc", question, name, _rpc_fault)
    if _ENV_NAME.fullmatch(given):
        return given
    if asks.request.rpc not in (None, "-"):
        raise ConfigError("--rpc: arguments can be seen by others: pipe the URL in with --rpc -, or name a variable")
    return given


def _rpc_fault(answer: str) -> str | None:
    try:
        parts = urlsplit(answer)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c in answer for c in "\"'\n #")
    except ValueError:
        sound = False
    if sound or _ENV_NAME.fullmatch(answer):
        return None
    return "is neither an http(s) URL nor the name of an environment variable"


def _wallet(request: InitRequest, context: Context, way: str, folder: Path, family: Family) -> tuple[Address, Path]:
    """The wallet's address, and the path of its keystore."""
    keystore = folder / KEYS / f"{NAME}.json"
    if way == "new":
        return maker(family).create(keystore, passphrase_of(request.passphrase, context)), keystore
    if way == "import":
        key = key_text(request.key_file, KEY_FORMS[family], request.piped, context)
        return maker(family).import_key(keystore, key, passphrase_of(request.passphrase, context)), keystore
    return family.parse_address(way), keystore


def _write_env(file: Path, name: str, url: str) -> Path:
    """Set one variable in .env and keep the others; the file is created with mode 0600."""
    kept = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    lines = [line for line in kept if not re.match(rf"\s*(export\s+)?{re.escape(name)}\s*=", line)]
    part = file.with_name(".env.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        out.write("\n".join([*lines, f"{name}={url}"]) + "\n")
    part.replace(file)
    return file


def _own_chain(source: Path, folder: Path, name: str) -> Path:
    """Copy the chain's file into chains/ beside yieldbot.toml, with another variable for the RPC URL."""
    own = folder / "chains" / source.name
    own.parent.mkdir(exist_ok=True)
    text = re.sub(r"(?m)^rpc_env\s*=.*$", f'rpc_env = "{name}"', source.read_text(encoding="utf-8"), count=1)
    own.write_text(text, encoding="utf-8")
    return own


def _settings_text(
    given: NewPassphrase,
    answers: Answers,
    address: Address,
    keystore: Path,
    folder: Path,
    described: dict[str, Any],
) -> str:
    passphrase = '# passphrase_env = "YIELDBOT_PASSPHRASE" # or passphrase_file = "..."; asked for without either'
    if given.variable:
        passphrase = f'passphrase_env = "{given.variable}"'
    elif given.file:
        passphrase = f"passphrase_file = {json.dumps(str(given.file.absolute()))}"
    family = family_of(ChainId(str(described["chain"])))
    least = "0.1" if answers.asset.endswith(described["native"]["symbol"]) else "10"
    return YIELDBOT_TOML.format(
        name=NAME,
        address=address,
        keystore=keystore.relative_to(folder),
        passphrase=passphrase,
        chain=answers.chain,
        asset=answers.asset,
        style=answers.style,
        words=STYLES[answers.style].words,
        limits=policy_text(answers.style, answers.max_share, family),
        alarms=alarms_text(answers.style),
        least=least,
        gap=" " * (8 - len(least)),
        protocol="morpho_blue" if family is EVM else "save",
    )


ENV_EXAMPLE = """# Copy to .env (mode 0600) and fill in. Never commit .env. The real environment wins over this file.
# RPC URL of {chain}:
{name}=
# The keystore's passphrase, where yieldbot.toml names this variable (unattended runs):
# YIELDBOT_PASSPHRASE=
"""

YIELDBOT_TOML = """# yieldbot's configuration. Every key is described in docs/configuration.md; no secret belongs here.
schema = 1

# Journal, lock and logs; relative to this file.
data_dir = ".yieldbot"

[[wallets]]
name = "{name}"
address = "{address}"
keystore = "{keystore}" # encrypted; made by `yieldbot wallet new` or `yieldbot wallet import`
{passphrase}

# One wallet's one asset on one chain. Add more tables for more.
[[jobs]]
wallet = "{name}"
chain = "{chain}" # chains/{chain}.toml beside this file, else the one that comes with yieldbot
asset = "{asset}"

[policy]
move_horizon_days = 7    # money that is invested moves where that pays its cost within this time
enter_horizon_days = 90  # idle money enters where that pays its cost within this time
idle_buffer = "0"        # always left in the wallet, in whole tokens
min_position = "{least}"{gap}# no position smaller than this
min_move = "{least}"    {gap}# no transfer smaller than this
# exclude = ["..."]      # protocols or market ids never used
auto_max_move = "0"      # `run --approve auto` signs moves up to this alone; 0: none
auto_max_total = "0"     # and plans up to this in all

# What danger is borne for yield: the style `{style}` ({words}).
# docs/risk.md has the other styles.
{limits}

{alarms}

# What a year is expected to cost is taken off each yield before markets are compared, by each market's grade
# (`yieldbot risk`). Your own figure in basis points a year takes its place:
# [policy.haircut_bps]
# {protocol} = 30

# The most that one protocol may hold of everything.
# [policy.max_share_protocol]
# {protocol} = 0.5
"""
