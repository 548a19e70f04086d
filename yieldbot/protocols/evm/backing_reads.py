"""Reads of what vaults, pools and tokens hold, level by level: one flow over all of a chain's markets, in few rounds.

Whatever a contract answers is a number within bounds, an address or nothing. Lists, contracts and reads are bounded;
what is beyond the bounds was not read, which counts as unknown (``protocols/backing.py``). Reads that were made at the
last look are all made in the first round, so that a look at what has not changed takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.backing import TOKEN
from yieldbot.protocols.evm.abi import checksum, label, selector_of
from yieldbot.protocols.evm.backing_hub import hub
from yieldbot.protocols.evm.backing_pools import (
    MOST_LISTED,
    Known,
    Reading,
    aave,
    aave_key,
    comet,
    comptroller,
    euler,
    one_price,
    token_key,
)
from yieldbot.protocols.evm.view_words import LARGEST, address, addresses, amount, call, number

MOST_ROUNDS = 8
"""Most rounds of one look."""
MOST_KEYS = 500
"""Most vaults, pools and tokens of one look."""
MOST_READS = 8000
"""Most reads of one look."""
MOST_REPEATED = 6000
"""Most reads of the last look that are repeated in the first round."""
MOST_QUEUED = 30
"""Most markets in one vault's queue (MetaMorpho's own limit)."""
MOST_SHARES = 16
"""Most share tokens for which a vault of unknown kind is asked."""
ENOUGH = 0.999
"""Fraction of a vault's total that must be found for its holdings to count as known."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The result of one look."""

    nodes: Mapping[str, HeldBy]
    """By key, its holdings."""
    calls: tuple[EthCall, ...]
    """The reads that were made."""


def next_known(graph: Graph) -> tuple[dict[str, str], tuple[EthCall, ...]]:
    """(symbols of tokens that hold nothing, by key; reads to repeat in the next look, without those that only asked
    what such tokens are)."""
    leaves = {
        key: one.symbol
        for key, one in graph.nodes.items()
        if key.startswith(TOKEN) and not one.children and not one.idle and not one.unknown
    }
    probes = {selector_of(probe) for probe in PROBES if probe != TOTAL_SUPPLY}
    calls = (one for one in graph.calls if one.data not in probes or f"{TOKEN}{one.to}" not in leaves)
    return leaves, tuple(calls)


def read_holdings(keys: Iterable[str], known: Known) -> Flow[Graph]:
    """Read the holdings of the keys, their holdings in turn, and so on, in at most MOST_ROUNDS rounds."""
    nodes: dict[str, HeldBy] = {}
    started: dict[str, None] = {}
    waiting: dict[str, tuple[Reading, Sequence[EthCall]]] = {}
    cache: dict[EthCall, bytes] = {}
    asked: dict[EthCall, None] = {}
    queue, rounds = list(dict.fromkeys(keys)), 0
    before = known.calls[:MOST_REPEATED]
    while True:
        while queue:
            key = queue.pop()
            if key in started or len(started) >= MOST_KEYS:
                continue
            started[key] = None
            flow = _flow(key, known)
            if (node := _advance(flow, key, None, waiting)) is not None:
                nodes[key] = node
                queue += [child for child, _ in node.children] + ([node.asset] if node.idle and node.asset else [])
        if not waiting:
            break
        lacking, waiting = _within(waiting, cache, MOST_READS - len(cache))
        if lacking:
            if rounds >= MOST_ROUNDS:
                break
            wanted = list(dict.fromkeys([*lacking, *before]))
            before, rounds = (), rounds + 1
            cache.update(zip(wanted, (yield wanted), strict=True))
        current, waiting = waiting, {}
        for key, (flow, reads) in current.items():
            asked.update(dict.fromkeys(reads))
            if (node := _advance(flow, key, [cache[read] for read in reads], waiting)) is not None:
                nodes[key] = node
                queue += [child for child, _ in node.children] + ([node.asset] if node.idle and node.asset else [])
    return Graph(nodes, tuple(asked))


def _within(
    waiting: Mapping[str, tuple[Reading, Sequence[EthCall]]], cache: Mapping[EthCall, bytes], most: int
) -> tuple[list[EthCall], dict[str, tuple[Reading, Sequence[EthCall]]]]:
    """(missing reads, the flows that wait for them), up to ``most`` further reads. Flows that need more are given
    up, and their keys stay unknown."""
    lacking: dict[EthCall, None] = {}
    kept = {}
    for key, (flow, reads) in waiting.items():
        new = dict.fromkeys(read for read in reads if read not in cache and read not in lacking)
        if len(lacking) + len(new) <= most:
            lacking |= new
            kept[key] = (flow, reads)
    return list(lacking), kept


def _advance(
    flow: Reading, key: str, answers: Sequence[bytes] | None, waiting: dict[str, tuple[Reading, Sequence[EthCall]]]
) -> HeldBy | None:
    """Advance one flow: its result; None: it waits for further reads. Any error means that nothing is known about
    the key."""
    try:
        waiting[key] = (flow, next(flow) if answers is None else flow.send(answers))
    except StopIteration as done:
        found: HeldBy = done.value
        return found
    except (ValueError, ArithmeticError, IndexError, TypeError) as nonsense:
        return HeldBy(unknown=1.0, why=f"{key}: {type(nonsense).__name__}")
    return None


def _flow(key: str, known: Known) -> Reading:
    kind, _, at = key.partition(":")
    if key in known.leaves:
        return _leaf(Address(at), known.leaves[key])
    return KINDS[kind](Address(at), known)


def _leaf(at: Address, symbol: str) -> Reading:
    """A token that was found to hold nothing: only its supply is read."""
    (supply,) = yield [call(at, TOTAL_SUPPLY)]
    return HeldBy(symbol=symbol, supply=_supply(supply))


def _supply(answer: bytes) -> float | None:
    """The supply in base units, from the answer to totalSupply(); None if it is no number."""
    raw = number(answer)
    return None if raw is None or not 0 <= raw < LARGEST else float(raw)


TOTAL_SUPPLY = "totalSupply()"
PROBES = (
    *("symbol()", "asset()", "totalAssets()", "UNDERLYING_ASSET_ADDRESS()", "POOL()", "underlying()", "comptroller()"),
    *("MORPHO()", "withdrawQueueLength()", "get_default_queue()", "aToken()", "token0()", "token1()", "baseToken()"),
    "LTVList()",
    TOTAL_SUPPLY,
    "yieldbotReadsWhatNoContractHas()",
)
"""Functions that are called on every token: one that holds something answers some of them. The last one exists
nowhere."""


def _token(at: Address, known: Known) -> Reading:
    """A token: a leaf, or a share of something that is followed."""
    answers = dict(zip(PROBES, (yield [call(at, probe) for probe in PROBES]), strict=True))
    symbol, named = label(answers["symbol()"]) or "", {probe: address(answers[probe]) for probe in PROBES[1:]}
    if answers[PROBES[-1]]:
        return HeldBy(unknown=1.0, symbol=symbol, why=f"{at}: it answers anything")
    under = named["UNDERLYING_ASSET_ADDRESS()"]
    if under is not None and (pool := named["POOL()"]) is not None:
        return HeldBy(children=((aave_key(pool), 1.0),), asset=token_key(under), symbol=symbol)
    if (comptroller := named["comptroller()"]) is not None and (under := named["underlying()"]) is not None:
        return HeldBy(children=((f"comptroller:{comptroller}", 1.0),), asset=token_key(under), symbol=symbol)
    asset = named["asset()"]
    if asset is None:
        if (base := named["baseToken()"]) is not None:
            return HeldBy(children=((f"comet:{at}", 1.0),), asset=token_key(base), symbol=symbol)
        pair = [one for one in (named["token0()"], named["token1()"]) if one is not None]
        children = tuple((token_key(one), 0.5) for one in pair)
        return HeldBy(children=children, symbol=symbol, supply=_supply(answers[TOTAL_SUPPLY]))
    total = amount(answers["totalAssets()"])
    if total <= 0.0:
        return HeldBy(unknown=1.0, asset=token_key(asset), symbol=symbol, why=f"{symbol or at}: it holds nothing")
    if (a_token := named["aToken()"]) is not None:
        return HeldBy(children=((token_key(a_token), 1.0),), asset=token_key(asset), symbol=symbol)
    if collaterals := addresses(answers["LTVList()"], MOST_LISTED):
        return (yield from euler(at, collaterals, asset, symbol, total))
    count, lying = (
        min(number(answers["withdrawQueueLength()"]) or 0, MOST_QUEUED),
        call(asset, "balanceOf(address)", at),
    )
    if count:
        queue = [call(at, "withdrawQueue(uint256)", place) for place in range(count)]
        lies, *ids = yield [lying, *queue]
        found = yield from _queued(at, ids, named["MORPHO()"])
    elif strategies := addresses(answers["get_default_queue()"], MOST_QUEUED):
        lies, *debts = yield [lying, *(call(at, "strategies(address)", one) for one in strategies)]
        found = {token_key(one): amount(debt, 2) for one, debt in zip(strategies, debts, strict=True)}
    else:
        (lies,) = yield [lying]
        found = {}
    idle, rest = min(amount(lies), total), sum(found.values())
    if idle + rest < ENOUGH * total:
        more = known.shares.get(token_key(asset), ())[:MOST_SHARES]
        found |= yield from _shares(at, [one for one in more if token_key(one) not in found])
        rest = sum(found.values())
    unknown = max(0.0, total - idle - rest)
    return HeldBy(
        children=tuple((key, weight) for key, weight in found.items() if weight > 0.0),
        idle=idle,
        unknown=unknown if unknown > (1.0 - ENOUGH) * total else 0.0,
        asset=token_key(asset),
        symbol=symbol,
        why=f"{symbol or at}: what it does with {unknown / total:z.0%}" if unknown > (1.0 - ENOUGH) * total else "",
    )


def _queued(
    at: Address, queue: Sequence[bytes], morpho: Address | None
) -> Generator[Sequence[EthCall], Sequence[bytes], dict[str, float]]:
    """What the queue of a vault holds: markets of Morpho by their collateral (MetaMorpho), or vaults (Euler Earn)."""
    ids = [int.from_bytes(one[:32], "big") for one in queue if len(one) >= 32]
    if morpho is None:
        vaults = [checksum(f"0x{one:040x}") for one in ids if 0 < one < 2**160]
        return (yield from _shares(at, vaults))
    answers = yield [
        read
        for one in ids
        for read in (
            call(morpho, "idToMarketParams(bytes32)", one),
            call(morpho, "position(bytes32,address)", one, at),
            call(morpho, "market(bytes32)", one),
        )
    ]
    found: dict[str, float] = {}
    for index in range(len(ids)):
        terms, position, totals = answers[3 * index : 3 * index + 3]
        whole, shares = amount(totals), amount(totals, 1)
        worth = amount(position) * whole / shares if shares else 0.0
        if worth > 0.0:
            collateral = address(terms, 1)  # a market without collateral lends to nobody
            key = token_key(collateral or address(terms) or at)
            found[key] = found.get(key, 0.0) + worth
    return found


def _shares(at: Address, vaults: Sequence[Address]) -> Generator[Sequence[EthCall], Sequence[bytes], dict[str, float]]:
    """A vault's holdings of other markets' shares, in its own asset."""
    if not vaults:
        return {}
    balances = yield [call(one, "balanceOf(address)", at) for one in vaults if one != at]
    held = [
        (one, shares)
        for one, answer in zip((one for one in vaults if one != at), balances, strict=True)
        if (shares := number(answer))
    ]
    if not held:
        return {}
    worth = yield [call(one, "convertToAssets(uint256)", shares) for one, shares in held]
    return {
        token_key(one): amount(answer) if len(answer) >= 32 else float(shares)
        for (one, shares), answer in zip(held, worth, strict=True)
    }


KINDS: dict[str, Callable[[Address, Known], Reading]] = {
    "aave": aave,
    "comptroller": comptroller,
    "comet": comet,
    "oracle": one_price,
    "hub": hub,
    "token": _token,
}
"""By kind of key, the flow that reads its holdings."""
