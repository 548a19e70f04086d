"""A collector of traces that behaves badly, over HTTP on this machine: nothing waits for it, and its answers are not
read."""

from __future__ import annotations

import threading
import time

import pytest

from tests.kit.notify.servers import http_service
from yieldbot.app import telemetry, tracing


@pytest.mark.parametrize("mode", ["works", "hang", "slow", "huge", "cut", "nonsense", "redirect", "500"])
def test_nothing_waits_for_it_and_its_answer_is_not_read(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.4)
    said = list[str]()
    with http_service() as collector:
        collector.mode = mode
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing.start("yieldbot-worker", said.append)
        with telemetry.span("cycle", chain="base"):
            pass
        began = time.monotonic()
        tracing.end()
        took = time.monotonic() - began
        assert took < 5.0 and tracing.carrier() == {}
        assert [path for path, _, _ in collector.requests][:1] == ["/v1/traces"]
        assert "/elsewhere" not in {path for path, _, _ in collector.requests}
        assert collector.written < 8_000_000, "an answer without an end is not read to it"
        collector.ends.set()
    assert len(said) <= 1
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
