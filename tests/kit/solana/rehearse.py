"""A leg on a double of a fork, and what it does there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import open_journal
from tests.kit.solana.gate import CHAIN
from tests.kit.solana.judge import work_of
from tests.kit.solana_fork_double import Images, SvmForkDouble
from yieldbot.chains.solana.node.fork import Ran
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef

SLOT = BlockRef(CHAIN, 90, "", 0)
WORK = work_of()
Effect = Callable[[SvmForkDouble, list[bytes]], tuple[Any, tuple[str, ...]] | None]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def ran(before: Images, after: Images, **changes: Any) -> Ran:
    fields: dict[str, Any] = {"error": None, "logs": (), "units": 1, "fee_lamports": 5_000}
    return Ran(**fields | changes, before=before, after=after)
