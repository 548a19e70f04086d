"""Reads of what vaults, pools and tokens hold, level by level: one flow over all of a chain's markets, in few rounds.

Whatever a contract answers is a number within bounds, an address or nothing. Lists, contracts and reads are bounded;
what is beyond the bounds was not read, which counts as unknown (``protocols/backing.py``). Reads that were made at the
last look are all made in the first round, so that a look at what has not changed takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.backing import TOKEN
from yieldbot.protocols.evm.abi import checksum, label, selector_of
from yieldbot.protocols.evm.view_words import LARGEST, address, addresses, amount, call, number

MOST_ROUNDS = 6
"""Most rounds of one look."""
MOST_KEYS = 500
"""Most vaults, pools and tokens of one look."""
MOST_READS = 8000
"""Most reads of one look."""
MOST_REPEATED = 6000
"""Most reads of the last look that are repeated in the first round."""
MOST_LISTED = 128
"""Most reserves of one pool (Aave's own limit), or markets of one comptroller."""
MOST_QUEUED = 30
"""Most markets in one vault's queue (MetaMorpho's own limit)."""
MOST_ASSETS = 24
"""Most collaterals of one Comet (CometConfiguration.sol: MAX_ASSETS)."""
MOST_SHARES = 16
"""Most share tokens for which a vault of unknown kind is asked."""
ENOUGH = 0.999
"""Fraction of a vault's total that must be found for its holdings to count as known."""

Reading = Generator[Sequence[EthCall], Sequence[bytes], HeldBy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before a look."""

    providers: Mapping[str, tuple[Address, Address]] = field(default_factory=dict)
    """By key of an Aave pool, its data provider and oracle, as the chain's table has them."""
    shares: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """By key of an asset, share tokens of its markets: a vault of unknown kind is asked what it holds of them."""
    leaves: Mapping[str, str] = field(default_factory=dict)
    """By key, symbols of tokens that hold nothing."""
    calls: tuple[EthCall, ...] = ()
    """The reads of the last look."""


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


def aave_key(pool: str) -> str:
    """The key of an Aave pool."""
    return f"aave:{checksum(pool)}"


def token_key(token: str) -> str:
    """The key of a token."""
    return f"{TOKEN}{checksum(token)}"


def _aave(at: Address, known: Known) -> Reading:
    """Every reserve that may be collateral, by the value supplied, with its utilisation. Sources: Pool.getReservesList,
    AaveProtocolDataProvider.getReserveConfigurationData (word 2: liquidation threshold) and getReserveData (words 2 and
    4: aTokens and variable debt), AaveOracle.getAssetPrice."""
    listed, provider = yield [call(at, "getReservesList()"), call(at, "ADDRESSES_PROVIDER()")]
    reserves, book = addresses(listed, MOST_LISTED), address(provider)
    data, oracle = known.providers.get(f"aave:{at}", (None, None))
    if (data is None or oracle is None) and book is not None:
        one, two = yield [call(book, "getPoolDataProvider()"), call(book, "getPriceOracle()")]
        data, oracle = data or address(one), oracle or address(two)
    if not reserves or data is None or oracle is None:
        return HeldBy(unknown=1.0, why=f"reserves of the pool {at}")
    answers = yield [
        read
        for token in reserves
        for read in (
            call(data, "getReserveConfigurationData(address)", token),
            call(data, "getReserveData(address)", token),
            call(oracle, "getAssetPrice(address)", token),
        )
    ]
    children, used, unread = list[tuple[str, float]](), list[tuple[str, float]](), list[str]()
    for index, token in enumerate(reserves):
        terms, totals, price = answers[3 * index : 3 * index + 3]
        supplied, debt = amount(totals, 2), amount(totals, 3) + amount(totals, 4)
        if supplied > 0.0:
            used.append((token_key(token), min(1.0, debt / supplied)))
        if len(terms) < 96 or len(totals) < 160 or not price:
            unread.append(token)
        elif amount(terms, 2) > 0.0:
            children.append((token_key(token), supplied / 10 ** min(amount(terms), 36.0) * amount(price)))
    why = f"{len(unread)} reserves of the pool {at}" if unread else ""
    return HeldBy(children=tuple(children), used=tuple(used), why=why, unknown=0.0 if children else 1.0)


def _comptroller(at: Address, known: Known) -> Reading:
    """Every cToken that may be collateral. Sources: Comptroller.getAllMarkets, markets (word 1: collateral factor),
    PriceOracle.getUnderlyingPrice (36 less the token's decimals)."""
    listed, named = yield [call(at, "getAllMarkets()"), call(at, "oracle()")]
    markets, oracle = addresses(listed, MOST_LISTED), address(named)
    if not markets or oracle is None:
        return HeldBy(unknown=1.0, why=f"markets of the comptroller {at}")
    views = ("underlying()", "totalSupply()", "exchangeRateStored()", "totalBorrows()", "getCash()", "totalReserves()")
    answers = yield [
        read
        for one in markets
        for read in (
            call(at, "markets(address)", one),
            call(oracle, "getUnderlyingPrice(address)", one),
            *(call(one, view) for view in views),
        )
    ]
    children, used = list[tuple[str, float]](), list[tuple[str, float]]()
    size = len(views) + 2
    for index, one in enumerate(markets):
        terms, price, under, shares, rate, debt, cash, kept = answers[size * index : size * (index + 1)]
        token = token_key(address(under) or one)  # a market of the chain's own coin names no token
        lent = amount(cash) + amount(debt) - amount(kept)
        if lent > 0.0:
            used.append((token, min(1.0, amount(debt) / lent)))
        if amount(terms, 1) > 0.0:
            children.append((token, amount(shares) * amount(rate) / 1e18 * amount(price) / 1e36))
    return HeldBy(children=tuple(children), used=tuple(used), unknown=0.0 if children else 1.0)


def _comet(at: Address, known: Known) -> Reading:
    """Every collateral of a Comet by its value. Sources: CometCore.sol AssetInfo (words 1 to 3: asset, price feed,
    scale), totalsCollateral, getPrice; getReserves, which is below 0 where bad debt has eaten them."""
    reserves, *infos = yield [
        call(at, "getReserves()"),
        *(call(at, "getAssetInfo(uint8)", place) for place in range(MOST_ASSETS)),
    ]
    signed = int.from_bytes(reserves[:32], "big", signed=True) if len(reserves) >= 32 else 0
    lost = float(-signed) if -LARGEST < signed < 0 else 0.0
    named = [(address(info, 1), address(info, 2), amount(info, 3)) for info in infos if len(info) >= 256]
    rows = [(asset, feed, scale) for asset, feed, scale in named if asset and feed and scale]
    if not rows:
        return HeldBy(unknown=1.0, why=f"collaterals of the Comet {at}", lost=lost)
    answers = yield [
        read
        for asset, feed, _ in rows
        for read in (call(at, "totalsCollateral(address)", asset), call(at, "getPrice(address)", feed))
    ]
    children = tuple(
        (token_key(asset), amount(answers[2 * i]) / scale * amount(answers[2 * i + 1]))
        for i, (asset, _, scale) in enumerate(rows)
    )
    some = any(weight > 0.0 for _, weight in children)
    return HeldBy(children=children, unknown=0.0 if some else 1.0, lost=lost)


TOTAL_SUPPLY = "totalSupply()"
PROBES = (
    *("symbol()", "asset()", "totalAssets()", "UNDERLYING_ASSET_ADDRESS()", "POOL()", "underlying()", "comptroller()"),
    *("MORPHO()", "withdrawQueueLength()", "get_default_queue()", "aToken()", "token0()", "token1()", "baseToken()"),
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
        why=f"{symbol or at}: what it does with {unknown / total:.0%}" if unknown > (1.0 - ENOUGH) * total else "",
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
    "aave": _aave,
    "comptroller": _comptroller,
    "comet": _comet,
    "token": _token,
}
"""By kind of key, the flow that reads its holdings."""
