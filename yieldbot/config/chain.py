"""Reads a file of chains/ as ChainSettings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from yieldbot.config.chain_schema import ChainTable, ExchangeTable, ProtocolTable, RegistryTable, SvmChainTable
from yieldbot.config.messages import config_error, key_path, of_validation
from yieldbot.config.rows import Rows
from yieldbot.model.address import parse_address, parse_key
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import Registry
from yieldbot.model.families import EVM, SOLANA, Family, family_of, native_of
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.settings import ChainSettings, FeeKind, GrowthSource, Merkl, SvmLimits
from yieldbot.model.spelling import did_you_mean
from yieldbot.protocols import adapters, exchanges, svm_adapters, svm_exchanges, svm_price_oracles
from yieldbot.protocols.registries import registries, svm_registries

R = TypeVar("R")
T = TypeVar("T")
IDLE = "idle"
"""The adapter of what lies in the wallet, which no table names."""
NOUNS = {"exchanges": "exchange", "witnesses": "price oracle"}
"""What messages call a row of each table."""
_KEY32 = re.compile(r"0x[0-9a-fA-F]{64}")


def load_chain(
    path: Path, tables: Mapping[str, Any], environ: Mapping[str, str], *, whole: bool = True
) -> ChainSettings:
    """A chain's settings. Its RPC URLs come from the environment variable ``rpc_env``; there are none if it is not set.
    whole: False for who may need no adapter: rows of protocols, exchanges and registries are then checked when they are
    first used.

    Raises ConfigError.
    """
    found = LOADERS[_family(tables)](path, tables, environ)
    if not whole:
        return found
    return replace(
        found,
        deployments=tuple(found.deployments),
        exchanges=tuple(found.exchanges),
        price_oracles=tuple(found.price_oracles),
        registries=tuple(found.registries),
    )


def _family(tables: Mapping[str, Any]) -> Family:
    """The family of the file's chain id. For an id of no known family it is EVM, whose table then refuses the id."""
    try:
        return family_of(ChainId(str(tables.get("chain", ""))))
    except ValueError:
        return EVM


def _evm(path: Path, tables: Mapping[str, Any], environ: Mapping[str, str]) -> ChainSettings:
    """An EVM chain's settings."""
    try:
        table = ChainTable.model_validate(dict(tables))
    except ValidationError as failure:
        raise of_validation(path, failure, ChainTable) from None
    if table.name != path.stem:
        raise config_error(path, "name", f"{table.name!r} must be the file's own name: write {path.stem!r}")
    chain = ChainId(table.chain)
    tokens = {symbol: Token(chain, Address(t.address), symbol, t.decimals) for symbol, t in table.tokens.items()}
    rpc_urls = _urls(path, "rpc_env", table.rpc_env, environ)
    return ChainSettings(
        name=table.name,
        chain=chain,
        rpc_env=table.rpc_env,
        rpc_urls=rpc_urls,
        multicall3=Address(table.multicall3),
        native_symbol=table.native.symbol,
        native_feed=Address(table.native.feed) if table.native.feed else None,
        feeds={Address(t.address): Address(t.feed) for t in table.tokens.values() if t.feed},
        feed_units=_feed_units(path, table),
        tokens=tokens,
        deployments=_rows(table.protocols, lambda index, row: _deployment(path, index, row, chain, tokens)),
        exchanges=_rows(table.exchanges, lambda index, row: _exchange(path, index, row, chain, tokens)),
        registries=_rows(table.registries, lambda index, row: _registry(path, index, row, chain)),
        max_fee_gwei=table.max_fee_gwei,
        priority_fee_gwei=table.priority_fee_gwei,
        fee_kind=FeeKind(table.fee_kind),
        finality=table.finality,
        poll_seconds=table.poll_seconds,
        confirm_timeout_seconds=table.confirm_timeout_seconds,
        replace_after_seconds=table.replace_after_seconds,
        quorum=_quorum(path, table, len(rpc_urls)),
        max_behind_blocks=table.max_behind_blocks,
        submit_rpc_env=table.submit_rpc_env,
        submit_urls=_submit_urls(path, table, environ) if rpc_urls else (),
        submit_public=table.submit_public,
        submit_to_all=table.submit_to_all,
        safe_multisend=Address(table.safe_multisend),
        safe_service_url=table.safe_service_url,
        merkl=Merkl(distributor=Address(table.merkl.distributor), url=table.merkl.url) if table.merkl else None,
        symbols={Address(t.address): frozenset({name, *t.symbols}) for name, t in table.tokens.items()},
        pegged=frozenset(Address(t.address) for t in table.tokens.values() if t.pegged),
        unlisted=_unlisted(table),
        growths={
            Address(t.address): GrowthSource(
                Address(t.growth.contract or t.address), t.growth.call, t.growth.lookback_blocks
            )
            for t in table.tokens.values()
            if t.growth is not None
        },
    )


def _rows(given: Sequence[R], make: Callable[[int, R], T]) -> tuple[T, ...]:
    """Rows that adapters check: a sequence that stands for the tuple."""
    return cast("tuple[T, ...]", Rows(given, make))


def _unlisted(table: ChainTable) -> dict[str, str]:
    """By what a row is called: where its addresses come from, of rows that say so because no public package lists
    them."""
    tokens = {f"token {name}": t.source for name, t in table.tokens.items() if t.source}
    protocols = {row.name: row.source for row in table.protocols if row.source}
    registries_ = {row.name: row.source for row in table.registries if row.source}
    return tokens | protocols | {row.name: row.source for row in table.exchanges if row.source} | registries_


def _feed_units(path: Path, table: ChainTable) -> dict[Address, Address]:
    """By feed that counts in another token: that token's US dollar feed. Raises ConfigError if there is none."""
    found: dict[Address, Address] = {}
    dollars = {name: t.feed for name, t in table.tokens.items() if t.feed and t.feed_unit == "USD"}
    for name, token in table.tokens.items():
        if token.feed is None or token.feed_unit == "USD":
            continue
        try:
            unit = dollars.get(token.feed_unit) or parse_address(token.feed_unit)
        except ValueError:
            hint = did_you_mean(token.feed_unit, ["USD", *dollars])
            why = f'{token.feed_unit!r} is not "USD", a token here with a US dollar feed, or a feed\'s address: {hint}'
            raise config_error(path, f"tokens.{name}.feed_unit", why) from None
        found[Address(token.feed)] = Address(unit)
    return found


def _svm(path: Path, tables: Mapping[str, Any], environ: Mapping[str, str]) -> ChainSettings:
    """A Solana cluster's settings."""
    try:
        table = SvmChainTable.model_validate(dict(tables))
    except ValidationError as failure:
        raise of_validation(path, failure, SvmChainTable) from None
    if table.name != path.stem:
        raise config_error(path, "name", f"{table.name!r} must be the file's own name: write {path.stem!r}")
    chain = ChainId(table.chain)
    tokens = {symbol: Token(chain, Address(t.address), symbol, t.decimals) for symbol, t in table.tokens.items()}
    rpc_urls = _urls(path, "rpc_env", table.rpc_env, environ)
    sol = native_of(chain, table.native.symbol)
    return ChainSettings(
        name=table.name,
        chain=chain,
        rpc_env=table.rpc_env,
        rpc_urls=rpc_urls,
        multicall3=Address(""),
        native_symbol=table.native.symbol,
        native_feed=Address(table.native.feed) if table.native.feed else None,
        feeds={Address(t.address): Address(t.feed) for t in table.tokens.values() if t.feed},
        tokens=tokens,
        deployments=_rows(table.protocols, lambda index, row: _deployment(path, index, row, chain, tokens)),
        max_fee_gwei=0.0,
        finality=table.finality,
        poll_seconds=table.poll_seconds,
        confirm_timeout_seconds=table.confirm_timeout_seconds,
        quorum=_quorum(path, table, len(rpc_urls)),
        submit_rpc_env=table.submit_rpc_env,
        submit_urls=_submit_urls(path, table, environ) if rpc_urls else (),
        submit_public=table.submit_public,
        submit_to_all=table.submit_to_all,
        exchanges=_rows(table.exchanges, lambda index, row: _exchange(path, index, row, chain, tokens)),
        price_oracles=_rows(
            table.witnesses, lambda index, row: _exchange(path, index, row, chain, tokens, "witnesses")
        ),
        registries=_rows(table.registries, lambda index, row: _registry(path, index, row, chain)),
        pegged=frozenset(Address(t.address) for t in table.tokens.values() if t.pegged),
        svm=SvmLimits(
            max_unit_price_micro_lamports=table.max_unit_price_micro_lamports,
            max_fee_lamports=sol.parse(table.max_fee_sol).raw,
            keep_lamports=sol.parse(table.keep_sol).raw,
            max_slot_skew=table.max_slot_skew,
            lookup_tables=tuple(Address(key) for key in table.lookup_tables),
            multisigs=tuple(Address(key) for key in table.multisigs),
            durable_nonces=tuple(Address(key) for key in table.durable_nonces),
        ),
    )


def _quorum(path: Path, table: ChainTable | SvmChainTable, count: int) -> int:
    """The configured quorum, else more than half of the endpoints."""
    if table.quorum is None or count == 0:
        return count // 2 + 1
    if table.quorum > count:
        message = f"{table.quorum} RPC endpoints must agree, {table.rpc_env} names {count}"
        raise config_error(
            path, "quorum", f"{message}: put more URLs there, separated by commas, or write a smaller number"
        )
    return table.quorum


def _submit_urls(path: Path, table: ChainTable | SvmChainTable, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The private endpoints. Raises ConfigError if a variable is named for them but not set: sending publicly instead
    would be the opposite of what the user wants."""
    if table.submit_rpc_env is None:
        return ()
    urls = _urls(path, "submit_rpc_env", table.submit_rpc_env, environ)
    if not urls:  # going on in public would be the contrary of what was asked for
        message = f"{table.submit_rpc_env} is not set: put the private endpoint's URL into .env, or remove this key"
        raise config_error(path, "submit_rpc_env", message)
    return urls


def _urls(path: Path, key: str, name: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The RPC URLs in an environment variable, separated by commas or blanks. A URL may contain a provider's key, so no
    message quotes it."""
    urls = tuple(dict.fromkeys(environ.get(name, "").replace(",", " ").split()))
    for url in urls:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            sound = False
        if not sound:
            message = f"{name} in .env or the environment holds what is no RPC address"
            raise config_error(path, key, f"{message}: write https://host/..., several of them separated by commas")
    return urls


def _deployment(path: Path, index: int, row: ProtocolTable, chain: ChainId, tokens: Mapping[str, Token]) -> Deployment:
    """The deployment of a [[protocols]] table."""
    at = ("protocols", index)
    known = ADAPTERS[family_of(chain)]()
    if row.protocol == IDLE or row.protocol not in known:
        hint = did_you_mean(row.protocol, [name for name in known if name != IDLE])
        raise config_error(path, key_path((*at, "protocol")), f"unknown protocol {row.protocol!r}: {hint}")
    for position, symbol in enumerate(row.assets):
        if symbol not in tokens:
            hint = did_you_mean(symbol, tokens)
            raise config_error(path, key_path((*at, "assets", position)), f"unknown asset {symbol!r}: {hint}")
    schema = known[row.protocol].params
    extra = row.model_extra or {}
    try:
        params = schema.model_validate(extra).model_dump(mode="python")
    except ValidationError as failure:
        raise of_validation(path, failure, schema, at) from None
    CHECKS[family_of(chain)](path, at, params)
    return Deployment(row.protocol, chain, row.name, params, tuple(tokens[symbol] for symbol in row.assets))


def _exchange(
    path: Path, index: int, row: ExchangeTable, chain: ChainId, tokens: Mapping[str, Token], table: str = "exchanges"
) -> Deployment:
    """The deployment of an [[exchanges]] or (Solana) [[witnesses]] table."""
    at = (table, index)
    known = EXCHANGES[family_of(chain), table]()
    if row.protocol not in known:
        hint = did_you_mean(row.protocol, known)
        raise config_error(path, key_path((*at, "protocol")), f"unknown {NOUNS[table]} {row.protocol!r}: {hint}")
    schema = known[row.protocol].params
    try:
        params = schema.model_validate(row.model_extra or {}).model_dump(mode="python")
    except ValidationError as failure:
        raise of_validation(path, failure, schema, at) from None
    CHECKS[family_of(chain)](path, at, params)
    return Deployment(row.protocol, chain, row.name, params, tuple(tokens.values()))


def _registry(path: Path, index: int, row: RegistryTable, chain: ChainId) -> Registry:
    """The registry of a [[registries]] table."""
    at = ("registries", index)
    known = REGISTRIES[family_of(chain)]()
    if row.kind not in known:
        hint = did_you_mean(row.kind, known)
        raise config_error(path, key_path((*at, "kind")), f"unknown registry {row.kind!r}: {hint}")
    reader = known[row.kind]
    try:
        params = reader.params.model_validate(row.model_extra or {}).model_dump(mode="python")
    except ValidationError as failure:
        raise of_validation(path, failure, reader.params, at) from None
    CHECKS[family_of(chain)](path, at, params)
    if bool(getattr(reader, "topics", ())) is not (row.from_block is not None):
        remedy = (
            "this registry is read without events: remove it"
            if row.from_block is not None
            else "is missing: write the block in which the registry was deployed, or a later one"
        )
        raise config_error(path, key_path((*at, "from_block")), remedy)
    return Registry(row.kind, chain, row.name, params, Address(params[reader.address_key]), row.from_block)


def _check_addresses(path: Path, at: tuple[str | int, ...], value: Any) -> None:
    """Check that every text beginning with 0x is an address with its checksum, or 32 bytes."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_addresses(path, (*at, key), inner)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            _check_addresses(path, (*at, position), inner)
    elif isinstance(value, str) and value.startswith("0x") and not _KEY32.fullmatch(value):
        if abs(len(value) - 66) < abs(len(value) - 42):
            raise config_error(path, key_path(at), f"{value!r} is no id: write 0x and 64 hex digits")
        try:
            parse_address(value)
        except ValueError as bad:
            raise config_error(path, key_path(at), str(bad)) from None


def _check_keys(path: Path, at: tuple[str | int, ...], params: Mapping[str, Any]) -> None:
    """Check that every text in a Solana adapter's parameters is a public key."""
    for key, value in params.items():
        for position, text in enumerate(value if isinstance(value, list | tuple) else [value]):
            if not isinstance(text, str):
                continue
            try:
                parse_key(text)
            except ValueError as bad:
                inner = (key, position) if isinstance(value, list | tuple) else (key,)
                raise config_error(path, key_path((*at, *inner)), str(bad)) from None


LOADERS: Mapping[Family, Callable[[Path, Mapping[str, Any], Mapping[str, str]], ChainSettings]] = {
    EVM: _evm,
    SOLANA: _svm,
}
"""Makes settings of a file's tables, by family."""
ADAPTERS: Mapping[Family, Callable[[], Mapping[str, Any]]] = {EVM: adapters, SOLANA: svm_adapters}
"""Adapters of [[protocols]], by family."""
EXCHANGES: Mapping[tuple[Family, str], Callable[[], Mapping[str, Any]]] = {
    (EVM, "exchanges"): exchanges,
    (SOLANA, "exchanges"): svm_exchanges,
    (SOLANA, "witnesses"): svm_price_oracles,
}
"""Adapters of exchanges and price oracles, by family and table."""
REGISTRIES: Mapping[Family, Callable[[], Mapping[str, Any]]] = {EVM: registries, SOLANA: svm_registries}
"""Readers of [[registries]], by family."""
CHECKS: Mapping[Family, Callable[[Path, tuple[str | int, ...], Any], None]] = {
    EVM: _check_addresses,
    SOLANA: _check_keys,
}
"""Checks the addresses in an adapter's parameters, by family."""
