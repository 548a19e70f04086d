"""``/v1/metrics`` for Prometheus.

No label holds an address, an amount or foreign text; requests are counted by route, never by path.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from yieldbot.app.rpc_counts import BUCKETS, Row
from yieldbot.app.serve_jobs import JobEnd
from yieldbot.app.service import Service
from yieldbot.errors import YieldbotError

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
RUN_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0)


class Metrics:
    """Counters of one server, and gauges of its present state."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            "yieldbot_http_request_duration_seconds",
            "Time to answer, by route, method and status",
            ("route", "method", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._jobs = Counter(
            "yieldbot_jobs", "Jobs of workers by name and outcome", ("job", "outcome"), registry=self._registry
        )
        self._took = Histogram(
            "yieldbot_job_duration_seconds", "Time of a job", ("job",), buckets=RUN_SECONDS, registry=self._registry
        )
        self._runs = Counter(
            "yieldbot_runs", "The server's own jobs by name and outcome", ("job", "outcome"), registry=self._registry
        )
        self._ran = Histogram(
            "yieldbot_run_duration_seconds",
            "Time of one of the server's own jobs",
            ("job",),
            buckets=RUN_SECONDS,
            registry=self._registry,
        )
        self._calls = RpcCalls()
        service.workers.ended = self._job
        service.workers.counted = self._calls.add
        service.jobs.ended.append(self._run)
        self._registry.register(State(service))
        self._registry.register(self._calls)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer. route: the route's template, as ``/v1/markets/{key}``; ``other`` where no route matched."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self._latency.labels(route, known, str(status)).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _job(self, job: str, outcome: str, seconds: float) -> None:
        self._jobs.labels(job, outcome).inc()
        self._took.labels(job).observe(seconds)

    def _run(self, job: str, end: JobEnd) -> None:
        self._runs.labels(job, end.outcome).inc()
        self._ran.labels(job).observe(end.seconds)


class RpcCalls(Collector):
    """Requests of worker processes to RPC endpoints, by the endpoint's number and outcome. Workers count them and
    return the counts with their answers."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[list[int], float]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Add the requests that one worker counted."""
        for provider, outcome, classes, seconds in rows:
            before, spent = self._found.get((provider, outcome), ([0] * len(classes), 0.0))
            both = [one + other for one, other in zip(before, classes, strict=True)]
            self._found[provider, outcome] = both, spent + seconds

    def describe(self) -> Iterable[Metric]:
        """No metric is computed when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One histogram."""
        words = "Time of a request to an RPC endpoint, by provider and outcome"
        family = HistogramMetricFamily("yieldbot_rpc_request_duration_seconds", words, labels=("provider", "outcome"))
        bounds = [*map(str, BUCKETS), "+Inf"]
        for labels, (classes, seconds) in sorted(self._found.items()):
            family.add_metric(labels, list(zip(bounds, accumulate(map(float, classes)), strict=True)), seconds)
        yield family


class State(Collector):
    """The server's present state as gauges."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """No metric is computed when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Gauges of this moment."""
        service = self._service
        age = time.time() - service.read_at if service.read_at else float("inf")
        yield _one("yieldbot_last_reading_age_seconds", "Seconds since every chain was read", age)
        yield _one("yieldbot_reading_failing", "1 while the last reading failed", service.failing is not None)
        now = time.time()
        ends = service.jobs.ends.items()
        ages: dict[tuple[str, ...], float] = {
            (name,): now - (end.succeeded_at or service.began_at) for name, end in ends
        }
        yield _by("yieldbot_last_success_age_seconds", "Seconds since a job last did not fail", ("job",), ages)
        judged = ("forecaster", "market_class", "horizon_days")
        yield _by("yieldbot_forecast_skill", "1 - loss / persistence's", judged, service.forecast_skill())
        yield _one("yieldbot_halted", "1 while a halt is in force", service.halted() is not None)
        away = service.signer is not None and service.signer.away is not None
        yield _one("yieldbot_signer_away", "1 while the signer does not answer, or its journal does not fit", away)
        yield _by("yieldbot_markets", "Markets that were read", ("chain",), _counted(service, "markets", "chain"))
        yield _by("yieldbot_alarms", "Alarms that stand", ("code",), _alarms(service))
        held, earning = _held(service)
        yield _by("yieldbot_held_tokens", "Money in markets, in whole tokens", ("wallet", "chain", "asset"), held)
        wealth = _wealth(service, held)
        yield _by("yieldbot_wealth_tokens", "Money in markets and the wallet", ("wallet", "chain", "asset"), wealth)
        gaps = service.gaps()
        yield _by("yieldbot_gap_bps", "The newest plan's gap to its proven bound", ("wallet", "chain"), gaps)
        yield _by("yieldbot_held_apy", "What it earns, weighted, a fraction", ("wallet", "chain", "asset"), earning)
        states = service.journal_states()
        yield _by("yieldbot_plans", "Plans by status", ("status",), states["plans"])
        yield from _assistant(service)
        yield _by("yieldbot_transactions", "Signed transactions by result", ("result",), states["transactions"])


def _assistant(service: Service) -> Iterator[GaugeMetricFamily]:
    """What the assistant used in the last day, by version of the prompts; none without an assistant."""
    if service.assistant is None:
        return
    try:
        found = service.assistant.usage(1).prompts
    except YieldbotError:  # its file is damaged, which it says itself
        return
    by = ("prompt", "model")
    names = {(one.prompt, one.model): one for one in found}
    asked: dict[tuple[str, ...], float] = {(*key, "all"): float(one.requests) for key, one in names.items()}
    failed: dict[tuple[str, ...], float] = {
        (*key, kind): float(count) for key, one in names.items() for kind, count in one.failures.items()
    }
    yield _by("yieldbot_assistant_requests", "Requests of a day to a model", (*by, "outcome"), asked | failed)
    kinds = ("input", "cached", "output")
    tokens: dict[tuple[str, ...], float] = {
        (*key, kind): float(getattr(one, f"{kind}_tokens")) for key, one in names.items() for kind in kinds
    }
    yield _by("yieldbot_assistant_tokens", "Tokens of a day", (*by, "kind"), tokens)
    cost: dict[tuple[str, ...], float] = {key: one.nanodollars / 1e9 for key, one in names.items()}
    yield _by("yieldbot_assistant_dollars", "Price of a day's requests, in US dollars", by, cost)
    slow = {(*key, "0.5"): one.median_milliseconds for key, one in names.items()}
    slow |= {(*key, "0.95"): one.p95_milliseconds for key, one in names.items()}
    times: dict[tuple[str, ...], float] = {key: value / 1000 for key, value in slow.items() if value is not None}
    yield _by("yieldbot_assistant_seconds", "Time of a request, by quantile", (*by, "quantile"), times)


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=float(value))


def _by(name: str, words: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counted(service: Service, name: str, field: str) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for row in service.newest(name).rows:
        found[(row[field],)] = found.get((row[field],), 0.0) + 1.0
    return found


def _alarms(service: Service) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for row in service.newest("markets").rows:
        for alarm in row["alarms"]:
            found[(alarm["code"],)] = found.get((alarm["code"],), 0.0) + 1.0
    return found


def _held(service: Service) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """Whole tokens in markets, and their mean yield weighted by them."""
    money: dict[tuple[str, ...], float] = {}
    earns: dict[tuple[str, ...], float] = {}
    for row in service.newest("positions").rows:
        key, held = _place(row), float(row["held"]["text"])
        money[key] = money.get(key, 0.0) + held
        earns[key] = earns.get(key, 0.0) + held * (row["apy_now"] or 0.0)
    return money, {key: earns[key] / whole for key, whole in money.items() if whole}


def _wealth(service: Service, held: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """Whole tokens in markets and in the wallet, where its balance is known."""
    return {key: held.get(key, 0.0) + idle for key, idle in service.idle.items()}


def _place(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["wallet"], row["chain"], row["asset"]
