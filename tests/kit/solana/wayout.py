"""The exit of a market on a double of a fork."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import open_journal, settings
from tests.kit.market_builder import market
from tests.kit.solana.gate import CHAIN, LIMITS, OWNER, USDC
from tests.kit.solana.judge import RAW, call_of, work_of
from tests.kit.solana_fork_double import ClusterDouble
from yieldbot.chains.solana.execution.account import Account
from yieldbot.errors import MarketError
from yieldbot.execution.wayout import ExitRehearsal
from yieldbot.journal.store import Journal
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import MarketState
from yieldbot.model.plan import LegKind
from yieldbot.model.reads import Read
from yieldbot.model.tx import SvmInstruction

PUT = Amount(USDC, RAW)
WORK = work_of()
STATE = replace(
    market("x", ConstantCurve(0.05)),
    market=WORK.market,
    held=PUT,
    liquidity=Amount(USDC, 10**9),
    rounding_raw=2,
)
Asked = list[tuple[MarketState, Amount | None]]
Observe = Callable[[BlockRef], Generator[Sequence[Read], Sequence[bytes], MarketState]]


def observed(*states: MarketState | MarketError, seen: list[BlockRef] | None = None) -> Observe:
    left = list(states)

    def observe(block: BlockRef) -> Generator[Sequence[Read], Sequence[bytes], MarketState]:
        if seen is not None:
            seen.append(block)
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, MarketError):
            raise now
        return now
        yield ()

    return observe


def account_of(journal: Journal, nodes: ClusterDouble | None = None, **changes: Any) -> Account:
    made: dict[str, Any] = {
        "nodes": nodes or ClusterDouble(),
        "settings": settings(chain=CHAIN, native_symbol="SOL", svm=LIMITS),
        "owner": OWNER,
        "journal": journal,
        "signer": None,
    }
    return Account(**made | changes)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def out_of(asked: Asked | None = None, calls: tuple[SvmInstruction, ...] | None = None, **changes: Any) -> Any:
    def withdraw(state: MarketState, part: Amount | None) -> tuple[SvmInstruction, ...]:
        if asked is not None:
            asked.append((state, part))
        return (call_of(LegKind.WITHDRAW, USDC, RAW),) if calls is None else calls

    return ExitRehearsal(state=replace(STATE, **changes), withdraw=withdraw)
