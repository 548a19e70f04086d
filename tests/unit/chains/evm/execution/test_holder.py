"""What a holder of our size would get out of a market whose cash nobody sees: how it is made one, and what counts. On
the double of a fork, whose vault keeps its balances in storage."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import BALANCE_OF, account_of, node_of, open_journal
from tests.kit.evm.wayout import STATE
from tests.kit.fork_double import ForkDouble
from tests.kit.wiring import BLOCK, MARKET, OWNER, POOL, USDC
from yieldbot.chains.evm.execution.holder import FIRST_SHARES, PARTS, Holder, paid_out
from yieldbot.errors import MarketError
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.reads import Read
from yieldbot.model.tx import EvmCall

VAULT = Token(USDC.chain, Address("0x" + "ee" * 20), "vUSDC", 9)
OURS = (USDC.address.lower(), OWNER.lower())
SIZE = Amount(USDC, 1_600)
SHARE_RAW = 1_000
"""Base units of the vault's shares that one of the asset is worth."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


@dataclass
class VaultDouble(ForkDouble):
    """A labelled double of a vault on a fork. cash: base units of the asset that it pays at most; slots: what reading a
    balance looks at, the balance itself in ``where``; ``less``: what it keeps of what it should pay."""

    cash: int = 10**9
    less: int = 0
    where: str = "0x2"
    slots: tuple[str, ...] = ("0x1", "0x2")
    picky: bool = False

    def shares(self) -> int:
        return int(self.storage.get((VAULT.address, self.where), "0x0"), 16)

    def _eth_createAccessList(self, call: dict[str, str], _: str) -> Any:
        assert call["data"] == "0x" + BALANCE_OF + "00" * 12 + OWNER[2:].lower() and call["from"] == OWNER
        return {"accessList": [{"address": call["to"], "storageKeys": list(self.slots)}]}

    def _eth_call(self, call: dict[str, str], at: Any) -> str:
        if call["to"].lower() == VAULT.address:
            return f"0x{self.shares():064x}"
        return super()._eth_call(call, at)

    async def make_request(self, method: str, params: list[Any]) -> Any:
        proxy = self.storage.get((VAULT.address, "0x1"), "0x0")
        if self.picky and method == "eth_call" and params[0]["to"] == VAULT.address and int(proxy, 16):
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted"}}
        return await super().make_request(method, params)


def effect(chain: Any, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
    raw = int(fields["data"], 16)
    if raw > chain.cash:
        return None
    chain.tokens[OURS] = chain.tokens.get(OURS, 0) + raw - chain.less
    return []


def holder(chain: VaultDouble, size: Amount = SIZE, **changes: Any) -> tuple[Holder, list[int]]:
    """A holder of the vault; and what it held each time it was looked at, in base units of shares."""
    seen: list[int] = []
    state = replace(STATE, share_token=VAULT, held=Amount(USDC, 0), **changes)

    def observe(_: BlockRef) -> Generator[Sequence[Read], Sequence[bytes], MarketState]:
        seen.append(live[-1].shares())
        if state.no_way_out:
            raise MarketError("it cannot be read")
        return replace(state, held=Amount(USDC, seen[-1] // SHARE_RAW))
        yield ()

    def withdraw(now: MarketState) -> tuple[EvmCall, ...]:
        return (EvmCall(POOL, now.held.raw.to_bytes(32, "big"), 0, "take it out"),)

    live = [chain]
    return Holder(state=state, size=size, observe=observe, withdraw=withdraw), seen


async def paid(journal: Journal, chain: VaultDouble, *holders: Holder) -> dict[str, int]:
    chain.effect = effect
    chain.tokens[OURS] = 5

    @asynccontextmanager
    async def fork(block: BlockRef) -> Any:
        assert block == BLOCK
        yield node_of(chain)

    found = await paid_out(replace(account_of(chain, journal), fork=fork), holders, BLOCK)
    return {str(market): amount.raw for market, amount in found.items()}


async def test_shares_of_just_our_size_are_held_and_taken_out(journal: Journal) -> None:
    assert PARTS == (1, 4, 16)
    chain = VaultDouble()
    made, seen = holder(chain)
    assert await paid(journal, chain, made) == {MARKET.id: 1_600}
    assert seen == [FIRST_SHARES * VAULT.one, 1_600 * SHARE_RAW], "some first, to see what they are worth"
    assert chain.tokens == {OURS: 5} and not chain.shares(), "the fork is put back"
    assert chain.does[:2] == ["anvil_impersonateAccount", "anvil_setBalance"] and chain.native_wei == 10**20
    (sent,) = [params[0] for method, params in chain.asked if method == "eth_sendTransaction"]
    assert sent == {"from": OWNER, "to": POOL, "data": f"0x{1_600:064x}", "gas": hex(8_000_000)}
    assert [m for m, _ in chain.asked].count("evm_mine") == 2


async def test_of_a_thin_market_a_quarter_or_a_sixteenth_is_tried(journal: Journal) -> None:
    for cash, wanted in ((1_600, 1_600), (1_599, 400), (399, 100), (99, None)):
        chain = VaultDouble(cash=cash)
        made, _ = holder(chain)
        assert await paid(journal, chain, made) == ({MARKET.id: wanted} if wanted else {})
        assert chain.tokens == {OURS: 5}


async def test_what_brings_less_than_it_was_worth_is_no_cash(journal: Journal) -> None:
    for less, wanted in ((4, {MARKET.id: 1_596}), (5, {})):
        chain = VaultDouble(less=less)
        made, _ = holder(chain, rounding_raw=4)
        assert await paid(journal, chain, made) == wanted


async def test_a_slot_that_is_not_the_balance_is_put_back_before_the_next_is_tried(journal: Journal) -> None:
    chain = VaultDouble(picky=True, storage={(VAULT.address, "0x1"): "0x0"})
    made, _ = holder(chain)
    assert await paid(journal, chain, made) == {MARKET.id: 1_600}
    chain = VaultDouble(where="0x3", storage={(VAULT.address, "0x1"): "0x00aa", (VAULT.address, "0x2"): "0x00bb"})
    made, seen = holder(chain)
    assert await paid(journal, chain, made) == {} and seen == []
    assert chain.storage[(VAULT.address, "0x1")] == "0x00aa" and chain.storage[(VAULT.address, "0x2")] == "0x00bb"
    written = [params for method, params in chain.asked if method == "anvil_setStorageAt"]
    assert written[:2] == [
        [VAULT.address, "0x1", f"0x{FIRST_SHARES * VAULT.one:064x}"],
        [VAULT.address, "0x1", "0x00aa"],
    ]


async def test_what_cannot_be_held_read_or_is_worth_nothing_pays_nothing(journal: Journal) -> None:
    chain = VaultDouble()
    made, _ = holder(chain)
    for none in (
        replace(made, state=replace(made.state, share_token=None)),
        replace(made, size=Amount(USDC, 0)),
        holder(chain, no_way_out="x")[0],
        replace(made, observe=holder(VaultDouble())[0].observe),
    ):
        assert await paid(journal, chain, none) == {}
    chain.refuses["eth_createAccessList"] = "no such method"
    assert await paid(journal, chain, made) == {}


async def test_one_market_that_pays_nothing_does_not_keep_the_next_from_being_asked(journal: Journal) -> None:
    chain = VaultDouble()
    made, _ = holder(chain)
    dead = replace(made, size=Amount(USDC, 0))
    assert await paid(journal, chain, dead, made) == {MARKET.id: 1_600}
    chain = VaultDouble()
    assert await paid(journal, chain) == {} and not chain.asked, "no fork is made for nothing"
