"""Validates names in the policy, and reports names that match no market (the matching rule: ``model/names.py``).

A limit on a misspelt market would have no effect without anybody noticing. Names that the configuration alone shows to
be wrong are refused; others are reported once the markets are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from yieldbot.config.messages import config_error
from yieldbot.model.deployment import Deployment
from yieldbot.model.families import SOLANA, token_key
from yieldbot.model.ids import market_chain
from yieldbot.model.names import POOLS, matches, named
from yieldbot.model.policy import TRY_FIRST, Policy
from yieldbot.model.settings import ChainSettings, Job
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.protocols import adapters, liquidity, svm_adapters

if TYPE_CHECKING:
    from yieldbot.config.schema import JobTable
    from yieldbot.model.market import Market, Snapshot

T = TypeVar("T")
LISTS, TABLES = ("exclude", "by_request", "try_first"), ("haircut_bps", "max_share_markets", "max_share_protocol")
"""Keys of the policy that contain names of markets: as a list, and as a table by name."""
WHOLE = "/?"
"""Suffix of the id of a deployment whose markets could not be listed at all."""


def protocols() -> set[str]:
    """Every protocol that has an adapter. All adapters are imported for it: ``is_protocol`` imports one."""
    return {*adapters(), *svm_adapters(), *(f"{exchange}{POOLS}" for exchange in liquidity())}


def is_protocol(name: str) -> bool:
    """Whether there is an adapter of this name."""
    return name in adapters() or name in svm_adapters() or (name.endswith(POOLS) and name in protocols())


def as_known(row: JobTable, chains: Collection[str], wallets: Collection[str]) -> JobTable:
    """A job's table with its chain and wallet as their own tables spell them; unknown ones as they are."""
    known = {"chain": intended(row.chain, chains), "wallet": intended(row.wallet, wallets)}
    return row.model_copy(update={key: name for key, name in known.items() if name is not None})


def known_names(path: Path, key: str, table: Mapping[str, T], chains: Mapping[str, ChainSettings]) -> dict[str, T]:
    """A table by names of markets, with the names as ``known_name`` gives them. Raises ConfigError for a name that
    stands twice, in other capitals."""
    found: dict[str, T] = {}
    for name, value in table.items():
        known = known_name(path, f"{key}.{name}", name, chains)
        if known in found:
            raise config_error(path, f"{key}.{name}", f"is {known}, which stands there too: remove one of them")
        found[known] = value
    return found


def known_name(path: Path, key: str, name: str, chains: Mapping[str, ChainSettings]) -> str:
    """A name of a market as it is spelt where it comes from, whatever its capitals. Raises ConfigError for a name that
    matches no market of the jobs' chains."""
    protocol, *rest = name.split("/")
    if rest and is_protocol(protocol):
        _check_id(path, key, name, chains)
        return name
    tables = [table for chain in chains.values() for table in (*chain.deployments, *chain.exchanges)]
    flavours = {str(table.params["flavour"]) for chain in chains.values() for table in _flavoured(chain)}
    here = {*(table.name for table in tables), *flavours, *TRY_FIRST}
    if name in here or any(name.startswith(f"{table.name} ") for table in tables):
        return name
    if (meant := intended(name, here)) is not None:
        return meant
    low = name.strip().lower()
    if not is_protocol(low):
        known = here | protocols()
        message = f"unknown protocol, flavour, name or id {name!r}: {did_you_mean(name, known)}"
        raise config_error(path, key, f"{message} (of a market that is in no table of chains/ any more, write the id)")
    return low


def _flavoured(chain: ChainSettings) -> Iterable[Deployment]:
    return (table for table in chain.deployments if "flavour" in table.params)


def _check_id(path: Path, key: str, name: str, chains: Mapping[str, ChainSettings]) -> None:
    protocol, reference, *rest = name.split("/")
    if name != name.lower() and reference != SOLANA.name:
        raise config_error(path, key, f"market ids are in lower case: write {name.lower()}")
    found = [chain for chain in chains.values() if market_chain(chain.chain) == reference]
    if not found or len(rest) > 2 or (rest and not _is_place(rest[0], found[0])):
        raise config_error(path, key, "unknown market on the jobs' chains: `yieldbot markets --json` shows the ids")
    tokens = {token_key(t) for chain in found for t in chain.tokens.values()}
    there = [d for chain in found for d in chain.deployments if d.protocol == protocol and rest]
    known = any(rest[0].lower() in _texts(table.params) for table in there)
    if len(rest) == 2 and rest[1] not in tokens and (known or not _is_place(rest[1], found[0])):
        raise config_error(
            path, key, f"unknown token {rest[1]!r} of that market: `yieldbot markets --json` shows the ids"
        )


def is_retired(name: str, chains: Mapping[str, ChainSettings]) -> bool:
    """Whether this is the id of a market on the jobs' chains that no table names any more.

    The journal may still have a holding there; excluding the id gives up that holding.
    """
    protocol, *rest = name.split("/")
    if len(rest) < 2 or not is_protocol(protocol):
        return False
    there = [chain for chain in chains.values() if market_chain(chain.chain) == rest[0] and _is_place(rest[1], chain)]
    named_by = [d for chain in there for d in chain.deployments if d.protocol == protocol]
    return bool(there) and not any(rest[1].lower() in _texts(table.params) for table in named_by)


def _is_place(text: str, chain: ChainSettings) -> bool:
    """Whether the text could be the contract, key or hash in a market's id."""
    return chain.family.place(text)


def _texts(value: object) -> set[str]:
    """Every text anywhere in a value, in lower case."""
    if isinstance(value, str):
        return {value.lower()}
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return {text for part in inner for text in _texts(part)}


def unmatched_names(policy: Policy, jobs: Sequence[Job], read: Sequence[tuple[Job, Snapshot]]) -> list[str]:
    """A line for each name of the policy that matches no market. jobs: all jobs. read: those whose markets could be
    read.

    Not reported: names that may belong to a job that was not read, names of protocols (which may be precautions), and
    names of pools, whose markets are not read with the others.
    """
    snapshots = [snapshot for _, snapshot in read]
    unread = [job for job in jobs if not any(_same(job, one) for one, _ in read)]
    markets = [state.market for snapshot in snapshots for state in snapshot.states.values()]
    markets += [bad.market for snapshot in snapshots for bad in snapshot.quarantined]
    markets += [glance.market for snapshot in snapshots for glance in snapshot.glanced]
    given = [(key, name) for key in LISTS for name in getattr(policy, key) if (key, name) != ("try_first", *TRY_FIRST)]
    given += [(key, name) for key in TABLES for name in getattr(policy, key)]
    return [
        f"policy.{key}: {name!r} binds nothing, no market that was read answers to it: `yieldbot markets --json` shows "
        "the names and ids"
        for key, name in given
        if not is_protocol(name)
        and not _answered(name, markets)
        and not _of_others(name, jobs, unread)
        # What a glance does not show is a market's name beyond that of its table.
        and not any(name.startswith(f"{g.market.deployment} ") for one in snapshots for g in one.glanced)
    ]


def _same(job: Job, other: Job) -> bool:
    return (job.wallet, job.chain.chain, job.assets) == (other.wallet, other.chain.chain, other.assets)


def _answered(name: str, markets: Sequence[Market]) -> bool:
    if any(named(market, (name,)) for market in markets):
        return True
    lost = [market for market in markets if market.id.endswith(WHOLE)]
    return any(name.startswith((f"{one.name} ", one.id.removesuffix("?"))) for one in lost)


def _of_others(name: str, jobs: Sequence[Job], unread: Sequence[Job]) -> bool:
    pools = [table.name for job in jobs for table in job.chain.exchanges]
    if name.partition("/")[0].endswith(POOLS) or any(f"{name} ".startswith(f"{pool} ") for pool in pools):
        return True
    for job in unread:
        for table in (one for one in job.chain.deployments if set(one.assets) & set(job.assets)):
            begins = f"{table.protocol}/{market_chain(job.chain.chain)}"
            called = (table.name, str(table.params.get("flavour", "")))
            if matches(name, begins, called) or name.startswith((f"{table.name} ", f"{begins}/")):
                return True
    return False
