"""Fault-injecting JSON-RPC proxies before one real node: each is an endpoint that may fail, forget or lie.

Usage: proxy.py UPSTREAM COUNT. Prints a JSON list of COUNT URLs, then serves until its stdin is closed. A POST to
URL/control with ``{"kinds": [...], "rate": 0.2, "seed": 1, "methods": [...], "most": 10}`` sets what that endpoint does
wrong from then on (an empty object: nothing); the answer tells how often each fault has been done since the last one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from collections import Counter
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

SEND = ("eth_sendRawTransaction", "sendTransaction")
HANG_SECONDS = 30.0
STATE = ("eth_call", "eth_getBalance", "eth_getStorageAt", "eth_getTransactionCount", "getMultipleAccounts")
BLOCK = ("eth_getBlockByNumber", "getLatestBlockhash", "getMultipleAccounts", "getSignatureStatuses")
HISTORY = ("eth_getBlockByNumber", "eth_getTransactionReceipt", "getSignatureStatuses", "getTransaction")

FAILS = ("drop_reply", "refuse_429", "error_500", "hang", "truncate", "duplicate", "forget", "already_known")
"""A node that fails, or whose answer is lost: one endpoint with these must be survived."""
LIES = ("wrong_state", "stale_block", "forked_history")
"""A node that says what is not so: only others can tell, so that these are for one endpoint among several."""


class Proxy:
    """One endpoint. ``kinds``: faults it may do; each applies only to the methods that it means something for."""

    def __init__(self, upstream: str, session: ClientSession) -> None:
        self.upstream, self.session = upstream, session
        self.plan: dict[str, Any] = {}
        self.draw = random.Random(0)
        self.done: Counter[str] = Counter()
        self.before: bytes = b""
        self.first: dict[str, bytes] = {}

    def set(self, plan: dict[str, Any]) -> dict[str, int]:
        done, self.done = dict(self.done), Counter()
        self.plan, self.draw = plan, random.Random(plan.get("seed", 0))
        return done

    def fault(self, method: str) -> str | None:
        """Which fault this request gets, if any. Drawn in the order of requests, so that a seed repeats a schedule."""
        plan = self.plan
        kinds = [kind for kind in plan.get("kinds", ()) if applies(kind, method)]
        wanted = plan.get("methods")
        if not kinds or (wanted and method not in wanted) or sum(self.done.values()) >= plan.get("most", 10**9):
            return None
        if self.draw.random() >= plan.get("rate", 1.0):
            return None
        kind = self.draw.choice(kinds)
        self.done[kind] += 1
        return kind

    async def control(self, request: web.Request) -> web.Response:
        return web.json_response(self.set(await request.json()))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = json.loads(body)
        if isinstance(asked, list):  # a batch is lost or falsified as a whole, by its first request's method
            return await self.batch(body, asked)
        kind = self.fault(asked["method"])
        on_solana = not asked["method"].startswith("eth_")
        if kind == "stale_block" and not on_solana and str(asked["params"][0]).startswith("0x"):
            kind = None  # it has the older blocks as they are
        match kind:
            case "refuse_429":
                return web.Response(status=429, headers={"Retry-After": str(self.draw.choice((0, 0, 0, 1)))})
            case "error_500":
                return web.Response(status=500)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
                return web.Response(status=504)
            case "wrong_chain":
                other = "1" * 44 if on_solana else "0x1"
                return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": other})
            case "forget":  # says that it took the transaction, and did not
                other = "1" * 64 if on_solana else "0x" + "77" * 32
                return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": other})
            case "duplicate" if self.before:
                return web.Response(body=self.before, content_type="application/json")
            case "no_block":
                return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": None})
            case "stale_block" if on_solana:
                return self.stale(asked)
            case "stale_block":
                asked["params"][0] = hex(max(0, await self.height() - self.draw.choice((1, 40))))
                body = json.dumps(asked).encode()
            case _:
                pass
        async with self.session.post(self.upstream, data=body, headers={"Content-Type": "application/json"}) as got:
            answer = await got.read()
        match kind:
            case "drop_reply":
                assert request.transport is not None
                request.transport.close()
            case "truncate":
                answer = answer[: len(answer) // 2]
            case "already_known":
                refusal = {"code": -32000, "message": "already known"}
                answer = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": refusal}).encode()
            case "wrong_state" | "forked_history":
                answer = lie(kind, answer)
            case _:
                pass
        self.before = answer
        if on_solana:
            self.first.setdefault(question_of(asked), answer)
        return web.Response(body=answer, content_type="application/json")

    async def batch(self, body: bytes, asked: list[dict[str, Any]]) -> web.StreamResponse:
        """Hand a batch on; of the faults, those that a batch can have."""
        kind = self.fault(asked[0]["method"])
        if kind in ("refuse_429", "error_500"):
            return web.Response(status=429 if kind == "refuse_429" else 500)
        async with self.session.post(self.upstream, data=body, headers={"Content-Type": "application/json"}) as got:
            answers = await got.read()
        if kind == "truncate":
            answers = answers[: len(answers) // 2]
        elif kind == "wrong_state":
            parts = json.loads(answers)
            answers = json.dumps([json.loads(lie(kind, json.dumps(parts[0]).encode())), *parts[1:]]).encode()
        return web.Response(body=answers, content_type="application/json")

    def stale(self, asked: dict[str, Any]) -> web.StreamResponse:
        """What a Solana node says that has stood still since this was first asked; null where it never was."""
        known = self.first.get(question_of(asked))
        document = json.loads(known) if known else {"jsonrpc": "2.0", "result": None}
        return web.json_response(document | {"id": asked["id"]})

    async def height(self) -> int:
        question = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        async with self.session.post(self.upstream, json=question) as got:
            return int((await got.json())["result"], 16)


def question_of(asked: dict[str, Any]) -> str:
    """A Solana request without its options, in which the newest slot that was seen changes."""
    return json.dumps([asked["method"], *asked["params"][:1]])


def applies(kind: str, method: str) -> bool:
    match kind:
        case "wrong_chain":
            return method in ("eth_chainId", "getGenesisHash")
        case "forget" | "already_known":
            return method in SEND
        case "no_block":
            return method == "eth_getBlockByNumber"
        case "stale_block":
            return method in BLOCK
        case "forked_history":
            return method in HISTORY
        case "wrong_state":
            return method in STATE
        case _:
            return True


def lie(kind: str, answer: bytes) -> bytes:
    """The answer with one thing in it that is not so."""
    document = json.loads(answer)
    result = document.get("result")
    if kind == "wrong_state" and isinstance(result, str) and len(result) > 2:
        last = format((int(result[-1], 16) + 1) % 16, "x")  # off by one
        document["result"] = result[:-1] + last
    elif kind == "wrong_state" and isinstance(result, dict):
        for account in filter(None, result["value"]):
            data = bytearray(base64.b64decode(account["data"][0]))
            if len(data) >= 72:  # a token account's amount, a reserve's numbers
                data[64] ^= 1
            account["data"][0], account["lamports"] = base64.b64encode(data).decode(), account["lamports"] + 1
    elif kind == "forked_history" and isinstance(result, dict) and "value" in result:
        result["value"] = [
            None if status is None else status | {"slot": status["slot"] + 1} for status in result["value"]
        ]
    elif kind == "forked_history" and isinstance(result, dict):
        if "meta" in result:
            result["slot"] += 1
        for name in ("hash", "blockHash"):
            if isinstance(result.get(name), str):
                result[name] = "0x" + "f0" * 32
    return json.dumps(document).encode()


async def main(upstream: str, count: int) -> None:
    runners, urls = [], []
    async with ClientSession(timeout=ClientTimeout(total=HANG_SECONDS)) as session:
        for _ in range(count):
            proxy = Proxy(upstream, session)
            application = web.Application(client_max_size=2**24)
            application.router.add_post("/", proxy.serve)
            application.router.add_post("/control", proxy.control)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
            urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        print(json.dumps(urls), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for runner in runners:
            await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
