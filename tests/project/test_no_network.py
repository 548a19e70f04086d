"""The guard itself: what a unit test must not be able to do."""

import asyncio
import socket
import urllib.request

import pytest


def test_nothing_reaches_a_network() -> None:
    with pytest.raises(AssertionError, match="may not use the network"):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)
    with pytest.raises(AssertionError, match="may not use the network"), socket.socket() as plain:
        plain.connect(("127.0.0.1", 9))
    with pytest.raises(AssertionError, match="may not use the network"):
        urllib.request.urlopen("http://127.0.0.1:9/", timeout=0.1)


async def test_an_event_loop_reaches_no_network_and_still_runs() -> None:
    await asyncio.sleep(0)
    with pytest.raises(AssertionError, match="may not use the network"):
        await asyncio.open_connection("127.0.0.1", 9)
