"""Reads yieldbot.toml, .env and chains/*.toml as Settings. Every mistake is one line that names file, key and
remedy."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from yieldbot.config.alarms import alarm_limits
from yieldbot.config.assistant import assistance_of
from yieldbot.config.bases import bases_of, job_of_base
from yieldbot.config.chain import load_chain
from yieldbot.config.held import text_of
from yieldbot.config.messages import config_error, of_validation
from yieldbot.config.notices import channels_of, times_of
from yieldbot.config.policy_names import LISTS, TABLES, as_known, is_retired, known_name, known_names
from yieldbot.config.schema import OF_KIND, JobTable, PolicyTable, SecretsFile, SettingsTable, WalletTable
from yieldbot.config.secrets import SecretTable, stored, values
from yieldbot.config.serve import serving_of
from yieldbot.config.stored_secrets import FILE, PASSPHRASE_NAME
from yieldbot.config.stored_secrets import read as read_sealed
from yieldbot.errors import ConfigError
from yieldbot.model.families import family_of_address
from yieldbot.model.ids import Address
from yieldbot.model.policy import NEVER, SALE, Base, Policy
from yieldbot.model.settings import ChainSettings, Job, KmsKey, LedgerKey, SafeOwner, Settings, Wallet
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.resources import folder, read_text, refuse_if_others_change

M = TypeVar("M", bound=BaseModel)
_MONEY = (
    *("idle_buffer", "min_position", "min_move", "min_gain", "auto_max_move", "auto_max_total", "min_claim"),
    *("limit_move", "limit_day", "limit_day_market", "limit_day_chain"),
)


Ask = Callable[[str], str]
"""Asks a person for a secret."""


def load(path: Path, ask: Ask | None = None, *, whole: bool = True) -> Settings:
    """Settings of ``path`` (a yieldbot.toml), with the .env in its folder and the chains that its jobs name.

    A chain's file is looked up in chains/ in that folder, then in the chains/ that comes with yieldbot. ask: see
    ``environment``. whole: see ``load_chain``. Raises ConfigError, which names the file, the key and the remedy.
    """
    path = path.expanduser().absolute()
    refuse_if_others_change(path, "the configuration")
    table = parse(path, read_toml(path), SettingsTable)
    wallets = _wallets(path, table.wallets)
    environ = environment(path, ask)
    chains: dict[str, ChainSettings] = {}
    files = chain_names(path)
    rows = [as_known(row, files, wallets) for row in table.jobs]
    for index, row in enumerate(rows):
        if row.chain not in chains:
            chains[row.chain] = _chain(path, f"jobs[{index + 1}].chain", row.chain, environ, whole)
    policy = policy_of(path, table.policy, chains, whole=whole)
    jobs = tuple(_job(path, f"jobs[{index + 1}]", row, wallets, chains, policy.bases) for index, row in enumerate(rows))
    jobs = tuple(replace(job, sale=sale_of(policy, job)) for job in jobs)
    _no_twins(path, jobs)
    for job in jobs:
        _money_fits(path, policy, job)
    data_dir, anvil = _beside(path, table.data_dir), _beside(path, table.anvil) if table.anvil else None
    refuse_if_others_change(data_dir, "data_dir")
    if anvil is not None:
        refuse_if_others_change(anvil, "anvil")
    return Settings(
        source=path,
        data_dir=data_dir,
        wallets=wallets,
        chains=chains,
        jobs=jobs,
        policy=policy,
        follow=tuple(dict.fromkeys(table.watch.addresses)),
        anvil=anvil,
        signer=_beside(path, table.signer) if table.signer else None,
        descriptors=_beside(path, table.descriptors) if table.descriptors else None,
        notices=channels_of(path, table.notices),
        notice_times=times_of(path, table.notify),
        serving=serving_of(path, table.serve),
        assistance=assistance_of(path, table.assistant),
        warnings=(
            *(f"{path}: {line}" for line in older_keys(table.policy)),
            *(
                f"{path}: policy.exclude names {name}, which no table of its chain has: nothing is excluded by it"
                for name in policy.exclude
                if whole and is_retired(name, chains)
            ),
        ),
    )


def environment(path: Path, ask: Ask | None = None) -> dict[str, str]:
    """The variables of the .env in the folder of ``path``, overridden by the real environment; variables that neither
    has come from [secrets] in ``path``, else from the encrypted file of secrets. ask: asks for that file's passphrase;
    None: nobody can be asked. Raises ConfigError, which never quotes a value."""
    given = plain_environment(path)
    tables = secret_tables(path)
    found = given | values(path.expanduser().absolute(), tables, given)
    return found | stored(path, secrets_file(path), tables, found, ask)


def given_names(path: Path) -> frozenset[str]:
    """The names of the variables that ``environment`` gives a value: no command runs, and nothing is decrypted. Raises
    ConfigError."""
    sealed = read_sealed(secrets_file(path))
    given = {name for name, value in plain_environment(path).items() if value}
    return frozenset((*given, *secret_tables(path), *(sealed.changed_at if sealed is not None else ())))


def plain_environment(path: Path) -> dict[str, str]:
    """As ``environment``, without [secrets] and the encrypted file: no command runs. Raises ConfigError."""
    return env_file(path)[1] | dict(os.environ)


def secret_tables(path: Path) -> dict[str, SecretTable]:
    """The [secrets] tables; empty for a file that cannot be read, whose fault ``load`` reports. Raises ConfigError if
    other users could change the file."""
    path = path.expanduser().absolute()
    tables = _tables(path).get("secrets")
    if not isinstance(tables, dict) or not tables:
        return {}
    refuse_if_others_change(path, "the configuration")  # it says which commands run
    return parse(path, {"secrets": tables}, SecretsFile).secrets


def secrets_file(path: Path) -> Path:
    """Where the encrypted file of secrets is, or would be."""
    return data_dir_of(path) / FILE


def data_dir_of(path: Path) -> Path:
    """The data directory, read without anything else of the configuration being looked at."""
    path = path.expanduser().absolute()
    named = _tables(path).get("data_dir")
    return _beside(path, named) if isinstance(named, str) else path.parent / ".yieldbot"


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text_of(path))
    except (OSError, ValueError, ConfigError, RecursionError):
        return {}


def env_file(path: Path) -> tuple[Path, dict[str, str]]:
    """(the .env in the folder of ``path``, its variables); (the path, no variables) if there is no such file.

    Raises ConfigError, also if others can write the file; no value is quoted.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    file = path.expanduser().absolute().parent / ".env"
    refuse_if_others_change(file, "the settings in")  # it says which nodes are believed
    if not file.exists():
        return file, {}
    try:
        text = read_text(file)
        bad = next((binding.original.line for binding in parse_stream(StringIO(text)) if binding.error), None)
        if bad is not None:  # told by us, once: dotenv would log each of them and go on without
            raise config_error(file, f"line {bad}", "is not NAME=value: correct or remove it")
        written = dotenv_values(stream=StringIO(text), interpolate=False)
    except (OSError, UnicodeDecodeError):
        raise config_error(file, "", "cannot be read as text: correct its encoding and permissions") from None
    if written.get(PASSPHRASE_NAME):
        message = "would lie beside what it protects: remove it, and give it as docs/configuration.md says"
        raise config_error(file, PASSPHRASE_NAME, message)
    return file, {name: value for name, value in written.items() if value}


def chain_named(path: Path, flag: str, name: str) -> ChainSettings:
    """A chain that is named by a command's ``flag`` and not by a job. Raises ConfigError."""
    found = intended(name, chain_names(path)) or name
    return _chain(path.expanduser().absolute(), flag, found, environment(path))


def chain_names(path: Path) -> dict[str, Path]:
    """Files of all chains that a job of ``path`` may name, by the chain's name; files in the folder of yieldbot.toml
    take precedence."""
    own_folder = path.expanduser().absolute().parent / "chains"
    return {f.stem: f for place in (folder("chains"), own_folder) for f in sorted(place.glob("*.toml"))}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError for a file that is missing, unreadable or not TOML."""
    try:
        return tomllib.loads(text_of(path))
    except FileNotFoundError:
        raise config_error(path, "", "is not there: `yieldbot init` writes one, or name yours with --config") from None
    except IsADirectoryError:
        raise config_error(path, "", "is a folder: name the yieldbot.toml in it") from None
    except OSError as failure:
        raise config_error(path, "", f"cannot be read ({failure.strerror}): correct its permissions") from None
    except UnicodeDecodeError:
        raise config_error(path, "", "is not UTF-8 text: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as failure:
        raise config_error(path, "", f"is not TOML: {failure}: correct that line") from None
    except RecursionError:
        raise config_error(path, "", "nests its values too deeply: write it again") from None


def parse(path: Path, tables: Mapping[str, Any], model: type[M]) -> M:
    """The tables as an instance of a pydantic model. Raises ConfigError."""
    try:
        return model.model_validate(dict(tables))
    except ValidationError as failure:
        raise of_validation(path, failure, model) from None


def _wallets(path: Path, tables: list[WalletTable]) -> dict[str, Wallet]:
    wallets: dict[str, Wallet] = {}
    for index, table in enumerate(tables):
        if table.name in wallets:
            key = f"wallets[{index + 1}].name"
            raise config_error(path, key, f"{table.name!r} stands twice: give each wallet its own name")
        _of_its_kind(path, f"wallets[{index + 1}]", table)
        if table.kind != "keystore" and not family_of_address(Address(table.address)).held_elsewhere:
            message = f'a Solana key is held in a keystore, not in one of kind "{table.kind}"'
            raise config_error(
                path, f"wallets[{index + 1}].kind", f"{message}: `yieldbot wallet new --chain solana` makes one"
            )
        held: KmsKey | LedgerKey | SafeOwner | None = None
        if table.key_id is not None:
            held = KmsKey(key_id=table.key_id, region=table.region, endpoint_url=table.endpoint_url)
        elif table.path is not None:
            held = LedgerKey(path=table.path)
        elif table.owner is not None:
            held = SafeOwner(wallet=table.owner, service_url=table.service_url)
        wallets[table.name] = Wallet(
            name=table.name,
            address=Address(table.address),
            keystore=_beside(path, table.keystore) if table.keystore else None,
            passphrase_file=_beside(path, table.passphrase_file) if table.passphrase_file else None,
            passphrase_env=table.passphrase_env,
            held=held,
        )
    for index, wallet in enumerate(wallets.values()):
        if isinstance(wallet.held, SafeOwner):
            owner = wallets.get(wallet.held.wallet)
            if owner is None or owner.kind not in SIGNS_FOR_SAFES:
                message = f"{wallet.held.wallet!r} is no wallet of kind {' or '.join(SIGNS_FOR_SAFES)}"
                raise config_error(
                    path, f"wallets[{index + 1}].owner", f"{message}: name one whose key is an owner of the Safe"
                )
    return wallets


SIGNS_FOR_SAFES = ("keystore", "kms")
"""Kinds of wallets that can sign for a Safe. A Ledger cannot: its app signs EIP-712 by commands that are not
implemented here."""


def _of_its_kind(path: Path, place: str, table: WalletTable) -> None:
    """Check that the wallet has the key that its kind requires, and no key of another kind, which would have no
    effect."""
    for kind, keys in OF_KIND.items():
        for key in keys:
            if kind != table.kind and getattr(table, key) is not None:
                what = f'belongs to kind = "{kind}", and this wallet is of kind "{table.kind}"'
                raise config_error(path, f"{place}.{key}", f"{what}: remove it, or correct kind")
    needed = OF_KIND[table.kind][0]
    if getattr(table, needed) is None:
        raise config_error(path, f"{place}.{needed}", f'is missing: add it, a wallet of kind "{table.kind}" needs it')


def _chain(path: Path, key: str, name: str, environ: Mapping[str, str], whole: bool = True) -> ChainSettings:
    files = chain_names(path)
    if name not in files:
        raise config_error(path, key, f"unknown chain {name!r}: {did_you_mean(name, sorted(files))}")
    refuse_if_others_change(files[name], "the chain's file")
    return load_chain(files[name], read_toml(files[name]), environ, whole=whole)


def _job(
    path: Path,
    key: str,
    table: JobTable,
    wallets: Mapping[str, Wallet],
    chains: Mapping[str, ChainSettings],
    bases: Mapping[str, Base],
) -> Job:
    if table.wallet not in wallets:
        raise config_error(
            path, f"{key}.wallet", f"unknown wallet {table.wallet!r}: {did_you_mean(table.wallet, wallets)}"
        )
    chain, wallet = chains[table.chain], wallets[table.wallet]
    if wallet.family is not chain.family:
        message = f"wallet {wallet.name!r} is {wallet.family.member} address and {chain.name} is not"
        raise config_error(path, f"{key}.wallet", f"{message}: name a wallet of the chain's family")
    if (table.asset is None) == (table.base is None):
        message = "is missing" if table.asset is None else "stands beside base"
        raise config_error(path, f"{key}.asset", f"{message}: name one asset, or a base of [policy.bases]")
    if table.base is not None:
        return job_of_base(path, key, table.base, wallet, chain, bases)
    assert table.asset is not None
    if (symbol := intended(table.asset, chain.tokens)) is None:
        hint = did_you_mean(table.asset, chain.tokens)
        raise config_error(path, f"{key}.asset", f"unknown asset {table.asset!r} on {chain.name}: {hint}")
    return Job(wallet=wallet, chain=chain, asset=chain.tokens[symbol])


def sale_of(policy: Policy, job: Job) -> Base | None:
    """The price limits for selling a job's rewards: feeds and pegs as in its base, the rest as in the policy.

    None if rewards are not sold: without an exchange, on Solana (where none are claimed), and for a Safe, whose owners
    sign too late for a price.
    """
    unsold = not job.chain.family.claims_rewards or isinstance(job.wallet.held, SafeOwner)
    if not policy.sell_rewards or not job.chain.exchanges or unsold:
        return None
    limits = job.base or policy
    sale = replace(SALE, max_depeg_bps=limits.max_depeg_bps, max_feed_age_seconds=limits.max_feed_age_seconds)
    return sale if job.base is None else replace(sale, unit=job.base.unit, shares=job.base.shares)


def _no_twins(path: Path, jobs: tuple[Job, ...]) -> None:
    accounts: set[tuple[str, str, str]] = set()
    for index, job in enumerate(jobs):
        same = {(job.wallet.address, job.chain.chain, token.address) for token in job.assets}
        if same & accounts:
            raise config_error(path, f"jobs[{index + 1}]", "does the same as a job before it: remove one of them")
        accounts |= same


def policy_of(path: Path, table: PolicyTable, chains: Mapping[str, ChainSettings], *, whole: bool = True) -> Policy:
    """The policy of a [policy] table. whole: whether its names of markets are checked. Raises ConfigError."""
    given = table.model_dump(exclude_unset=True)
    if {"move_horizon_days", "enter_horizon_days"} & given.keys() and "horizon_days" in given:
        older = given.pop("horizon_days")  # it stands for what no newer key says
        given = {"move_horizon_days": older, "enter_horizon_days": older, **given}
    given |= {key: tuple(given[key]) for key in given.keys() & {*LISTS, "blacklist"}}
    for key in given.keys() & LISTS if whole else ():
        every = enumerate(given[key], 1)
        given[key] = tuple(known_name(path, f"policy.{key}[{at}]", name, chains) for at, name in every)
    for key in given.keys() & TABLES if whole else ():
        given[key] = known_names(path, f"policy.{key}", given[key], chains)
    if "forecaster" in given:
        from yieldbot.forecast.outlook import names

        if (wanted := given["forecaster"]) not in names():
            hint = did_you_mean(wanted, names())
            raise config_error(path, "policy.forecaster", f"unknown forecaster {wanted!r}: {hint}")
    if "bases" in given:
        given["bases"] = bases_of(path, table, chains)
    if table.alarms is not None:
        given["alarms"] = alarm_limits(path, table.alarms, chains)
    return Policy(**given)


def older_keys(table: PolicyTable) -> list[str]:
    """For each outdated key that is still read, what to write instead."""
    if (days := table.horizon_days) is None:
        return []
    move, enter, usual = table.move_horizon_days or days, table.enter_horizon_days or days, Policy()
    new = f"move_horizon_days = {move:g} and enter_horizon_days = {enter:g}"
    return [
        f"policy.horizon_days is an older key for two: write {new}, which is the same "
        f"({usual.move_horizon_days:g} and {usual.enter_horizon_days:g} are recommended)"
    ]


def _money_fits(path: Path, policy: Policy, job: Job) -> None:
    for name in _MONEY:
        if (amount := getattr(policy, name)) is None or amount == NEVER:
            continue
        try:
            for token in job.assets:
                token.parse(amount)
        except ValueError as finer:
            raise config_error(path, f"policy.{name}", f"{finer}: round it") from None


def _beside(path: Path, text: str) -> Path:
    """A path from the file; a relative one starts at the file's folder."""
    return path.parent / Path(text).expanduser()
