"""Calls of protocols whose positions are shares by EIP-4626's functions: deposit, withdraw, redeem."""

from __future__ import annotations

from typing import ClassVar

from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm.abi import abi, explain, short

SHARE_VAULTS = (
    "erc4626",
    "ethena",
    "euler",
    "euler_earn",
    "fluid",
    "fraxlend",
    "gearbox",
    "maple",
    "morpho_vault_v2",
    "savings_rate",
    "silo",
    "yearn_v3",
)
"""Adapters of vaults whose shares, functions and events are EIP-4626's."""
CALLS = ("deposit", "withdraw", "redeem")


class ShareCalls:
    """The calls of an adapter whose markets are such vaults; what it reads is its own. Errors are looked up in the ABI
    of its protocol, then in EIP-4626's."""

    protocol: ClassVar[str]
    """The adapter's name, and its ABI's."""

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("erc4626").encode("deposit", amount.raw, owner),
                value=0,
                description=f"deposit {amount} into {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, vault = state.market, abi("erc4626")
        if amount is None:  # by shares, so that nothing is left behind
            data, what = vault.encode("redeem", state.shares, owner, owner), f"all ({state.held})"
        else:
            data, what = vault.encode("withdraw", amount.raw, owner, owner), str(amount)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return {}

    def explain_revert(self, data: bytes) -> str | None:
        return abi(self.protocol).explain(data) or explain("erc4626", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        return {market.address: frozenset(map(abi("erc4626").selector, CALLS))}
