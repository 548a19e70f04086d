"""[policy.bases]: the units that several assets are held for, and the jobs that use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from yieldbot.config.messages import config_error
from yieldbot.config.schema import PolicyTable
from yieldbot.model.policy import Base
from yieldbot.model.settings import ChainSettings, Job, SafeOwner, Wallet
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.protocols import by_plans


def bases_of(path: Path, table: PolicyTable, chains: Mapping[str, ChainSettings]) -> dict[str, Base]:
    """The [policy.bases] tables as values. Raises ConfigError for an asset that no chain of the jobs has."""
    known = {symbol for chain in chains.values() for symbol in chain.tokens}
    found = {}
    for name, row in (table.bases or {}).items():
        symbols = dict[str, float]()
        for symbol, share in row.assets.items():
            if (meant := intended(symbol, known)) is None:
                hint = did_you_mean(symbol, known)
                raise config_error(
                    path, f"policy.bases.{name}.assets.{symbol}", f"is no token of the jobs' chains: {hint}"
                )
            symbols[meant] = share
        whole = {key: getattr(table, key) for key in ("max_depeg_bps", "max_feed_age_seconds", "confidence")}
        given = {key: value for key, value in whole.items() if value is not None} | row.model_dump(exclude_unset=True)
        del given["assets"]
        found[name] = Base(shares=symbols, **given)
    return found


def job_of_base(
    path: Path, key: str, name: str, wallet: Wallet, chain: ChainSettings, bases: Mapping[str, Base]
) -> Job:
    """A job over the base's assets that the chain has. Raises ConfigError if the price of its swaps could not be
    bounded (for example because a feed or a router is missing)."""
    if (found := intended(name, bases)) is None:
        hint = did_you_mean(name, bases) if bases else f"add a table [policy.bases.{name}]"
        raise config_error(path, f"{key}.base", f"unknown base {name!r}: {hint}")
    base = bases[found]
    if base.unit == "SOL" != chain.family.coin_unit:
        raise config_error(path, f"{key}.base", f"SOL is no unit of {chain.name}: it is Solana's own")
    if isinstance(wallet.held, SafeOwner):
        message = "prices do not wait for a Safe's owners, so that it does not swap"
        raise config_error(path, f"{key}.base", f"{message}: give it a job for each asset")
    tokens = [chain.tokens[symbol] for symbol in base.shares if symbol in chain.tokens]
    file = f"chains/{chain.name}.toml"
    if not tokens:
        raise config_error(path, f"{key}.base", f"{file} has none of its assets: add one to its tokens")
    for token in tokens:
        if token.address not in chain.price_feeds:
            message = f"{file} names no feed for {token.symbol}, and no price is taken on trust"
            raise config_error(path, f"{key}.base", f"{message}: add one")
    if base.liquidity and not any(by_plans(exchange) for exchange in chain.exchanges):
        message = f"its liquidity = true, and {file} has no Uniswap v3 table of [[exchanges]] with manager and router"
        raise config_error(path, f"{key}.base", f"{message}: add them, or use a base without it")
    base = replace(base, max_feed_age_seconds=chain.family.feed_age_seconds(base.max_feed_age_seconds))
    return Job(wallet=wallet, chain=chain, asset=tokens[0], others=tuple(tokens[1:]), base=base)
