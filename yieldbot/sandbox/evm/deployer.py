"""Sends deployment transactions from the unlocked accounts of the sandbox's node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import InvariantError, NodeRefused
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.abi import checksum, selector_of, types_of
from yieldbot.sandbox.evm.artifacts import Artifact

ZERO = Address("0x" + "00" * 20)
GAS = 16_000_000


class Contract:
    """A deployed contract: its address and encoders for its functions."""

    def __init__(self, address: str, abi: list[dict[str, Any]]) -> None:
        self.address = checksum(address)
        self.abi = abi

    def data(self, function: str, *args: Any) -> str:
        """Calldata (0x hex) for a function, by name or, if overloaded, by signature. Raises LookupError where no
        function of the ABI takes these arguments."""
        from eth_abi.abi import is_encodable

        name, _, signed = function.partition("(")
        for entry in self.abi:
            if entry["type"] == "function" and entry["name"] == name:
                types = types_of(entry)
                signature = f"{name}({','.join(types)})"
                if function == signature or (
                    not signed and len(types) == len(args) and all(map(is_encodable, types, args))
                ):
                    return f"0x{selector_of(signature).hex()}{_encoded(types, args)}"
        raise LookupError(f"no function {function} takes {args}")


def _encoded(types: Sequence[str], args: Sequence[Any]) -> str:
    """Arguments in hex, without 0x."""
    from eth_abi.abi import encode

    return bytes(encode(types, args)).hex()


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
        types = next((types_of(entry) for entry in artifact.abi if entry["type"] == "constructor"), ())
        code = artifact.linked(self.libraries)
        receipt = await self._send({"data": f"0x{code}{_encoded(types, args)}"}, "a deployment")
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
