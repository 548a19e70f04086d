"""Registries read from a node that drops, invents and floods: a double that answers eth_getLogs and Morpho's reads."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from yieldbot.chains import discovered
from yieldbot.chains.discovered import MOST_ALONE, chosen, in_halves
from yieldbot.chains.evm import discover
from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.history.found_store import Entry, FoundStore, ReadEntry, gaps, merged
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.reads import EthCall, Flow, Read
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.morpho_blue import CREATED
from yieldbot.rpc.lockstep import run
from yieldbot.rpc.sizes import Size

CHAIN = ChainId("eip155:1")
MORPHO, IRM, USDC, OTHER = (checksum("0x" + digit * 40) for digit in "abcd")
REGISTRY = Registry("morpho_blue", CHAIN, "Morpho Blue", {"morpho": MORPHO, "irm": IRM}, MORPHO, 100)
HEAD = 1_000
TERMS = ["address"] * 4 + ["uint256"]


def terms(number: int, loan: str = USDC, irm: str = IRM) -> bytes:
    return encode(TERMS, [loan, checksum(f"0x{number:040x}"), OTHER, irm, 86 * 10**16])


def event(number: int, block: int, **changes: Any) -> dict[str, Any]:
    """The event of one market's creation, as a node serves it."""
    data = terms(number)
    found = {
        "address": MORPHO.lower(),
        "topics": ["0x" + CREATED.hex(), "0x" + keccak(data).hex()],
        "data": "0x" + data.hex(),
        "blockNumber": hex(block),
        "logIndex": hex(number),
        "transactionHash": "0x" + "11" * 32,
    }
    return found | changes


class Source:
    """A double of a node: it serves logs, blocks and Morpho's two views."""

    host = "double"
    left_out = ()

    def __init__(self, logs: Sequence[dict[str, Any]], markets: Sequence[int], most: int = 2**63) -> None:
        self.logs, self.served, self.most = list(logs), list[tuple[int, int]](), most
        self.markets = {keccak(terms(one)): one for one in markets}
        self.fails_after: int | None = None
        self.hashes = dict[int, str]()

    def size(self, what: str, most: int) -> Size:
        return Size(min(most, self.most))

    async def block(self, tag: Any = "latest") -> BlockRef:
        height = tag if isinstance(tag, int) else HEAD
        return BlockRef(CHAIN, height, self.hashes.get(height, f"0x{height:064x}"), 1_700_000_000 + height)

    async def request(self, method: str, params: list[Any]) -> Any:
        assert method == "eth_getLogs"
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        if self.fails_after is not None and len(self.served) >= self.fails_after:
            raise KeyboardInterrupt
        if last - first + 1 > self.most:
            raise NodeRefused("eth_getLogs", -32005, "too many blocks")
        self.served.append((first, last))
        return [one for one in self.logs if "blockNumber" not in one or first <= int(one["blockNumber"], 16) <= last]

    async def run(self, flows: Sequence[Flow[Any]], block: BlockRef) -> list[Any]:
        async def answer(reads: Sequence[Read]) -> list[bytes]:
            return [self.answered(read) for read in reads]

        return list(await run(flows, answer))

    def answered(self, read: Read) -> bytes:
        assert isinstance(read, EthCall)
        if read.data[:4] == abi("erc20").selector("symbol"):
            return encode(["string"], ["WETH"])
        number = self.markets.get(read.data[4:36])
        if read.data[:4] == abi("morpho_blue").selector("market"):
            return encode(["uint128"] * 6, [5_000_000 * (number or 0), 1, 0, 0, 1, 0])
        return bytes(32 * 5) if number is None else terms(number)


def chain_of(*markets: str) -> ChainSettings:
    token = Token(CHAIN, USDC, "USDC", 6)
    blue = {"morpho": MORPHO, "irm": IRM, "markets": list(markets)}
    return ChainSettings(
        name="test",
        chain=CHAIN,
        rpc_env="X",
        rpc_urls=(),
        multicall3=Address(OTHER),
        native_symbol="ETH",
        native_feed=None,
        feeds={},
        tokens={"USDC": token},
        deployments=(Deployment("morpho_blue", CHAIN, "Morpho Blue", blue, (token,)),),
        registries=(REGISTRY,),
        max_fee_gwei=1.0,
    )


def read(source: Any, store: FoundStore, *markets: str, now: int = 5) -> Any:
    async def once() -> Any:
        head = await source.block()
        said = list[str]()
        (found,) = await discover._readings(source, chain_of(*markets), store, (head, head), now, said.append)
        return found

    return asyncio.run(once())


def key(number: int) -> str:
    return "0x" + keccak(terms(number)).hex()


def test_events_that_the_registry_cannot_have_emitted_are_ignored_and_counted(tmp_path: Path) -> None:
    good = [event(n, 100 + n) for n in (1, 2, 3)]
    false = [
        event(4, 150, address=OTHER),
        event(5, 150, topics=["0x" + "12" * 32, "0x" + keccak(terms(5)).hex()]),
        event(6, 150, topics=["0x" + CREATED.hex(), "0x" + "34" * 32]),  # an id that is not the hash of the terms
        event(7, 150, data="0x1234"),
        event(8, 150, data="nonsense"),
        {"topics": []},
    ]
    source = Source([*good, *false], markets=[1, 2, 3])
    reading = read(source, FoundStore(tmp_path))
    assert {one.listed.key for one in reading.entries} == {key(n) for n in (1, 2, 3)}
    assert reading.total == 3 and reading.cut == "" and not reading.failure
    assert any(note.startswith("6 events") for note in reading.notes)


def test_a_market_that_the_registry_does_not_know_never_counts(tmp_path: Path) -> None:
    source = Source([event(1, 101), event(9, 109)], markets=[1])
    reading = read(source, FoundStore(tmp_path))
    assert [one.listed.key for one in reading.entries] == [key(1)] and reading.total == 2
    source.markets.clear()
    later = read(source, FoundStore(tmp_path), now=9)
    assert later.entries[0].gone_time == 9, "what it denies later is gone"
    source.markets[keccak(terms(1))] = 1
    assert read(source, FoundStore(tmp_path), now=11).entries[0].gone_time is None


def test_an_interrupted_reading_loses_nothing_and_reads_nothing_twice(tmp_path: Path) -> None:
    logs = [event(n, 100 + 9 * n) for n in range(1, 100)]
    store, source = FoundStore(tmp_path), Source(logs, markets=range(1, 100), most=128)
    source.fails_after = 3
    with pytest.raises(KeyboardInterrupt):
        read(source, store)
    kept = store.count(REGISTRY.id)
    assert 0 < kept < 99 and store.known(REGISTRY.id).last_run is None
    before, source.fails_after = set(source.served), None
    source.served.clear()
    reading = read(source, store)
    assert len(reading.entries) == 99 and reading.previous_run is None, (
        "all of it is new to a reading that was never whole"
    )
    covered = sorted((*before, *source.served))
    assert all(one[1] < other[0] for one, other in itertools.pairwise(covered)), "no block twice"
    assert store.known(REGISTRY.id).spans == ((100, HEAD),)
    source.served.clear()
    read(source, store)
    assert source.served == [], "nothing is new"


def test_a_node_that_leaves_out_events_of_listed_markets_is_named(tmp_path: Path) -> None:
    source = Source([event(1, 101)], markets=[1, 2])
    reading = read(source, FoundStore(tmp_path), key(1), key(2), "0x" + "99" * 32)
    assert {one.listed.key for one in reading.entries} == {key(1), key(2)}, "a listed market that it knows counts"
    assert any("1 market of chains/test.toml: in no event" in note and key(2) in note for note in reading.notes)


def test_a_flood_ends_the_reading_and_is_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "MOST_ENTRIES", 20)
    source = Source([event(n, 100 + 4 * n) for n in range(1, 200)], markets=range(1, 200), most=64)
    reading = read(source, FoundStore(tmp_path))
    assert reading.total <= 20 and "more than 20 markets" in reading.cut
    assert FoundStore(tmp_path).known(REGISTRY.id).last_run is None, "it was not read to its end"


def test_another_chain_behind_the_same_heights_is_noticed(tmp_path: Path) -> None:
    source, store = Source([event(1, 101)], markets=[1]), FoundStore(tmp_path)
    read(source, store)
    source.hashes[HEAD] = "0x" + "ee" * 32
    source.served.clear()
    reading = read(source, store)
    assert source.served == [(100, HEAD)] and any("another one" in note for note in reading.notes)
    store.reached(REGISTRY.id, HEAD + 50, "0x" + "aa" * 32)
    behind = read(source, store)
    assert any("before block 1,050" in note for note in behind.notes)


def test_markets_with_another_rate_model_or_asset_are_not_pinned(tmp_path: Path) -> None:
    strange = terms(5, irm=OTHER)
    log = event(5, 105, topics=["0x" + CREATED.hex(), "0x" + keccak(strange).hex()], data="0x" + strange.hex())
    other = terms(6, loan=OTHER)
    foreign = event(6, 106, topics=["0x" + CREATED.hex(), "0x" + keccak(other).hex()], data="0x" + other.hex())
    source = Source([log, foreign], markets=[])
    known = {keccak(strange): strange, keccak(other): other}
    answered = source.answered
    source.answered = lambda one: known.get(one.data[4:36], b"") if one.data[:4] == TERMS_OF else answered(one)  # type: ignore[method-assign,union-attr]
    reading = read(source, FoundStore(tmp_path))
    (entry,) = reading.entries
    assert entry.found is not None and "rate model" in entry.found.fault
    assert reading.total == 2, "the market of an asset that the file lacks is counted and no more"


TERMS_OF = abi("morpho_blue").selector("idToMarketParams")


def test_what_fails_together_is_tried_in_halves_down_to_one() -> None:
    tries = list[int]()

    async def attempt(part: Sequence[int]) -> list[int]:
        tries.append(len(part))
        if 37 in part or 61 in part:
            raise TransientError("an answer without end")
        return [-one for one in part]

    found = asyncio.run(in_halves(range(100), attempt))
    assert found == [None if one in (37, 61) else -one for one in range(100)] and len(tries) < 40

    async def never(part: Sequence[int]) -> list[int]:
        raise TransientError("the node is gone")

    with pytest.raises(TransientError):
        asyncio.run(in_halves(range(MOST_ALONE * 3), never))

    async def unpaid(part: Sequence[int]) -> list[int]:
        tries.append(0)
        raise HttpRefused(401, "double refuses", "give a key")

    tries.clear()
    with pytest.raises(HttpRefused):
        asyncio.run(in_halves(range(50), unpaid))
    assert tries == [0], "what will never be served is asked for once"


def test_of_too_many_entries_the_largest_and_the_longest_unread_are_read() -> None:
    def entry(number: int) -> Entry:
        found = FoundMarket(key=str(number), asset=USDC, supplied_raw=number)
        return Entry(Listed(str(number), USDC, number), 1, number, None, found)

    every = [*(entry(n) for n in range(100)), Entry(Listed("x", OTHER, 5), None, None, None, None)]
    some = chosen(every, [USDC], 10)
    assert {one.listed.key for one in some} == {"95", "96", "97", "98", "99", "0", "1", "2", "3", "4"}
    assert len(chosen(every, [USDC], 1000)) == 100
    assert discovered.MOST_READ < discovered.MOST_ENTRIES


def test_spans_and_their_gaps() -> None:
    assert merged([(5, 9), (1, 3), (4, 4), (20, 30)]) == ((1, 9), (20, 30))
    assert gaps([(5, 9), (20, 30)], 1, 40) == ((31, 40), (10, 19), (1, 4))
    assert gaps([], 7, 7) == ((7, 7),) and gaps([(0, 100)], 7, 90) == () and gaps([(0, 100)], 50, 120) == ((101, 120),)


def test_what_is_stored_is_kept_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = FoundStore(tmp_path / "data")
    assert store.add("r", [Listed("a", "x", 1, "t"), Listed("a"), Listed("b")], (1, 5)) == 2
    store.confirmed("r", [ReadEntry(FoundMarket(key="a", supplied_raw=2**100), True)], [], 7)
    a, b = store.entries("r")
    assert (a.first_time, a.found and a.found.supplied_raw, b.first_time) == (7, 2**100, None)
    store.confirmed("r", [ReadEntry(FoundMarket(key="a", fault="?"), None)], ["b"], 8)
    a, b = store.entries("r")
    assert (a.first_time, a.gone_time, b.gone_time) == (7, None, None), "what never was cannot be gone"
    assert store.path.stat().st_mode & 0o077 == 0
    store.path.write_bytes(b"no database at all, but long enough to be read as one" * 50)
    with pytest.raises(Exception, match="move it away"):
        store.known("r")


def test_the_events_of_several_registries_are_read_together(tmp_path: Path) -> None:
    """Of blocks that only one of them lacks, only its events are read."""
    second = Registry("morpho_blue", CHAIN, "Another", REGISTRY.params | {"morpho": OTHER}, OTHER, 400)
    source = Source([event(1, 101), event(2, 502), event(3, 503, address=OTHER)], markets=[1, 2, 3])
    store, chain = FoundStore(tmp_path), replace(chain_of(), registries=(REGISTRY, second))

    async def once() -> Any:
        head = await source.block()
        return await discover._readings(source, chain, store, (head, head), 5, lambda line: None)  # type: ignore[arg-type]

    one, other = asyncio.run(once())
    assert source.served == [(400, HEAD), (100, 399)]
    assert {entry.listed.key for entry in one.entries} == {key(1), key(2)}
    assert {entry.listed.key for entry in other.entries} == {key(3)} and not one.notes and not other.notes
    assert asyncio.run(once())[0].previous_run == 5 and len(source.served) == 2
