"""Sends deployment transactions from the unlocked accounts of the sandbox's node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import InvariantError, NodeRefused
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import Artifact

ZERO = Address("0x" + "00" * 20)
GAS = 16_000_000


@lru_cache(maxsize=512)
def _encoder(abi: str, bytecode: str | None = None) -> Any:
    """web3's contract class for an ABI (JSON), with creation code for deployments. Cached, since making one is slow."""
    from web3 import Web3

    return Web3().eth.contract(abi=json.loads(abi), bytecode=bytecode)


class Contract:
    """A deployed contract: its address and encoders for its functions."""

    def __init__(self, address: str, abi: list[dict[str, Any]]) -> None:
        self.address = checksum(address)
        self.abi = abi
        self._web3 = _encoder(json.dumps(abi))

    def data(self, function: str, *args: Any) -> str:
        """Calldata (0x hex) for a function, by name or, if overloaded, by signature."""
        return str(self._web3.encode_abi(function, args=list(args)))


class Deployer:
    """Sends transactions from one account; each is mined at once and must succeed."""

    def __init__(self, node: Node, accounts: list[Address]) -> None:
        self.node = node
        self.accounts = accounts
        self.me = accounts[0]
        self.transactions = 0
        self.libraries: dict[str, str] = {}

    async def deploy(self, artifact: Artifact, *args: Any) -> Contract:
        """Deploy a contract with constructor arguments; its libraries must be in ``self.libraries``."""
        made = _encoder(json.dumps(artifact.abi), "0x" + artifact.linked(self.libraries))
        receipt = await self._send({"data": str(made.constructor(*args).data_in_transaction)}, "a deployment")
        return Contract(receipt["contractAddress"], artifact.abi)

    async def library(self, name: str, artifact: Artifact) -> None:
        self.libraries[name] = (await self.deploy(artifact)).address

    async def send(
        self, contract: Contract, function: str, *args: Any, sender: Address | None = None, value_wei: int = 0
    ) -> Mapping[str, Any]:
        """Call a function in a transaction and return the receipt. Raises InvariantError if it reverts."""
        transaction = {"to": contract.address, "data": contract.data(function, *args), "value": hex(value_wei)}
        return await self._send(transaction | {"from": sender or self.me}, function)

    async def read(self, contract: Contract, function: str, *args: Any) -> bytes:
        return await self.node.call(contract.address, bytes.fromhex(contract.data(function, *args)[2:]))

    async def read_address(self, contract: Contract, function: str, *args: Any) -> str:
        return "0x" + (await self.read(contract, function, *args))[12:32].hex()

    async def warp(self, seconds: int) -> None:
        """Let time pass, in one block."""
        await self.node.request("evm_increaseTime", [hex(seconds)])
        await self.node.request("evm_mine", [])

    async def _send(self, transaction: dict[str, Any], what: str) -> Mapping[str, Any]:
        transaction = {"from": self.me, "gas": hex(GAS)} | transaction
        name = await self.node.request("eth_sendTransaction", [transaction])
        receipt: Mapping[str, Any] | None = await self.node.request("eth_getTransactionReceipt", [name])
        while receipt is None:  # mined on arrival, but indexed a moment later
            receipt = await self.node.request("eth_getTransactionReceipt", [name])
        self.transactions += 1
        if int(receipt["status"], 16) != 1:
            raise InvariantError(f"sandbox: {what} reverted: {await self._why(transaction)}")
        return receipt

    async def _why(self, transaction: dict[str, Any]) -> str:
        try:
            await self.node.request("eth_call", [transaction, "latest"])
        except NodeRefused as refusal:
            return f"{refusal.node_message} 0x{refusal.data.hex()[:72]}"
        return "no reason given"
