"""Run by the crash tests: settle, then deposit unless it is done; killed at one boundary of one transaction.

Usage: python -m tests.kit.child MARKET_JSON POINT COUNT. The wiring is the product's own; the journal and the node
are subclasses that kill the process (SIGKILL: no clean-up runs) before or after a step, the COUNT-th time that it is
reached.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.small_market import CHAIN, MULTICALL3, SmallMarket
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.settle import settle
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.errors import YieldbotError
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import JournalEntry, PlanWritten, TxSettled, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.rpc.endpoint import Endpoint

RAW = 12_000 * 10**6
BOUNDARIES = ("before signed", "after signed", "after sent", "before confirm", "before settled", "after settled")


@dataclass
class Fuse:
    """Kills the process the ``count``-th time that ``point`` is reached."""

    point: str
    count: int

    def at(self, point: str) -> None:
        if point == self.point:
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class FusedJournal(Journal):
    fuse: Fuse

    def append(self, *events: JournalEntry) -> None:
        name = {TxSigned: "signed", TxSettled: "settled"}.get(type(events[0]), "other")
        self.fuse.at(f"before {name}")
        super().append(*events)
        self.fuse.at(f"after {name}")


class FusedNode(Quorum):
    fuse: Fuse

    async def request(self, method: str, params: list[Any]) -> Any:
        name = {"eth_sendRawTransaction": "sent", "eth_getTransactionReceipt": "confirm"}.get(method, "other")
        self.fuse.at(f"before {name}")
        answer = await super().request(method, params)
        self.fuse.at(f"after {name}")
        return answer


async def deposit_once(
    market: SmallMarket,
    fuse: Fuse,
    *,
    urls: Sequence[str] = (),
    timeout_seconds: float = 10.0,
    ttl_seconds: int = 600,
) -> int:
    """One run of the bot over ``urls`` (the market's own by default), more than half of which must agree.

    Returns its exit code."""
    endpoints = [Endpoint(url, timeout_seconds=timeout_seconds) for url in urls or (market.url,)]
    try:
        with run_lock(Path(market.folder)), FusedJournal.open(Path(market.folder) / "journal.sqlite") as journal:
            journal.fuse = fuse
            quorum = len(endpoints) // 2 + 1
            async with FusedNode(CHAIN, endpoints, multicall3=MULTICALL3, quorum=quorum) as node:
                node.fuse = fuse
                account = market.account(node, journal)
                await node.verify_chain()
                await settle(account)
                if (await fetch_balances(node, account.owner, (market.shares,)))[market.shares]:
                    return 0
                name = f"plan-{journal.head()[0]}"
                plan = await market.plan(node, market.deposit_leg(RAW), ttl_seconds=ttl_seconds, plan_id=name)
                journal.append(PlanWritten(plan))
                result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
                if result.declined:
                    print(f"declined {result.declined.code}: {result.declined.reason}", file=sys.stderr)
                return 0 if result.done else 1
    except YieldbotError as failure:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
        return failure.exit_code


def main() -> int:
    """One run as the command line says; its exit code."""
    return asyncio.run(deposit_once(SmallMarket.load(Path(sys.argv[1])), Fuse(sys.argv[2], int(sys.argv[3]))))


if __name__ == "__main__":
    sys.exit(main())
