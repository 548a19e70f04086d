"""Node doubles: what a rollup's own node says and asks for, put before a real node that knows nothing of it.

Labelled doubles. ``OpNode`` stands before anvil's OP mode, which takes the L1 data fee and the operator fee as op-revm
does, but leaves them out of receipts (or before a plain anvil, whose receipts then name fees that nobody took).
``ArbitrumNode`` stands before a plain anvil: its estimates, its intrinsic gas and its receipts have the gas for data on
L1 in them (https://docs.arbitrum.io/how-arbitrum-works/gas-fees), and NodeInterface answers, which no contract does.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientSession, web
from eth_abi.abi import decode, encode

from yieldbot.chains.evm.rollups import GAS_PRICE_ORACLE, GET_L1_FEE, L1_COMPONENT, NODE_INTERFACE
from yieldbot.sandbox.evm.rollup import L1Fees

PAUSE_SECONDS = 0.05
"""Before an answer on fees: what is asked at once is then seen to be."""


class Refused(Exception):
    """What the double refuses in the node's stead."""


class RollupNode:
    """A plain node. asked: methods, how often each; fee_asks: the unsigned transactions (OP stack) or calls' data
    (Arbitrum) whose fee was asked for; rounds: how often something on fees was asked while nothing else on them was
    under way."""

    def __init__(self, upstream: str) -> None:
        self.upstream, self.url = upstream, ""
        self.asked: Counter[str] = Counter()
        self.fee_asks: list[bytes] = []
        self.rounds, self.under_way = 0, 0
        self.session: ClientSession

    async def serve(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        if isinstance(asked, list):
            return web.json_response([await self.one(each) for each in asked])
        return web.json_response(await self.one(asked))

    async def one(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked[asked["method"]] += 1
        try:
            answer = await self.answer(asked["method"], asked.get("params") or [])
        except Refused as refusal:
            answer = {"error": {"code": -32000, "message": str(refusal)}}
        return {"jsonrpc": "2.0", "id": asked["id"]} | answer

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.upstream, json=body) as got:
            said = await got.json()
        return {key: said[key] for key in ("result", "error") if key in said}

    async def upstream_result(self, method: str, *params: Any) -> Any:
        return (await self.answer_plain(method, list(params)))["result"]

    async def answer_plain(self, method: str, params: list[Any]) -> dict[str, Any]:
        return await RollupNode.answer(self, method, params)

    async def paused(self) -> None:
        """Told apart from questions that waited for this one: a new round begins when nothing is under way."""
        self.rounds += self.under_way == 0
        self.under_way += 1
        await asyncio.sleep(PAUSE_SECONDS)
        self.under_way -= 1


class OpNode(RollupNode):
    """An OP chain's node: its receipts name what was taken beside the gas. told_wei: every ``l1Fee``, where the node
    behind it takes none."""

    def __init__(self, upstream: str, fees: L1Fees, told_wei: int | None = None) -> None:
        super().__init__(upstream)
        self.fees, self.told_wei = fees, told_wei

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_call" and str(params[0].get("to", "")).lower() == GAS_PRICE_ORACLE.lower():
            data = bytes.fromhex(params[0]["data"][2:])
            if data[:4] == GET_L1_FEE:
                self.fee_asks.append(bytes(decode(["bytes"], data[4:])[0]))
            await self.paused()
        said = await super().answer(method, params)
        if method == "eth_getTransactionReceipt" and said.get("result"):
            said["result"] |= await self.beside(said["result"])
        return said

    async def beside(self, receipt: dict[str, Any]) -> dict[str, str]:
        """``l1Fee`` and the operator fee's numbers: together with the gas they are what the balance lost."""
        height, payer = int(receipt["blockNumber"], 16), receipt["from"]
        before = int(await self.upstream_result("eth_getBalance", payer, hex(height - 1)), 16)
        after = int(await self.upstream_result("eth_getBalance", payer, hex(height)), 16)
        tx = await self.upstream_result("eth_getTransactionByHash", receipt["transactionHash"])
        gas = int(receipt["gasUsed"], 16)
        lost = before - after - int(tx["value"], 16) - gas * int(receipt["effectiveGasPrice"], 16)
        operator = gas * self.fees.operator_scalar // 10**6 + self.fees.operator_constant_wei
        return {
            "l1Fee": hex(lost - operator if self.told_wei is None else self.told_wei),
            "operatorFeeScalar": hex(self.fees.operator_scalar),
            "operatorFeeConstant": hex(self.fees.operator_constant_wei),
        }


class ArbitrumNode(RollupNode):
    """Arbitrum's node: ``l1_gas`` units for the data of a transaction, inside its gas.

    intrinsic: refusals of transactions whose limit has no room for them.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.l1_gas_of: dict[str, int] = {}
        self.intrinsic = 0

    @staticmethod
    def l1_gas(data: bytes) -> int:
        """As in a recorded receipt of 2022: some 180,000 units for a few hundred bytes."""
        return 100_000 + 300 * len(data)

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_call" and str(params[0].get("to", "")).lower() == NODE_INTERFACE.lower():
            return {"result": "0x" + (await self.node_interface(bytes.fromhex(params[0]["data"][2:]))).hex()}
        if method == "eth_sendRawTransaction":
            await self.taken(params[0])
        said = await super().answer(method, params)
        if method == "eth_estimateGas" and "result" in said:
            data = bytes.fromhex(str(params[0].get("data", "0x"))[2:])
            said["result"] = hex(int(said["result"], 16) + self.l1_gas(data))
        if method == "eth_getTransactionReceipt" and said.get("result"):
            l1_gas = self.l1_gas_of.get(said["result"]["transactionHash"], 0)
            gas = int(said["result"]["gasUsed"], 16) + l1_gas
            said["result"] |= {"gasUsed": hex(gas), "gasUsedForL1": hex(l1_gas)}
        return said

    async def node_interface(self, asked: bytes) -> bytes:
        assert asked[:4] == L1_COMPONENT, "the double knows gasEstimateL1Component alone"
        _, _, data = decode(["address", "bool", "bytes"], asked[4:])
        self.fee_asks.append(bytes(data))
        await self.paused()
        return bytes(encode(["uint64", "uint256", "uint256"], [self.l1_gas(data), 10**8, 10**9]))

    async def taken(self, raw: str) -> None:
        """Its limit must have room for the gas of its data, and for what it does besides."""
        from eth_account import Account
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        tx = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        l1_gas = self.l1_gas(bytes(tx["data"]))
        call = {
            "from": Account.recover_transaction(raw),
            "to": "0x" + bytes(tx["to"]).hex(),
            "data": "0x" + bytes(tx["data"]).hex(),
        }
        needed = int(await self.upstream_result("eth_estimateGas", call), 16)
        if int(tx["gas"]) < needed + l1_gas:
            self.intrinsic += 1
            raise Refused(f"intrinsic gas too low: have {tx['gas']}, want {needed + l1_gas}")
        from eth_utils.crypto import keccak

        self.l1_gas_of["0x" + keccak(hexstr=raw).hex()] = l1_gas


@contextmanager
def serving(node: RollupNode) -> Iterator[RollupNode]:
    """The double behind an URL, in a thread of its own: for tests with a loop and without one."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ended = asyncio.Event()

    async def serve() -> None:
        async with ClientSession() as node.session:
            application = web.Application(client_max_size=2**24)
            application.router.add_post("/", node.serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await ended.wait()
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the double does not start"
        yield node
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
