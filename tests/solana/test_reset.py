"""``svm_reset``: what tests share a sandbox by."""

from __future__ import annotations

from typing import Any

from yieldbot.sandbox.solana.cluster import FIRST_SLOT, Cluster
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.server import Methods

SOMEBODY, PROGRAM = named("somebody"), named("program")


def test_nothing_is_left_of_what_was_done_to_a_cluster() -> None:
    methods = Methods(lambda: Cluster("1" * 32, auto=False, timestamp=1_700_000_000))

    def asked(method: str, *params: Any) -> Any:
        return methods.answer({"id": 1, "method": method, "params": list(params)})["result"]

    def seen() -> Any:
        cluster = methods.cluster
        settings = (
            cluster.slot,
            cluster.timestamp,
            cluster.unit_price,
            cluster.pace_seconds,
            cluster.drop,
            cluster.stale,
        )
        return settings, dict(cluster.landed), dict(cluster.published), cluster.newest(SOMEBODY)

    before = seen()
    asked("svm_setAccount", SOMEBODY, 10**9, PROGRAM, "", False)
    asked("svm_warp", 5_000_000)
    asked("svm_setUnitPrice", 7)
    asked("svm_setPace", 0.01)
    asked("svm_dropTransactions", 2)
    asked("svm_staleBy", 3)
    assert seen() != before and methods.cluster.slot > FIRST_SLOT
    assert asked("svm_reset") is True and seen() == before
