"""A node that is down is said once for all the jobs that it concerns."""

from __future__ import annotations

import httpx2

from yieldbot.app.alike import MOST_NAMED
from yieldbot.cli.skips import lines
from yieldbot.errors import transport_words


def test_a_reason_is_said_once_for_a_chain_however_often_it_was_tried() -> None:
    down = "RPC endpoint 127.0.0.1:9 cannot be used for eth_chainId: no connection can be made (3 tries in {} s)"
    rows = [("base", f"w{number}: USDC", down.format(f"0.{number}1")) for number in range(MOST_NAMED + 2)]
    rows += [("base", "other: USDC", "it is on another chain"), ("polygon", "w0: USDC", down.format(1.2))]
    one, other, third = (line.plain for line in lines(rows))
    begins = (
        "7 jobs (w0: USDC, w1: USDC, w2: USDC, w3: USDC, w4: USDC and 2 more) on base skipped: RPC endpoint 127.0.0.1:9"
    )
    assert one.startswith(begins) and one.endswith("(3 tries in 0.01 s); `yieldbot check` says more")
    assert other.startswith("other: USDC on base skipped: it is on another chain") and "polygon" in third


def test_what_solana_s_client_meets_is_in_words() -> None:
    assert transport_words(httpx2.ConnectError("x")) == "no connection can be made"
    assert transport_words(httpx2.ConnectTimeout("x")) == "no answer in time"
    assert transport_words(httpx2.ReadError("x")) == "the connection was cut"
