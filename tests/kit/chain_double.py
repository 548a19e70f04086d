"""A labelled double of a chain: JSON-RPC answers from memory, so that tests can produce reorganisations, late receipts,
foreign nonces and fees. Node client, journal, key and policy around it are the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account import Account as Keys
from eth_utils.address import is_address
from eth_utils.crypto import keccak

from tests.kit.wiring import CHAIN, KEY, NOW, OWNER, RULES
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.signing.sign import fields, verified
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.settings import ChainSettings
from yieldbot.model.tx import ApprovedTx, SignedTx

GWEI = 10**9
BALANCE_OF, ALLOWANCE, PERMITTED = "70a08231", "dd62ed3e", "927da105"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")


def hash_at(height: int, fork: str = "") -> str:
    return "0x" + keccak(text=f"{height}{fork}").hex()


def topic(address: str) -> str:
    return "0x" + "00" * 12 + address[2:].lower()


def transfer(token: str, sender: str, to: str, raw: int = 1, *more: str) -> dict[str, Any]:
    """A Transfer event; ``more``: further topics (an ERC-721 token's id)."""
    return {"address": token, "topics": [TRANSFER, topic(sender), topic(to), *more], "data": hex(raw)}


@dataclass
class ChainDouble:
    """tokens: balances by (token, owner); was: balances at an earlier block, by its hash; allowed: allowances by
    (token, owner, spender); permits: Permit2's allowances by (owner, token, spender); all addresses in lower case.
    effect: gives a transaction's events on a fork; None for a revert."""

    height: int = 100
    base_fee_wei: int = GWEI
    tip_wei: int = 0
    nonce: int = 7
    nonce_at: Callable[[Any], int] | None = None
    reorged: dict[int, str] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    pool: set[str] = field(default_factory=set)
    block_names: dict[int, list[str]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)
    was: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    allowed: dict[tuple[str, str, str], int] = field(default_factory=dict)
    permits: dict[tuple[str, str, str], int] = field(default_factory=dict)
    native_wei: int = 10**18
    code: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    effect: Callable[[ChainDouble, dict[str, Any]], list[dict[str, Any]] | None] = lambda chain, fields: []
    sent: list[str] = field(default_factory=list)
    on_send: Callable[[str], None] = lambda raw: None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    chain: int = 8453
    gas: int = 60_000

    async def make_request(self, method: str, params: list[Any]) -> Any:
        self.asked.append((method, params))
        if method in self.refuses:
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": self.refuses[method]}}
        return {"jsonrpc": "2.0", "id": 1, "result": getattr(self, f"_{method}", self._nothing)(*params)}

    async def disconnect(self) -> None: ...

    def _nothing(self, *_: Any) -> None:
        return None

    def at(self, tag: Any) -> int:
        return self.tags.get(tag, self.height) if not str(tag).startswith("0x") else int(tag, 16)

    def hash(self, height: int) -> str:
        return self.reorged.get(height, hash_at(height))

    def _eth_chainId(self) -> str:
        return hex(self.chain)

    def _eth_getBlockByNumber(self, tag: str, _: bool) -> Any:
        height = self.at(tag)
        return {
            "number": hex(height),
            "hash": self.hash(height),
            "timestamp": hex(NOW + 2 * (height - 100)),
            "baseFeePerGas": hex(self.base_fee_wei),
            "transactions": self.block_names.get(height, []),
        }

    def _eth_getTransactionCount(self, who: str, tag: Any) -> str:
        assert is_address(who), f"{who} is no address"
        return hex(self.nonce_at(tag) if self.nonce_at else self.nonce)

    def _eth_getTransactionReceipt(self, name: str) -> Any:
        return self.receipts.get(name)

    def _eth_getTransactionByHash(self, name: str) -> Any:
        return {"hash": name} if name in self.pool or name in self.receipts else None

    def _eth_maxPriorityFeePerGas(self) -> str:
        return hex(self.tip_wei)

    def _eth_getBalance(self, who: str, _: Any) -> str:
        assert is_address(who), f"{who} is no address"
        return hex(self.native_wei)

    def _eth_getCode(self, address: str, _: Any) -> str:
        return self.code.get(address.lower(), "0x")

    def _eth_estimateGas(self, _: Any) -> str:
        return hex(self.gas)

    def _eth_call(self, call: dict[str, str], at: Any) -> str:
        to, data = call["to"].lower(), call["data"].removeprefix("0x")
        words = ["0x" + data[8 + 64 * i : 72 + 64 * i][24:] for i in range((len(data) - 8) // 64)]
        if (found := self.answers.get((to, data[:8]))) is not None:
            return "0x" + found.hex()
        if data[:8] == BALANCE_OF:
            name = at["blockHash"] if isinstance(at, dict) else ""
            raw = self.was.get(name, self.tokens).get((to, words[0]), 0)
        elif data[:8] == ALLOWANCE:
            raw = self.allowed.get((to, words[0], words[1]), 0)
        elif data[:8] == PERMITTED:
            raw = self.permits.get((words[0], words[1], words[2]), 0)
        else:
            return "0x"
        return "0x" + raw.to_bytes(32, "big").hex()

    def _eth_sendRawTransaction(self, raw: str) -> str:
        self.sent.append(raw)
        self.on_send(raw)
        return "0x" + keccak(hexstr=raw).hex()

    def _eth_sendTransaction(self, fields_: dict[str, Any]) -> str:
        name = "0x" + keccak(text=f"fork{len(self.receipts)}").hex()
        logs = self.effect(self, fields_)
        used = hex(21_000 if fields_.get("data") == "0x" else 50_000)
        self.receipts[name] = receipt(name, self.height, logs or [], int(logs is not None), gasUsed=used)
        return name

    def _anvil_setBalance(self, who: str, wei: str) -> None:
        assert is_address(who), f"{who} is no address"
        self.native_wei = int(wei, 16)

    def _anvil_setStorageAt(self, *_: Any) -> bool:
        return True


def receipt(name: str, height: int, logs: list[dict[str, Any]] | None = None, status: int = 1, **changes: Any) -> Any:
    return {
        "transactionHash": name,
        "blockNumber": hex(height),
        "blockHash": hash_at(height),
        "status": hex(status),
        "gasUsed": hex(50_000),
        "effectiveGasPrice": hex(GWEI),
        "logs": logs or [],
    } | changes


def node_of(chain: ChainDouble) -> Node:
    made = Node(CHAIN, "http://node.example/", multicall3=MULTICALL, timeout_seconds=30.0)
    made.endpoint._provider = chain  # type: ignore[assignment]
    return made


class KeySigner:
    """A signer with the key 0x11...11, which signs whatever it is given."""

    address = OWNER

    def __init__(self) -> None:
        self.asked = 0

    def sign(self, approved: ApprovedTx) -> SignedTx:
        self.asked += 1
        signed = Keys.from_key(KEY).sign_transaction(fields(approved.simulated.tx))
        return verified(approved, bytes(signed.raw_transaction))


SETTINGS = ChainSettings(
    name="base",
    chain=CHAIN,
    rpc_env="X",
    rpc_urls=(),
    multicall3=MULTICALL,
    native_symbol="ETH",
    native_feed=None,
    feeds={},
    tokens={},
    deployments=(),
    max_fee_gwei=10,
    poll_seconds=0.001,
    confirm_timeout_seconds=60.0,
    replace_after_seconds=60.0,
)


def account_of(chain: ChainDouble, journal: Journal, fork: ChainDouble | None = None, **changes: Any) -> Account:
    """The account of the key on the double. fork: the double that its forks copy; None: ``chain``."""

    @asynccontextmanager
    async def forked(_: BlockRef) -> AsyncIterator[Node]:
        yield node_of(deepcopy(fork or chain))

    wired: dict[str, Any] = {
        "node": node_of(chain),
        "settings": SETTINGS,
        "owner": OWNER,
        "journal": journal,
        "signer": KeySigner(),
        "fork": forked,
        "abi": RULES.abi,
        "now": lambda: NOW,
    }
    return Account(**wired | changes)


def settings(**changes: Any) -> ChainSettings:
    return replace(SETTINGS, **changes)


SOON = settings(confirm_timeout_seconds=0.15)
"""Settings with a short confirmation timeout, for transactions that are to stay open."""


def open_journal(folder: Path) -> Journal:
    return Journal.open(folder / "journal.sqlite")
