"""Reads, with each look, what a cluster's lending markets are exposed to, the supply of each collateral, deposits and
withdrawals, and the largest depositors.

A market's reserves are found once a day by listing the program's accounts; then reserves, pledged collateral and mints
are read in one round. With a node that cannot list a program's accounts, the markets' backing stays unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from yieldbot.chains.solana.node.beside import run_beside
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.controls import Look
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import Kind
from yieldbot.model.money_flows import Holders
from yieldbot.model.text import one_line
from yieldbot.protocols.backing import TOKEN, backing_of
from yieldbot.protocols.solana.backing import KINDS, Pool, held_by, mints_of, pools_of, reserves_of, root_of, vaults_of
from yieldbot.protocols.solana.flow_events import listening
from yieldbot.protocols.solana.flow_reads import KnownFlows, read_flows
from yieldbot.protocols.solana.idle import MINT_DECIMALS_AT, MINT_SUPPLY_AT
from yieldbot.protocols.solana.layout import layout
from yieldbot.rpc.together import together

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.answers import AccountImage
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import ChainSettings

KEY = "holdings"
"""Key in ``Look.known`` for the listed reserves and the further accounts that are read with them."""
FLOWS = "flows"
"""Key in ``Look.known`` for the slot up to which transactions were listed, and the largest depositors then."""
ANEW_SECONDS = 86_400
"""Seconds after which a market's reserves are listed again."""
MOST_RESERVES = 300
"""Most reserves of one market that are read."""
AT_ONCE = 4
"""Most listings made at the same time."""


async def with_exposure(
    node: Node, chain: ChainSettings, snapshot: Snapshot, known: Mapping[str, Any], look: Look
) -> Look:
    """The look with each market's backing added. known: ``Look.known`` of the last look. Where a read fails, the last
    look's result is kept, with a note."""
    before = known.get(KEY)
    before = before if isinstance(before, dict) else {}
    pools = {one.key: one for state in snapshot.states.values() for one in pools_of(state)}
    try:
        lists, notes = await _listed(node, list(pools.values()), before, look.time)
        images = await node.accounts(list(dict.fromkeys(_wanted(pools, lists, before))))
        found = {key: reserves_of(pool, _data(images, lists[key], pool.program)) for key, pool in pools.items()}
        beside = {
            key: [*vaults_of(pool, found[key].values()), *mints_of(pool, found[key].values())]
            for key, pool in pools.items()
        }
        new = [one for many in beside.values() for one in many if one not in images]
        images |= await node.accounts(list(dict.fromkeys(new))) if new else {}
    except TransientError as failure:
        note = f"what its markets rest on was not read: {one_line(str(failure), 200)}"
        return replace(look, known={**look.known, KEY: before}, notes=(*look.notes, note))
    nodes, supplies = dict[str, HeldBy](), dict[str, float]()
    symbols = {str(token.address): symbol for symbol, token in chain.tokens.items()}
    for key, pool in pools.items():
        mine = found[key]
        pledged = {one: _beside(images, one, pool.program) for one in vaults_of(pool, mine.values())}
        vaults = {one: image.data for one, image in pledged.items() if image is not None}
        nodes[key] = held_by(pool, mine, vaults, sum(images.get(one) is None for one in lists[key]))
        for mint in mints_of(pool, mine.values()):
            image = _token(images, mint)
            is_mint = image is not None and len(image.data) > MINT_DECIMALS_AT
            raw = struct.unpack_from("<Q", image.data, MINT_SUPPLY_AT)[0] if image is not None and is_mint else 0
            supplies |= {str(mint): float(raw)} if raw else {}
            nodes[TOKEN + mint] = HeldBy(symbol=symbols.get(str(mint), ""), supply=float(raw) or None)
    roots = [root_of(state, of) for state in snapshot.states.values() if (of := pools_of(state))]
    backing = {root.market: backing_of(root, nodes, look.block, look.time) for root in roots}
    kept = dict(before)
    for key, reserves in lists.items():
        if reserves:
            since = _since(before.get(key), reserves, look.time)
            kept[key] = {"since": since, "reserves": list(reserves), "beside": list(beside[key])}
    known = {**look.known, KEY: kept}
    return replace(look, backing=backing, supplies=supplies, known=known, notes=(*look.notes, *notes))


async def with_flows(
    node: Node, snapshot: Snapshot, known: Mapping[str, Any], follow: Collection[str], look: Look
) -> Look:
    """The look, with the markets' deposits, withdrawals and depositors added. known: ``Look.known`` of the last look.
    follow: addresses all of whose flows are reported. What a node refuses becomes a note."""
    states = [one for one in snapshot.states.values() if one.market.kind is not Kind.IDLE]
    listened = [one for one in map(listening, states) if one is not None]
    flow = read_flows(listened, snapshot.owner, look.block, look.time, _heard(known.get(FLOWS)), tuple(follow))
    try:
        found = await run_beside(node, flow)
        failed = str(found) if isinstance(found, MarketError) else ""
    except TransientError as failure:
        found, failed = MarketError(str(failure)), str(failure)
    if isinstance(found, MarketError):
        note = f"deposits, withdrawals and holders were not read: {one_line(failed, 200)}"
        return replace(look, known={**look.known, FLOWS: known.get(FLOWS)}, notes=(*look.notes, note))
    return replace(
        look,
        known={**look.known, FLOWS: _written(found.known)},
        flows=found.heard.flows,
        holders=found.heard.holders,
        moves=found.moves,
        notes=(*look.notes, *found.notes),
    )


def _written(known: KnownFlows) -> dict[str, Any]:
    return {
        "last": {at: list(one) for at, one in known.last.items()},
        "keys": sorted(known.keys),
        "holders": {market: asdict(one) for market, one in known.holders.items()},
        "positions": {market: list(many) for market, many in known.positions.items()},
    }


def _heard(kept: Any) -> KnownFlows:
    """The flows that the last look stored; empty if they cannot be decoded."""
    try:
        holders = {
            MarketId(market): Holders(
                top=tuple((Address(who), float(share)) for who, share in one["top"]),
                seen=float(one["seen"]),
                since=int(one["since"]),
                block=int(one["block"]),
                time=int(one["time"]),
                by=str(one["by"]),
                pledged=float(one["pledged"]),
            )
            for market, one in kept["holders"].items()
        }
        last = {str(at): (str(signature), int(slot)) for at, (signature, slot) in kept["last"].items()}
        positions = {MarketId(market): tuple(map(Address, many)) for market, many in kept["positions"].items()}
        return KnownFlows(last=last, keys=frozenset(map(str, kept["keys"])), holders=holders, positions=positions)
    except (KeyError, TypeError, ValueError, AttributeError):
        return KnownFlows()


async def _listed(
    node: Node, pools: list[Pool], before: Mapping[str, Any], now: int
) -> tuple[dict[str, tuple[Address, ...]], tuple[str, ...]]:
    """(each pool's reserves, a note for each pool that could not be listed)."""
    lists = {one.key: _known(before.get(one.key)) for one in pools}
    old = [one for one in pools if not lists[one.key] or now - int(before[one.key]["since"]) >= ANEW_SECONDS]
    notes = []
    answers = await together([partial(_list, node, one) for one in old], AT_ONCE)
    for pool, answer in zip(old, answers, strict=True):
        if isinstance(answer, str):
            notes.append(f"the reserves of {pool.protocol} market {pool.address} cannot be listed: {answer}")
        else:
            lists[pool.key] = answer
    return lists, tuple(notes)


async def _list(node: Node, pool: Pool) -> tuple[Address, ...] | str:
    """The addresses of a pool's reserves, as the node lists them; or why it does not."""
    kind = KINDS[pool.protocol]
    options = {
        "encoding": "base64",
        "commitment": node.commitment,
        "dataSlice": {"offset": 0, "length": 0},
        "filters": [
            {"dataSize": layout(pool.protocol).size(kind.account)},
            {"memcmp": {"offset": kind.at, "bytes": pool.address}},
        ],
    }
    try:
        rows = await node.request("getProgramAccounts", [pool.program, options])
        return tuple(dict.fromkeys(Address(str(row["pubkey"])) for row in rows))[:MOST_RESERVES]
    except (TransientError, KeyError, TypeError, ValueError) as failure:
        return one_line(str(failure), 160)


def _known(kept: Any) -> tuple[Address, ...]:
    try:
        int(kept["since"])
        return tuple(Address(str(one)) for one in kept["reserves"])
    except (KeyError, TypeError, ValueError):
        return ()


def _since(kept: Any, reserves: tuple[Address, ...], now: int) -> int:
    """When a stored list was made, in unix seconds; ``now`` if the list has changed or is too old."""
    same = _known(kept) == reserves and now - int(kept["since"]) < ANEW_SECONDS
    return int(kept["since"]) if same else now


def _wanted(
    pools: Mapping[str, Pool], lists: Mapping[str, tuple[Address, ...]], before: Mapping[str, Any]
) -> list[Address]:
    """The accounts to read: the reserves, and the further accounts that the last look found to need."""
    wanted = [one for key in pools for one in lists[key]]
    for key in pools:
        kept = before.get(key)
        beside = kept.get("beside") if isinstance(kept, dict) else None
        wanted += [Address(str(one)) for one in beside or () if isinstance(one, str)]
    return wanted


def _data(
    images: Mapping[Address, AccountImage | None], reserves: tuple[Address, ...], program: Address
) -> dict[Address, bytes]:
    found = {one: images.get(one) for one in reserves}
    return {one: image.data for one, image in found.items() if image is not None and image.program == program}


def _beside(images: Mapping[Address, AccountImage | None], address: Address, program: Address) -> AccountImage | None:
    """An account of a token program or of the lending program; None for any other."""
    image = images.get(address)
    return image if image is not None and image.program == program else _token(images, address)


def _token(images: Mapping[Address, AccountImage | None], address: Address) -> AccountImage | None:
    """An account of a token program; None for any other."""
    image = images.get(address)
    return image if image is not None and image.program in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM) else None
