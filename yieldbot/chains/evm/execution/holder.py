"""Finds out on a fork how much a position of our intended size could withdraw from a market now: for markets whose cash
cannot be read.

On the fork a balance of shares is written into the token's storage, and the adapter's own calls withdraw it. Our own
money is not deposited first, since the market could then pay us with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import BALANCE_OF, abi_word, fetch_balances
from yieldbot.chains.evm.execution.on_fork import impersonate, mined
from yieldbot.chains.evm.execution.wayout import GAS_WEI
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import MarketState
from yieldbot.model.reads import Flow
from yieldbot.model.tx import EvmCall

PARTS = (1, 4, 16)
"""Divisors of the size, tried in turn: all of it, a quarter, a sixteenth."""
FIRST_SHARES = 1000
"""Whole shares that are written first, to find the value of one share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A market to be tried, and how."""

    state: MarketState
    """The market as it was observed."""
    size: Amount
    """Amount that should come out."""
    observe: Callable[[BlockRef], Flow[MarketState]]
    """The adapter's reads of the market at a block."""
    withdraw: Callable[[MarketState], tuple[EvmCall, ...]]
    """The adapter's calls that withdraw the whole position."""


async def paid_out(account: Account, holders: Sequence[Holder], block: BlockRef) -> dict[MarketId, Amount]:
    """For each market, what the largest of PARTS that could be withdrawn brought on a fork of ``block``. Markets from
    which none could be withdrawn are left out."""
    found: dict[MarketId, Amount] = {}
    if not holders:
        return found
    async with account.fork(block) as fork:
        await impersonate(fork, account.owner)
        await fork.request("anvil_setBalance", [account.owner, hex(GAS_WEI)])
        for holder in holders:
            for part in PARTS:
                kept = await fork.request("evm_snapshot", [])
                paid = await _paid(account, fork, holder, holder.size.raw // part)
                await fork.request("evm_revert", [kept])
                if paid is not None:
                    found[holder.state.market.id] = paid
                    break
    return found


async def _paid(account: Account, fork: Node, holder: Holder, raw: int) -> Amount | None:
    """What withdrawing shares worth ``raw`` base units of the asset brings; None if they cannot be given to us, or
    bring less than they are worth."""
    token, asset = holder.state.share_token, holder.state.market.asset
    if token is None or not raw:
        return None
    first = await _holding(account, fork, holder, token, FIRST_SHARES * token.one)
    if first is None or not first.held:
        return None
    state = await _holding(account, fork, holder, token, FIRST_SHARES * token.one * raw // first.held.raw)
    if state is None or not state.held:
        return None
    before = await fetch_balances(fork, account.owner, (asset,))
    for call in holder.withdraw(state):
        fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "gas": hex(account.max_gas)}
        if not isinstance(await mined(account, fork, fields, call.description), Mapping):
            return None
    came = (await fetch_balances(fork, account.owner, (asset,)))[asset] - before[asset]
    return Amount(asset, came) if came + state.rounding_raw >= state.held.raw else None


async def _holding(account: Account, fork: Node, holder: Holder, token: Token, raw: int) -> MarketState | None:
    """The market as the adapter reads it when we hold ``raw`` base units of shares; None if they cannot be given to
    us."""
    if not await _given(fork, token.address, account.owner, raw):
        return None
    await fork.request("evm_mine", [])
    block = await fork.block()
    (state,) = await fork.run([holder.observe(block)], block)
    return None if isinstance(state, MarketError) else state


async def _given(fork: Node, token: Address, owner: Address, raw: int) -> bool:
    """Write our balance into the token's storage; returns whether that worked. The slot is found by trying each one
    that ``balanceOf`` reads (eth_createAccessList)."""
    data = BALANCE_OF + abi_word(owner)
    call = {"from": owner, "to": token, "data": "0x" + data.hex()}
    try:
        answer: Any = await fork.request("eth_createAccessList", [call, "latest"])
    except NodeRefused:
        return False
    for entry in answer.get("accessList", ()):
        for slot in entry.get("storageKeys", ()):
            old = await fork.request("eth_getStorageAt", [entry["address"], slot, "latest"])
            await fork.request("anvil_setStorageAt", [entry["address"], slot, f"0x{raw:064x}"])
            try:
                if int.from_bytes(await fork.call(token, data), "big") == raw:
                    return True
            except NodeRefused:
                pass
            await fork.request("anvil_setStorageAt", [entry["address"], slot, old])
    return False
