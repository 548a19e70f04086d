"""``init``: asks six questions and writes yieldbot.toml, .env.example and, for an RPC URL, .env.

A URL may contain a provider's key, so it is only written to .env (mode 0600); a private key only to a keystore.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.init_answers import IMPORT, NAME, NEW, Answers, InitRequest, answers_of
from yieldbot.app.init_documents import InitDocument
from yieldbot.app.keys import KEYS, NewPassphrase, check_given, imported_key, passphrase_of
from yieldbot.app.styles import STYLES, alarms_text, policy_text
from yieldbot.chains.keystores import KEY_FORMS, maker
from yieldbot.config.load import chain_names, load, read_toml
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM, Family, family_of
from yieldbot.model.ids import ChainId
from yieldbot.model.native import fees_to_begin_with

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class InitAnswer:
    """The files that were written."""

    document: InitDocument
    """For ``--json``."""
    needs_rpc: bool
    """Whether the RPC URL must still be put into .env or the environment."""
    needs_key: bool
    """Whether the wallet's key must still be imported before anything can be signed."""


def init(request: InitRequest, context: Context) -> InitAnswer:
    """Asks the open questions, then writes the files. Raises ConfigError for a wrong or missing answer, before anything
    is written."""
    target = context.config.expanduser().absolute()
    if target.exists() and not request.overwrite:
        raise ConfigError(f"{target} exists already: --force overwrites it, or name another with --config")
    _writable(target.parent)
    check_given(request.passphrase, context)
    chains = chain_names(target)
    answers = answers_of(request, chains, context)
    chain_file = chains[answers.chain]
    described = read_toml(chain_file)
    name = str(described["rpc_env"])
    folder = target.parent
    chain_id = ChainId(str(described["chain"]))
    family = family_of(chain_id)
    address, keystore = _wallet(request, context, answers.wallet, folder, family)
    folder.mkdir(parents=True, exist_ok=True)
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
    needs_rpc = "://" not in answers.rpc and not context.gives(name)
    return InitAnswer(document=document, needs_rpc=needs_rpc, needs_key=not keystore.exists())


def _writable(folder: Path) -> None:
    """Raises ConfigError where no file can be written into the folder, before anybody answers questions for it."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        raise ConfigError(f"{there} is no folder: name another place by --config")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{there} takes no files of ours: name another place by --config")


def _wallet(request: InitRequest, context: Context, way: str, folder: Path, family: Family) -> tuple[Address, Path]:
    """The wallet's address, and the path of its keystore, which is written where the key is new or imported."""
    keystore = folder / KEYS / f"{NAME}.json"
    if way not in (NEW, IMPORT):
        return family.parse_address(way), keystore
    if way == NEW:
        return maker(family).create(keystore, passphrase_of(request.passphrase, context)), keystore
    key = imported_key(request.key_file, KEY_FORMS[family], family, request.piped, context)
    return maker(family).import_seed(keystore, key.secret, passphrase_of(request.passphrase, context)), keystore


def _write_env(file: Path, name: str, url: str) -> Path:
    """Set one variable in .env and keep the others, and how lines end; the file is created with mode 0600."""
    text = file.read_bytes().decode() if file.is_file() else ""
    kept, line_end = text.splitlines(), "\r\n" if "\r\n" in text else "\n"
    lines = [line for line in kept if not re.match(rf"\s*(export\s+)?{re.escape(name)}\s*=", line)]
    part = file.with_name(".env.part")
    part.unlink(missing_ok=True)
    with os.fdopen(
        os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8", newline=""
    ) as out:
        out.write(line_end.join([*lines, f"{name}={url}", ""]))
    part.replace(file)
    return file


def _own_chain(source: Path, folder: Path, name: str) -> Path:
    """Copy the chain's file into chains/ beside yieldbot.toml, with another variable for the RPC URL."""
    own = folder / "chains" / source.name
    own.parent.mkdir(exist_ok=True)
    line = re.compile(rb"(?m)^rpc_env[ \t]*=[^\r\n]*")
    own.write_bytes(line.sub(f'rpc_env = "{name}"'.encode(), source.read_bytes(), count=1))
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
