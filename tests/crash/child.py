"""Run by the crash tests: settle, then deposit unless it is done; killed at one boundary of one transaction.

Usage: child.py MARKET_JSON POINT COUNT. The wiring is the product's own; the journal and the node are subclasses
that kill the process (SIGKILL: no clean-up runs) before or after a step, the COUNT-th time that it is reached.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from small_market import SmallMarket

from yieldbot.errors import YieldbotError
from yieldbot.execution.deltas import balances
from yieldbot.execution.leg import execute_leg
from yieldbot.execution.lock import run_lock
from yieldbot.execution.settle import settle
from yieldbot.journal.events import Event, PlanWritten, TxSettled, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.rpc.evm import EvmNode

POINT, COUNT = sys.argv[2], int(sys.argv[3])
RAW = 12_000 * 10**6


class Fuse:
    """Kills the process the COUNT-th time that POINT is reached."""

    reached = 0

    @classmethod
    def at(cls, point: str) -> None:
        if point == POINT:
            cls.reached += 1
            if cls.reached == COUNT:
                os.kill(os.getpid(), signal.SIGKILL)


class FusedJournal(Journal):
    def append(self, *events: Event) -> None:
        name = {TxSigned: "signed", TxSettled: "settled"}.get(type(events[0]), "other")
        Fuse.at(f"before {name}")
        super().append(*events)
        Fuse.at(f"after {name}")


class FusedNode(EvmNode):
    async def request(self, method: str, params: list[Any]) -> Any:
        name = {"eth_sendRawTransaction": "sent", "eth_getTransactionReceipt": "confirm"}.get(method, "other")
        Fuse.at(f"before {name}")
        answer = await super().request(method, params)
        Fuse.at(f"after {name}")
        return answer


async def main() -> int:
    market = SmallMarket.load(Path(sys.argv[1]))
    with run_lock(Path(market.folder)), FusedJournal.open(Path(market.folder) / "journal.sqlite") as journal:
        async with FusedNode(market.settings.chain, market.url, multicall3=market.settings.multicall3) as node:
            account = market.account(node, journal)
            await settle(account)
            if (await balances(node, account.owner, (market.shares,)))[market.shares]:
                return 0
            plan = await market.plan(node, market.deposit_leg(RAW), plan_id=f"plan-{journal.head()[0]}")
            journal.append(PlanWritten(plan))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            return 0 if result.done else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except YieldbotError as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.exit_code)
