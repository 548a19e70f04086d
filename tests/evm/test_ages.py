"""How old contracts are, on a real node and by answers of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evm.test_controls import KEY, OZ5, deploy
from tests.kit.contracts import calldata, send
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError
from yieldbot.model.controls import ContractFacts, Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCodeAtBlock
from yieldbot.protocols.evm.age_reads import AGAIN_SECONDS, CLOSE_SECONDS, MOST_PROBES, Age, AgeReads, with_age
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import KnownCode, read_controls, remembered
from yieldbot.protocols.reads import Reads
from yieldbot.sandbox.evm.node import Sandbox


async def read(
    node: Node, address: Address, known: KnownCode | None, before: dict[Address, Age]
) -> tuple[ContractFacts, KnownCode, dict[Address, Age], int]:
    """The facts, what the next look may take as known, and the requests."""
    one = Dependency(address, Part.POOL)
    block, requests = await node.block(), node.round_trips
    ages = AgeReads(block.height, block.timestamp, frozenset([address]), before)
    (answer,) = await node.run([read_controls([one], known, (ages,))], block)
    assert not isinstance(answer, MarketError), answer
    facts = with_age(facts_of(one, answer), ages.ages)
    return facts, remembered([one], answer), ages.remembered(), node.round_trips - requests


def aged(sandbox: Sandbox, days: float) -> None:
    """A block so many days later."""
    sandbox.rpc("evm_increaseTime", round(days * 86_400))
    sandbox.rpc("evm_mine")


async def test_the_block_of_a_contracts_creation_is_found_and_an_upgrade_makes_it_young(sandbox: Sandbox) -> None:
    for _ in range(40):
        aged(sandbox, 2)
    one = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], sandbox.addresses["usdc"], KEY)
    made = int(sandbox.rpc("eth_blockNumber"), 16)
    born = int(sandbox.rpc("eth_getBlockByNumber", hex(made), False)["timestamp"], 16)
    proxy = deploy(sandbox, f"{OZ5}/BeaconProxy.json", ["address", "bytes"], one, b"")
    for _ in range(60):
        aged(sandbox, 2)
    known, ages = None, dict[Address, Age]()
    async with sandbox.node() as node:
        for n in range(3):
            facts, known, ages, requests = await read(node, proxy, known, ages)
            assert requests <= (8 if n == 0 else 2)
            assert facts.created_at is not None
        assert facts.created_at - born <= CLOSE_SECONDS and facts.created_block - made <= 3
        assert all(age.found for age in ages.values())
        sandbox.rpc("evm_mine")
        new = deploy(sandbox, f"{OZ5}/ProxyAdmin.json", ["address"], KEY)
        send(sandbox, one, calldata("upgradeTo(address)", new), sender=KEY)
        facts, known, ages, _ = await read(node, proxy, known, ages)
        facts, known, ages, requests = await read(node, proxy, known, ages)
        assert facts.created_at - born > 100 * 86_400 and requests == 2, "as young as what it runs"


HEAD, STEP, T0 = 20_000_000, 12, 1_500_000_000
NOW = T0 + STEP * HEAD
MANY = [Address(f"0x{n:040x}") for n in range(0x1000, 0x1000 + 120)]


def rounds(ages: AgeReads, answer: Callable[[EthCodeAtBlock], bytes], count: int = 4) -> int:
    """The most reads of a round."""
    most = 0
    for _ in range(count):
        reads = Reads()
        ages.ask(reads, (), {})
        flow = reads.made()
        try:
            asked = next(flow)
            most = max(most, len(asked))
            assert all(isinstance(one, EthCodeAtBlock) for one in asked)
            flow.send([answer(one) for one in asked])  # type: ignore[arg-type]
        except StopIteration:
            pass
        assert list(ages.hear({})) == []
    return most


def archive(born: dict[Address, int], oldest: int = 0) -> Callable[[EthCodeAtBlock], bytes]:
    def answer(read: EthCodeAtBlock) -> bytes:
        if read.block < oldest:
            return b""
        there = bytes(read.block >= born[one] for one in read.addresses)
        return (T0 + STEP * read.block).to_bytes(32, "big") + there

    return answer


def test_a_hundred_contracts_are_dated_to_a_day_within_few_looks_and_never_too_old() -> None:
    draw = random.Random(5)
    born = {one: draw.randrange(1, HEAD) for one in MANY}
    known = dict[Address, Age]()
    for look in range(4):
        ages = AgeReads(HEAD + look, NOW + STEP * look, frozenset(MANY), known)
        assert rounds(ages, archive(born)) <= MOST_PROBES + len(MANY)
        known = ages.remembered()
        assert all(known[one].without < born[one] <= known[one].since for one in MANY)
        print(look, sum(known[one].found for one in MANY))
    assert all(known[one].found and known[one].time - T0 - STEP * born[one] <= CLOSE_SECONDS for one in MANY)
    ages = AgeReads(HEAD + 9, NOW + 100, frozenset(MANY), known)
    assert rounds(ages, archive(born)) == 0, "kept for good"


def test_a_node_without_a_past_gives_at_least_since_it_was_seen_and_is_asked_again_in_a_week() -> None:
    one = MANY[0]
    ages = AgeReads(HEAD, NOW, frozenset([one]))
    assert rounds(ages, lambda read: b"", 1) > 0 and rounds(ages, lambda read: b"") == 0
    code = ContractFacts(address=one, part=Part.POOL, code_hash="aa")
    facts = with_age(code, ages.ages)
    assert (facts.created_at, facts.there_since) == (None, NOW)
    later = AgeReads(HEAD + 9, NOW + 3600, frozenset([one]), ages.remembered())
    assert rounds(later, lambda read: b"") == 0 and with_age(code, later.ages).there_since == NOW
    again = AgeReads(HEAD + 99, NOW + AGAIN_SECONDS, frozenset([one]), later.remembered())
    assert rounds(again, archive({one: 5}, oldest=HEAD // 2)) > 0
    facts = with_age(code, again.ages)
    assert facts.created_at is None and facts.there_since is not None
    assert NOW - STEP * HEAD // 2 <= facts.there_since < NOW - STEP * HEAD // 3, "as old as its oldest answer"


@settings(max_examples=60, deadline=None)
@given(st.integers())
def test_whatever_a_node_says_of_the_past_a_contract_is_no_older_than_the_chain(seed: int) -> None:
    draw = random.Random(seed)
    kinds = (
        lambda read: b"",
        lambda read: draw.randbytes(32 + len(read.addresses)),
        lambda read: draw.randrange(2**40).to_bytes(32, "big") + draw.randbytes(len(read.addresses)),
        lambda read: (T0 + STEP * read.block).to_bytes(32, "big") + bytes(draw.randrange(2) for _ in read.addresses),
    )
    known = dict[Address, Age]()
    for look in range(3):
        ages = AgeReads(HEAD + look, NOW + STEP * look, frozenset(MANY[:20]), known)
        rounds(ages, lambda read: draw.choice(kinds)(read))
        known = ages.remembered()
        for one in known.values():
            assert -1 <= one.without < one.since <= HEAD + look and 0 < one.time <= NOW + STEP * look
