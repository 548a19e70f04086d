"""A labelled double of Linea's node, put before a plain anvil: it writes the sequencer's prices into each block and
takes no transaction below them, as linea-besu's sequencer does (linea-monorepo@cb18013: its least gas price, and its
price for what the transaction's data takes when compressed; zlib stands for its compressor)."""

from __future__ import annotations

import zlib
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from tests.faults.rollup import Refused, RollupNode
from yieldbot.chains.evm.linea import LineaPricing


class LineaNode(RollupNode):
    """prices: the sequencer's, in whole thousands of wei; refused: transactions below them; demanded: the priority fees
    that were demanded for those above."""

    def __init__(self, upstream: str, prices: LineaPricing) -> None:
        super().__init__(upstream)
        self.prices, self.refused = prices, 0
        self.demanded: list[int] = []

    @property
    def extra_data(self) -> str:
        parts = (self.prices.fixed_wei, self.prices.variable_wei, self.prices.least_price_wei)
        return "0x" + (b"\1" + b"".join((wei // 1_000).to_bytes(4, "big") for wei in parts) + bytes(19)).hex()

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_sendRawTransaction":
            await self.taken(bytes.fromhex(params[0][2:]))
        said = await super().answer(method, params)
        if method == "eth_getBlockByNumber" and said.get("result"):
            said["result"] |= {"extraData": self.extra_data}
        return said

    async def taken(self, raw: bytes) -> None:
        """The gas that it will use is known to the sequencer alone: here what the node behind estimates, less a fifth,
        the most that a refund gives back."""
        tx = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        call = {"from": await self.sender(raw), "to": "0x" + bytes(tx["to"]).hex()}
        call |= {"data": "0x" + bytes(tx["data"]).hex(), "value": hex(tx["value"])}
        used = int(await self.upstream_result("eth_estimateGas", call), 16) * 4 // 5
        base_wei = int((await self.upstream_result("eth_getBlockByNumber", "latest", False))["baseFeePerGas"], 16)
        paid = min(tx["maxFeePerGas"], base_wei + tx["maxPriorityFeePerGas"])
        demanded = self.prices.fixed_wei + self.prices.variable_wei * len(zlib.compress(raw)) // used
        if paid < max(self.prices.least_price_wei, base_wei + demanded):
            self.refused += 1
            raise Refused("Gas price too low")
        self.demanded.append(demanded)

    @staticmethod
    async def sender(raw: bytes) -> str:
        from eth_account import Account

        return str(Account.recover_transaction(raw))
