"""What protocols whose positions are shares by EIP-4626's functions have in common: how a listed contract becomes a
market, and its calls (deposit, withdraw, redeem)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from yieldbot.model.amounts import Amount
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Kind, Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.reads import Reads

SHARE_VAULTS = (
    "aave_v4",
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
HEAD = ("asset", "symbol", "decimals")
"""What a listed contract answers by EIP-4626 before it becomes a market."""


def answers(*data: bytes, words: int = 1) -> bool:
    """Whether each read was answered with so many words or more."""
    return all(len(one) >= 32 * words for one in data)


def share_market(
    protocol: str,
    kind: Kind,
    deployment: Deployment,
    at: Address,
    head: Mapping[str, bytes],
    own: Callable[[Address], Mapping[str, Any]] | None,
    fault: str,
) -> Market:
    """The market of a listed contract. head: the answers to HEAD. own: the protocol's own parameters, by the asset's
    address; None: it is no such contract, and ``unfit`` says why (fault)."""
    vault, token, symbol, params = abi("erc4626"), deployment.assets[0], short(at), dict[str, Any]()
    if own is None:
        params["unfit"] = fault
    else:
        asset, symbol = vault.one("asset", head["asset"]), label(head["symbol"]) or symbol
        match = next((one for one in deployment.assets if one.address == asset), None)
        if match is None:
            does = "lends" if kind is Kind.LENDING else "holds"
            params["unfit"] = f"{at} {does} {asset}, which is not among {deployment.name}'s assets"
        else:
            token = match
            params |= own(asset)
            params |= {"symbol": symbol, "share_decimals": vault.one("decimals", head["decimals"])}
    return Market(
        id=MarketId(f"{protocol}/{evm_number(deployment.chain)}/{at.lower()}"),
        protocol=protocol,
        kind=kind,
        chain=deployment.chain,
        name=f"{deployment.name} {symbol}",
        asset=token,
        address=at,
        params=params,
    )


def listed_markets(
    protocol: str,
    kind: Kind,
    deployment: Deployment,
    listed: Sequence[str],
    asks: Sequence[str],
    own: Callable[[Mapping[str, bytes], Address], Mapping[str, Any]],
    fault: str,
    words: int = 1,
) -> Flow[tuple[Market, ...]]:
    """The market of each listed contract, by one round of reads: HEAD, and the protocol's own functions (asks), each of
    which answers with so many words or more. own: the parameters that those answers, by function, and the asset's
    address make. fault: ``as a pool does``, of a contract that leaves one of them without an answer."""
    vault, theirs, at_all = abi("erc4626"), abi(protocol), [checksum(text) for text in listed]
    reads = Reads()
    heads = {at: {name: reads.add(vault.read(at, name, optional=True)) for name in HEAD} for at in at_all}
    rows = {at: {name: reads.add(theirs.read(at, name, optional=True)) for name in asks} for at in at_all}
    yield from reads.made()
    found = []
    for at in at_all:
        head, mine = ({name: one.data for name, one in kept[at].items()} for kept in (heads, rows))
        parts = partial(own, mine) if answers(*head.values()) and answers(*mine.values(), words=words) else None
        found.append(share_market(protocol, kind, deployment, at, head, parts, f"{at} does not answer {fault}"))
    return tuple(found)


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
