"""A labelled double of an EVM fork with a clock, snapshots and storage; everything else is ``chain_double``'s."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.kit.chain_double import ChainDouble


@dataclass
class ForkDouble(ChainDouble):
    """waited: seconds that passed before each block; does: the requests made, in order; puts_back: the answer to
    reverting to a snapshot; storage: 32-byte words by (contract, slot), in lower case."""

    waited: list[int] = field(default_factory=list)
    does: list[str] = field(default_factory=list)
    puts_back: Any = True
    storage: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: Any = None

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if method.startswith(("evm_", "anvil_")):
            self.does.append(method)
        return await super().make_request(method, params)

    def _evm_snapshot(self) -> str:
        self.kept = dict(self.tokens), dict(self.storage)
        return "0x5"

    def _evm_revert(self, name: str) -> Any:
        assert name == "0x5"
        self.tokens, self.storage = dict(self.kept[0]), dict(self.kept[1])
        return self.puts_back

    def _evm_increaseTime(self, seconds: str) -> None:
        self.waited.append(int(seconds, 16))

    def _evm_mine(self) -> None:
        self.height += 1

    def _eth_getStorageAt(self, where: str, slot: str, _: Any) -> str:
        return self.storage.get((where.lower(), slot), "0x" + "00" * 32)

    def _anvil_setStorageAt(self, where: str, slot: str, word: str) -> bool:
        self.storage[(where.lower(), slot)] = word
        return True
