"""An exchange of real contracts on the sandbox, asked by our own adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from yieldbot.errors import NodeRefused
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.deployer import Contract, Deployer


@dataclass(kw_only=True)
class ExchangeWorld:
    """The exchange, as it was deployed."""

    protocol: ClassVar[str]
    """Its adapter's name."""
    d: Deployer
    token_abi: list[dict[str, Any]]

    @property
    def params(self) -> dict[str, Any]:
        """Its table in chains/*.toml."""
        raise NotImplementedError

    def contract(self, token: Token) -> Contract:
        return Contract(token.address, self.token_abi)

    async def listed(self, pairs: list[tuple[Token, Token]]) -> tuple[Pool, ...]:
        deployment = Deployment(self.protocol, self.d.node.chain, self.protocol.title(), self.params, ())
        adapter = exchanges()[self.protocol]
        (found,) = await self.d.node.run([adapter.pools(deployment, pairs)], await self.d.node.block())
        assert isinstance(found, tuple), found
        return found

    async def state(self, pool: Pool) -> PoolState:
        flow = exchanges()[self.protocol].observe(pool)
        (state,) = await self.d.node.run([flow], await self.d.node.block())
        assert isinstance(state, PoolState), state
        return state

    async def balance(self, token: Token) -> int:
        return int.from_bytes(await self.d.read(self.contract(token), "balanceOf", self.d.me), "big")

    async def send(self, call: EvmCall) -> int:
        """The exact allowance, then the call; its gas."""
        assert call.allowance is not None
        await self.d.send(self.contract(call.allowance.token), "approve", call.allowance.spender, call.allowance.raw)
        receipt = await self.d._send({"to": call.to, "data": "0x" + call.data.hex()}, call.description)
        return int(receipt["gasUsed"], 16)

    async def reverts(self, call: EvmCall) -> str:
        """Why the node would refuse the call, in our own words."""
        fields = {"from": self.d.me, "to": call.to, "data": "0x" + call.data.hex()}
        with pytest.raises(NodeRefused) as refusal:
            await self.d.node.request("eth_call", [fields, "latest"])
        return str(exchanges()[self.protocol].explain_revert(refusal.value.data))
