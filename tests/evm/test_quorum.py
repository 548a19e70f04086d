"""Several endpoints before one real node, some of which fail or lie: what decides comes from those that agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.control import Proxies, proxies
from yieldbot.chains.evm.node.anvil import Anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.evm.node.submission import Submission
from yieldbot.errors import ConfigError, NodeRefused, TransientError
from yieldbot.model.ids import Address, ChainId
from yieldbot.rpc.endpoint import Endpoint

CHAIN = ChainId("eip155:31337")
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
RICH = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
WEALTH = 10_000 * 10**18


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    anvil = spawn(["--chain-id", "31337"], log=tmp_path_factory.mktemp("anvil") / "log", temporary=True)
    yield anvil
    stop(anvil.pid)


@pytest.fixture(scope="module")
def served(upstream: Anvil) -> Iterator[Proxies]:
    with proxies(upstream.url, 4) as started:
        yield started


@pytest_asyncio.fixture
async def three(upstream: Anvil, served: Proxies) -> AsyncIterator[Quorum]:
    """Three endpoints of which two must agree; the fourth is for private submission."""
    served.honest()
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as direct:
        await direct.request("anvil_mine", ["0x40"])
    async with node(served) as made:
        yield made


def node(served: Proxies, count: int = 3, quorum: int = 2, submission: Submission | None = None) -> Quorum:
    endpoints = [Endpoint(url, timeout_seconds=25.0, setting="TEST_RPC_URL") for url in served.urls[:count]]
    return Quorum(CHAIN, endpoints, multicall3=MULTICALL3, quorum=quorum, submission=submission)


def host(served: Proxies, index: int) -> str:
    return served.urls[index].removeprefix("http://")


async def test_honest_endpoints_agree_and_nobody_is_left_out(three: Quorum) -> None:
    await three.verify_chain()
    block = await three.block()
    assert block == await three.block(block.height)
    assert await three.balance_wei(RICH, block) == WEALTH
    assert await three.nonce(RICH) == 0 == await three.nonce(RICH, "pending")
    assert await three.request("eth_getTransactionReceipt", ["0x" + "11" * 32]) is None
    assert three.left_out == ()


async def test_one_that_lies_about_state_is_outvoted_named_and_not_asked_again(three: Quorum, served: Proxies) -> None:
    served.set(0, kinds=["wrong_state"])
    assert await three.balance_wei(RICH) == WEALTH
    assert three.left_out == ((host(served, 0), "says otherwise than 2 others about eth_getBalance"),)
    before = three.endpoints[0].round_trips
    assert await three.balance_wei(RICH) == WEALTH
    assert three.endpoints[0].round_trips == before


async def test_two_that_lie_differently_are_no_quorum(three: Quorum, served: Proxies) -> None:
    served.set(0, kinds=["wrong_state"])
    served.set(1, kinds=["truncate"])
    with pytest.raises(TransientError, match=r"disagree about eth_getBalance|2 must agree"):
        await three.balance_wei(RICH)


async def test_two_endpoints_must_both_agree(served: Proxies, three: Quorum) -> None:
    served.set(0, kinds=["wrong_state"])
    async with node(served, count=2) as pair:
        with pytest.raises(TransientError, match=r"disagree about eth_getBalance: .* says 0x.* says 0x"):
            await pair.balance_wei(RICH)


@pytest.mark.parametrize("fault", ["hang", "truncate", "error_500", "duplicate", "drop_reply"])
async def test_one_that_fails_is_done_without_and_named(three: Quorum, served: Proxies, fault: str) -> None:
    served.set(2, kinds=[fault])
    for _ in range(3):
        assert await three.balance_wei(RICH, await three.block()) == WEALTH
    assert [who for who, _ in three.left_out] == [host(served, 2)]


async def test_one_that_hangs_costs_the_others_no_time_worth_speaking_of(three: Quorum, served: Proxies) -> None:
    for endpoint in three.endpoints:
        endpoint._timeout_seconds = 600.0
    served.set(1, kinds=["hang"])
    async with asyncio.timeout(120):  # of the six questions each would wait 30 s for its end
        await three.verify_chain()
        for _ in range(5):
            assert await three.balance_wei(RICH) == WEALTH
    assert three.left_out == ((host(served, 1), "gave no answer when the others did"),)


async def test_below_the_quorum_the_chain_is_not_served_by_one(three: Quorum, served: Proxies) -> None:
    served.set(1, kinds=["truncate"])
    served.set(2, kinds=["error_500"])
    with pytest.raises(TransientError, match=r"1 of 3 RPC endpoints can be used, 2 must agree \(.*HTTP 500"):
        await three.block()


async def test_one_that_is_behind_is_left_out_until_it_has_caught_up(three: Quorum, served: Proxies) -> None:
    top = (await three.block()).height
    served.set(0, kinds=["stale_block"], seed=2)
    while not three.left_out:
        assert (await three.block()).height == top
    assert "blocks behind" in three.left_out[0][1]
    served.honest()
    await three.block()
    assert three.left_out == ()


async def test_one_that_has_not_the_block_yet_is_no_liar(three: Quorum, served: Proxies) -> None:
    top = await three.block()
    served.set(0, kinds=["no_block"])
    assert await three.block(top.height) == top
    served.honest()
    assert three.left_out == () and await three.block() == top


async def test_another_history_is_believed_of_nobody_alone(three: Quorum, served: Proxies) -> None:
    honest = await three.block()
    served.set(1, kinds=["forked_history"])
    assert (await three.block()).hash == honest.hash
    assert three.left_out == ((host(served, 1), f"says otherwise than 2 others about block {honest.height}"),)
    served.set(2, kinds=["truncate"])
    with pytest.raises(TransientError, match=r"disagree about block \d+"):
        await three.block()


async def test_a_wrong_chain_id_stops_the_chain(three: Quorum, served: Proxies) -> None:
    served.set(1, kinds=["wrong_chain"])
    with pytest.raises(ConfigError, match=r"TEST_RPC_URL: the node at .* serves chain 1, not 31337"):
        await three.verify_chain()


async def test_an_endpoint_for_signed_bytes_may_serve_no_chain_but_ours(three: Quorum, served: Proxies) -> None:
    private = Endpoint(served.urls[3], timeout_seconds=1.0, setting="TEST_SUBMIT_URL")
    async with node(served, submission=Submission((private,))) as made:
        await made.verify_chain()
        served.set(3, kinds=["error_500"])  # some answer nothing but the sending itself
        await made.verify_chain()
        asked = private.round_trips
        await made.verify_chain()
        assert private.round_trips == asked and made.left_out == ()
    served.set(3, kinds=["wrong_chain"])
    async with node(served, submission=Submission((private,))) as made:
        with pytest.raises(ConfigError, match=r"TEST_SUBMIT_URL: the node at .* serves chain 1, not 31337"):
            await made.verify_chain()


async def test_a_revert_is_agreed_upon_too(three: Quorum, upstream: Anvil) -> None:
    reverting = Address("0x" + "00" * 10 + "aa" * 10)
    async with Node(CHAIN, upstream.url, multicall3=MULTICALL3) as direct:
        await direct.request("anvil_setCode", [reverting, "0x60006000fd"])
    with pytest.raises(NodeRefused, match="revert"):
        await three.call(reverting, b"")
    assert three.left_out == ()


async def test_a_fork_is_made_of_what_the_quorum_says(three: Quorum, served: Proxies) -> None:
    served.set(0, kinds=["wrong_state"], rate=0.5, seed=4)
    block = await three.block()
    async with forks(three)(block) as fork:
        assert await fork.balance_wei(RICH) == WEALTH
        command = Path(f"/proc/{await fork_pid(fork)}/cmdline")
        assert not command.exists() or not any(url.encode() in command.read_bytes() for url in served.urls)


async def fork_pid(fork: Node) -> int:
    """The process that listens on the fork's port, by its socket."""
    port = int(fork.endpoint.url.rsplit(":", 1)[1])
    inode = next(
        row.split()[9]
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
    )
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if entry.readlink().name == f"socket:[{inode}]":
                return int(entry.parts[2])
        except OSError:
            continue
    return 0


async def sent(made: Quorum) -> str:
    from eth_account import Account

    key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's published first key
    fields = {"to": RICH, "value": 0, "gas": 21000, "gasPrice": 10**10, "chainId": 31337}
    signed = Account.sign_transaction(fields | {"nonce": await made.nonce(RICH, "pending")}, key)
    answer = await made.request("eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()])
    assert isinstance(answer, str)
    async with asyncio.timeout(120):  # the node mines it at once, but says so a moment later
        while await made.request("eth_getTransactionReceipt", [answer]) is None:
            await asyncio.sleep(0.01)
    return answer


async def test_signed_bytes_go_to_the_private_endpoint_alone(three: Quorum, served: Proxies) -> None:
    private = (Endpoint(served.urls[3], timeout_seconds=1.0),)
    made = node(served, submission=Submission(private))
    async with made:
        await sent(made)
        served.set(3, kinds=["error_500"])
        with pytest.raises(TransientError, match="HTTP 500"):
            await sent(made)
    for index in range(3):  # the public ones would have taken it
        served.set(index, kinds=["already_known"])
    made = node(served, submission=Submission(private, public=True))
    async with made:
        with pytest.raises(NodeRefused, match="already known"):
            await sent(made)


async def test_signed_bytes_go_to_the_next_endpoint_or_to_all_at_once(three: Quorum, served: Proxies) -> None:
    served.set(0, kinds=["error_500"], methods=["eth_sendRawTransaction"])
    await sent(three)
    served.honest()
    made = node(served, submission=Submission(to_all=True))
    async with made:
        before = [endpoint.round_trips for endpoint in made.endpoints]
        nonce = await made.nonce(RICH)
        await sent(made)
        assert await made.nonce(RICH) == nonce + 1
        assert all(e.round_trips > b for e, b in zip(made.endpoints, before, strict=True))
