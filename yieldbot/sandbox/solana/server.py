"""The cluster's JSON-RPC over HTTP on loopback: the methods that solana-py calls, answered like Agave; and ``svm_*``
methods that let time pass and cause the faults that tests need."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, rent_exempt
from yieldbot.sandbox.solana.cluster import (
    BLOCKHASH_BLOCKS,
    FINALIZED_AFTER,
    LAMPORTS_PER_SIGNATURE,
    Cluster,
    Refused,
    encoded,
)
from yieldbot.sandbox.solana.market import price_account
from yieldbot.sandbox.solana.past import TOKEN_PROGRAMS, largest_accounts, signatures, token_of, transaction

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
PREFLIGHT_FAILED, SIGNATURE_FAILED, BEHIND = -32002, -32003, -32016
MOST_ACCOUNTS = 100


class RpcError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.document = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Methods:
    """The JSON-RPC methods: ``on_NAME`` answers NAME."""

    def __init__(self, fresh: Callable[[], Cluster]) -> None:
        self.cluster, self._fresh = fresh(), fresh

    def answer(self, request: Any) -> Any:
        """The JSON-RPC answer to one request."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _failed(None, RpcError(INVALID_REQUEST, "Invalid request"))
        method, params = request["method"], request.get("params") or []
        handler: Callable[..., Any] | None = getattr(self, f"on_{method}", None)
        if handler is None:
            return _failed(request.get("id"), RpcError(NO_METHOD, "Method not found"))
        self.cluster.tick()
        try:
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": handler(*params)}
        except RpcError as error:
            return _failed(request.get("id"), error)
        except Exception as wrong:  # any error that a request causes is an answer to that request
            return _failed(request.get("id"), RpcError(INVALID_PARAMS, f"Invalid params: {type(wrong).__name__}"))

    def _in_context(self, value: Any, options: Any = None) -> Any:
        slot = self.cluster.shown_slot
        least = (options or {}).get("minContextSlot") or 0
        if slot < least:
            raise RpcError(BEHIND, "Minimum context slot has not been reached", {"contextSlot": slot})
        return {"context": {"slot": slot, "apiVersion": "3.0.0"}, "value": value}

    # -- the cluster

    def on_getHealth(self) -> str:
        return "ok"

    def on_getVersion(self) -> Any:
        return {"solana-core": "3.0.0", "feature-set": 0}

    def on_getGenesisHash(self) -> str:
        return self.cluster.genesis

    def on_getSlot(self, options: Any = None) -> int:
        return self._height(options)

    def on_getBlockHeight(self, options: Any = None) -> int:
        return self._height(options)

    def _height(self, options: Any) -> int:
        commitment = (options or {}).get("commitment", "finalized")
        return self.cluster.shown_slot - (FINALIZED_AFTER if commitment == "finalized" else 0)

    def on_getEpochInfo(self, options: Any = None) -> Any:
        slot = self.cluster.shown_slot
        return {
            "absoluteSlot": slot,
            "blockHeight": slot,
            "epoch": slot // SLOTS_PER_EPOCH,
            "slotIndex": slot % SLOTS_PER_EPOCH,
            "slotsInEpoch": SLOTS_PER_EPOCH,
            "transactionCount": len(self.cluster.landed),
        }

    def on_getLatestBlockhash(self, options: Any = None) -> Any:
        slot = self.cluster.shown_slot
        value = {"blockhash": self.cluster.blockhash(slot), "lastValidBlockHeight": slot + BLOCKHASH_BLOCKS}
        return self._in_context(value, options)

    def on_isBlockhashValid(self, blockhash: str, options: Any = None) -> Any:
        return self._in_context(self.cluster.is_recent(blockhash), options)

    def on_getBlockTime(self, slot: int) -> int:
        return self.cluster.timestamp - int((self.cluster.slot - slot) * 0.4)

    def on_getMinimumBalanceForRentExemption(self, size: int, options: Any = None) -> int:
        return rent_exempt(size)

    def on_getRecentPrioritizationFees(self, accounts: Any = None) -> Any:
        return [{"slot": self.cluster.slot - i, "prioritizationFee": self.cluster.unit_price} for i in range(4)]

    def on_getFeeForMessage(self, message: str, options: Any = None) -> Any:
        from solders.message import from_bytes_versioned

        parsed: Any = from_bytes_versioned(base64.b64decode(message))
        return self._in_context(LAMPORTS_PER_SIGNATURE * parsed.header.num_required_signatures)

    # -- accounts

    def on_getAccountInfo(self, address: str, options: Any = None) -> Any:
        return self._in_context(encoded(self.cluster.account(_key(address))), options)

    def on_getMultipleAccounts(self, addresses: list[str], options: Any = None) -> Any:
        if len(addresses) > MOST_ACCOUNTS:
            raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {MOST_ACCOUNTS}")
        found = [_sliced(self.cluster.account(_key(a)), options) for a in addresses]
        return self._in_context([encoded(image) for image in found], options)

    def on_getBalance(self, address: str, options: Any = None) -> Any:
        image = self.cluster.account(_key(address))
        return self._in_context(image.lamports if image else 0, options)

    def on_getProgramAccounts(self, program: str, options: Any = None) -> Any:
        found = self.cluster.program_accounts(_key(program))
        filters = (options or {}).get("filters") or ()
        return [
            {"pubkey": key, "account": encoded(image)}
            for key, image in found.items()
            if all(_passes(image.data, one) for one in filters)
        ]

    def on_getTokenAccountsByOwner(self, owner: str, which: Any, options: Any = None) -> Any:
        programs = [which["programId"]] if "programId" in which else TOKEN_PROGRAMS
        rows = []
        for program in programs:
            for key, image in self.cluster.program_accounts(Address(program)).items():
                token = token_of(image)
                if token and token[1] == owner and which.get("mint", token[0]) == token[0]:
                    rows.append({"pubkey": key, "account": encoded(image)})
        return self._in_context(rows, options)

    # -- transactions

    def on_sendTransaction(self, raw: str, options: Any = None) -> str:
        options = options or {}
        try:
            return self.cluster.send(_bytes(raw, options), preflight=not options.get("skipPreflight"))
        except Refused as refused:
            if refused.error == "SignatureFailure":
                raise RpcError(SIGNATURE_FAILED, "Transaction signature verification failure") from None
            data = {"err": refused.error, "logs": list(refused.logs), "accounts": None, "unitsConsumed": 0}
            message = f"Transaction simulation failed: {json.dumps(refused.error)}"
            raise RpcError(PREFLIGHT_FAILED, message, data) from None

    def on_simulateTransaction(self, raw: str, options: Any = None) -> Any:
        options = options or {}
        error, logs, units, after = self.cluster.simulate(_bytes(raw, options))
        wanted = (options.get("accounts") or {}).get("addresses")
        accounts = None
        if wanted is not None:
            known = {key: after.get(key, self.cluster.account(key)) for key in map(_key, wanted)}
            accounts = [encoded(known[_key(address)]) for address in wanted]
        value = {"err": error, "logs": list(logs), "accounts": accounts, "unitsConsumed": units, "returnData": None}
        return self._in_context(value, options)

    def on_getSignatureStatuses(self, signatures: list[str], options: Any = None) -> Any:
        shown = [self._status(signature) for signature in signatures]
        answer = self._in_context(shown)
        if self.cluster.auto and any(one is not None and one["confirmations"] is not None for one in shown):
            self.cluster.advance(1)  # who waits for a transaction to be final has one slot more each time they ask
        return answer

    def _status(self, signature: str) -> Any:
        tx = self.cluster.landed.get(signature)
        if tx is None or tx.slot > self.cluster.shown_slot:
            return None
        commitment = self.cluster.commitment(tx)
        return {
            "slot": tx.slot,
            "confirmations": None if commitment == "finalized" else self.cluster.slot - tx.slot,
            "err": tx.error,
            "status": {"Ok": None} if tx.error is None else {"Err": tx.error},
            "confirmationStatus": commitment,
        }

    def on_getTransaction(self, signature: str, options: Any = None) -> Any:
        return transaction(self.cluster, signature, options or {})

    def on_getSignaturesForAddress(self, address: str, options: Any = None) -> Any:
        return signatures(self.cluster, _key(address), options or {})

    def on_getTokenLargestAccounts(self, mint: str, options: Any = None) -> Any:
        return self._in_context(largest_accounts(self.cluster, mint), options)

    # -- what only a sandbox can

    def on_svm_warp(self, slots: int, seconds: float | None = None) -> int:
        self.cluster.advance(slots, seconds)
        return self.cluster.slot

    def on_svm_setAutoAdvance(self, auto: bool) -> bool:
        self.cluster.auto = auto
        return auto

    def on_svm_setAccount(self, address: str, lamports: int, program: str, data: str, executable: bool = False) -> bool:
        image = AccountImage(lamports, _key(program), base64.b64decode(data), executable)
        self.cluster.set({_key(address): image})
        return True

    def on_svm_reset(self) -> bool:
        """Replace the cluster by a new one as it was at the start: its accounts, its settings, its slot."""
        self.cluster = self._fresh()
        return True

    def on_svm_snapshot(self) -> bool:
        self.cluster.snapshot()
        return True

    def on_svm_revert(self) -> bool:
        self.cluster.revert()
        return True

    def on_svm_setPace(self, seconds_a_slot: float) -> float:
        self.cluster.pace_seconds = seconds_a_slot
        return seconds_a_slot

    def on_svm_dropTransactions(self, count: int) -> int:
        self.cluster.drop = count
        return count

    def on_svm_forkSwitch(self, count: int) -> list[str]:
        return self.cluster.take_back(count)

    def on_svm_staleBy(self, slots: int) -> int:
        self.cluster.stale = slots
        return slots

    def on_svm_setUnitPrice(self, micro_lamports: int) -> int:
        self.cluster.unit_price = micro_lamports
        return micro_lamports

    def on_svm_setPrice(self, feed: str, usd: float, unsure: float = 0.0005) -> bool:
        """Set the price that a price account states from now on."""
        made = partial(price_account, _key(feed), usd, unsure=unsure)
        self.cluster.published[_key(feed)] = made
        self.cluster.set({_key(feed): made(self.cluster.timestamp)})
        return True

    def on_svm_stopFeed(self, account: str) -> bool:
        """Stop rewriting a published account."""
        return self.cluster.published.pop(_key(account), None) is not None

    def on_svm_addresses(self) -> list[str]:
        return list(self.cluster.landed)


@asynccontextmanager
async def serve(fresh: Callable[[], Cluster], port: int = 0) -> AsyncIterator[str]:
    """Serve a cluster on loopback within this context; yields its URL. fresh: makes the cluster, and a new one at each
    ``svm_reset``. port: 0 for a free one."""
    from aiohttp import web

    methods = Methods(fresh)

    async def handle(request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            return web.json_response(_failed(None, RpcError(PARSE_ERROR, "Parse error")))
        answer = [methods.answer(one) for one in body] if isinstance(body, list) else methods.answer(body)
        return web.json_response(answer)

    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        bound: Any = runner.addresses[0]
        yield f"http://127.0.0.1:{bound[1]}"
    finally:
        await runner.cleanup()


def _failed(number: Any, error: RpcError) -> Any:
    return {"jsonrpc": "2.0", "id": number, "error": error.document}


def _key(text: str) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey.from_string(text)))


def _passes(data: bytes, wanted: Any) -> bool:
    """Whether an account's data passes a filter of getProgramAccounts. A ``memcmp`` is of a public key here."""
    from solders.pubkey import Pubkey

    if "dataSize" in wanted:
        return len(data) == int(wanted["dataSize"])
    at = int(wanted["memcmp"]["offset"])
    return data[at : at + 32] == bytes(Pubkey.from_string(wanted["memcmp"]["bytes"]))


def _bytes(raw: str, options: Any) -> bytes:
    if options.get("encoding", "base58") != "base64":
        raise RpcError(INVALID_PARAMS, "only base64 is spoken here")
    return base64.b64decode(raw)


def _sliced(image: AccountImage | None, options: Any) -> AccountImage | None:
    """An account with the requested slice of its data."""
    part = (options or {}).get("dataSlice")
    if image is None or part is None:
        return image
    return replace(image, data=image.data[part["offset"] : part["offset"] + part["length"]])
