"""OpenTelemetry traces of the server and its workers: how long each request, job, cycle and stage took, as one trace
from the request to the transaction. Needs the extra ``otel``, and is off until the standard variable
OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) names a collector.

Processes that sign never import it. A span has the facts that the log has of a stage, without any text from callers or
other parties: no amount, no path of a request, no error's message. Nothing waits for the collector: spans that it does
not accept within EXPORT_SECONDS are lost, and only those.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from yieldbot.app import telemetry
from yieldbot.errors import ConfigError
from yieldbot.model.text import one_line

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORT_SECONDS = 2.0
"""Timeout of one export to the collector."""
SHOWN = frozenset(("chain", "asset", "code", "gas", "kind", "leg", "legs", "markets", "result"))
"""Names of an event's facts that a trace may show; the others hold names, reasons or hashes."""

_tracer: Any = None
_provider: Any = None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment names a collector, and the standard variables do not switch traces off."""
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not off and any(environment.get(name) for name in ENDPOINTS)


def start(service: str, say: Callable[[str], None]) -> None:
    """Report this process's spans from now on if the environment names a collector. service: the process's name in the
    traces; say: called once if the collector does not accept them.

    Raises ConfigError if the extra is not installed.
    """
    global _tracer, _provider
    if not wanted(os.environ):
        return
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        raise ConfigError("OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `otel`: pip install 'yieldbot[otel]'")
    logger = logging.getLogger("opentelemetry")
    logger.propagate, logger.handlers[:] = False, [_Once(say)]
    try:
        _provider = _made(service)
    except Exception as failure:  # the SDK raises whatever it likes for a variable that it does not understand
        say(f"no traces are sent: an OTEL_ variable is not understood: {one_line(str(failure), 200)}")
        return
    _tracer = _provider.get_tracer("yieldbot")
    telemetry.trace_by(_around, _happened)


def _made(service: str) -> Any:
    """A provider of tracers whose spans go to the collector."""
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Unread(requests.Session):
        """Reads of an answer its status and headers alone: a body may have no end."""

        def request(self, *given: Any, **more: Any) -> requests.Response:
            answer = super().request(*given, **more | {"stream": True, "allow_redirects": False})
            answer.close()
            return answer

    made = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_SECONDS, session=Unread())))
    return made


def end() -> None:
    """Send the remaining spans, for at most EXPORT_SECONDS, and stop reporting."""
    global _tracer, _provider
    telemetry.trace_by(None)
    provider, _tracer, _provider = _provider, None, None
    if provider is not None:
        # the SDK's own time limits hold for neither a flush nor an answer that comes byte by byte
        last = threading.Thread(target=lambda: (provider.force_flush(), provider.shutdown()), daemon=True)
        last.start()
        last.join(EXPORT_SECONDS)


@contextmanager
def continued(carrier: Mapping[str, str]) -> Iterator[None]:
    """Context manager in which spans belong to the trace that ``carrier`` (W3C Trace Context, ``traceparent``) names,
    if it names one."""
    if _tracer is None or not carrier.get("traceparent"):
        yield
        return
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    token = context.attach(TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def carrier() -> dict[str, str]:
    """The current trace's W3C Trace Context headers, to pass to another process; empty: there is no trace."""
    found = dict[str, str]()
    if _tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(found)
    return found


@contextmanager
def _around(name: str, facts: dict[str, Any]) -> Iterator[None]:
    from opentelemetry.trace import Status, StatusCode

    attributes = {f"yieldbot.{key}": value for key, value in facts.items()} | {"yieldbot.id": telemetry.current()}
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as failure:
            span.set_status(Status(StatusCode.ERROR, type(failure).__name__))
            raise


def _happened(event: str, facts: dict[str, Any]) -> None:
    from opentelemetry.trace import get_current_span

    get_current_span().add_event(event, {key: value for key, value in facts.items() if key in SHOWN})


class _Once(logging.Handler):
    """Reports the first failed export to the collector, and no further ones."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say, self._said = say, False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._said:
            self._said = True
            self._say("traces are not taken by the collector that OTEL_EXPORTER_OTLP_ENDPOINT names: they are lost")
