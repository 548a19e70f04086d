"""A server's jobs: when they are due, how they end, everything once (``serve --once``); and where it may listen."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.config.files import SETTINGS, written
from tests.unit.api.conftest import served
from tests.unit.app.test_overview import Quiet, context
from yieldbot.app import serve as use
from yieldbot.app.context import Context
from yieldbot.app.notice_runs import of_jobs
from yieldbot.app.run_documents import RunDocument
from yieldbot.app.serve import ServeRequest, check, timings
from yieldbot.app.workers import WorkerFailed
from yieldbot.cli.main import parser
from yieldbot.errors import ConfigError

__all__ = ["context", "served"]

BUSY = WorkerFailed("another run is in progress in data; it will end by itself, try again then", "RunInProgress")


def run_document(code: int, **row: Any) -> dict[str, Any]:
    """A run's document with one job, as a worker answers."""
    head = {"wallet": "main", "chain": "base", "error": None, "skipped": None, "declined": None}
    return {"exit_code": code, "jobs": [head | row]}


def configured(folder: Path, serve: str) -> Context:
    return Context(written(folder, SETTINGS + serve, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))


def test_when_jobs_are_due_is_configured_and_flags_come_first(tmp_path: Path) -> None:
    made = configured(tmp_path, '[serve]\nwatch = "10m"\nsettle = "never"\nclaim = "7 6 * * *"\njitter = "3s"\n')
    found = timings(ServeRequest(), made)
    assert {name: one.text for name, one in found.items()} == {"observe": "5m", "watch": "10m", "claim": "7 6 * * *"}
    assert list(found) == ["observe", "watch", "claim"] and made.settings.serving.jitter_seconds == 3
    request = ServeRequest(observe_every="*/2 * * * *", plan_every="1h", jobs=("watch=never", "settle=1m"))
    found = timings(request, made)
    assert {name: one.text for name, one in found.items()} == {
        "observe": "*/2 * * * *",
        "settle": "1m",
        "claim": "7 6 * * *",
        "plan": "1h",
    }


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        ('plan = "1s"', "serve.plan: '1s': write 15s to 32d"),
        ('plan = "61 * * * *"', "serve.plan: '61 * * * *': 61 is no minute"),
        ('observe = "never"', "serve.observe: a server answers from its readings"),
        ('jitter = "2h"', "serve.jitter: '2h' is no time up to an hour"),
        ('clean = "5m"', "serve.clean"),
        ("plan = 5", "serve.plan"),
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, serve: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assert configured(tmp_path, f"[serve]\n{serve}\n").settings
    assert why in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["watch", "dance=5m", "watch=soon", "watch=0 0 31 2 *", "observe=never", "=5m"])
def test_a_mistake_in_a_flag_is_one_line(context: Quiet, given: str) -> None:
    with pytest.raises(ConfigError, match="--job"):
        timings(ServeRequest(jobs=(given,)), context)


def test_how_a_job_ended_is_kept_and_said(served: Served) -> None:
    jobs, lines = served.service.jobs, served.service.context.lines  # type: ignore[attr-defined]
    ended = list[tuple[str, str]]()
    jobs.ended.append(lambda name, end: ended.append((name, end.outcome)))

    def run(name: str, answer: Any) -> tuple[str, int]:
        served.answers = {{"plan": "queue", "observe": "newest"}.get(name, name): answer}
        lines.clear()
        end = asyncio.run(jobs.run(name))
        assert end is jobs.ends[name] and (end.failure is None) is (end.outcome != "failed")
        return end.outcome, end.exit_code

    assert run("plan", run_document(0)) == ("done", 0) and lines == []
    assert run("plan", run_document(3, declined={"reason": "plan x waits"})) == ("waits", 3)
    assert lines == ["yieldbot: plan: main on base: plan x waits"]
    assert run("claim", run_document(4, declined={"reason": "no"})) == ("refused", 4)
    first = jobs.ends["plan"].succeeded_at
    assert run("plan", run_document(1, error={"message": "no disk"})) == ("failed", 1)
    assert run("plan", BUSY) == ("busy", 6) and "skipped: another run is in progress" in lines[0]
    assert jobs.ends["plan"].succeeded_at == first
    assert run("settle", {"settled": 2, "waits": [], "failures": []}) == ("done", 0) and "2 transactions" in lines[0]
    assert run("settle", {"settled": 0, "waits": ["0x: not mined"], "failures": []}) == ("open", 5)
    assert run("watch", {"jobs": [{"chain": "base", "skipped": "down", "messages": []}]}) == ("failed", 1)
    assert run("watch", {"jobs": [{"chain": "base", "skipped": None, "messages": [1]}]}) == ("done", 0)
    assert run("observe", WorkerFailed("down")) == ("failed", 1) and lines == ["yieldbot: observe: failed: down"]
    assert ended[0] == ("plan", "done") and ended[-1] == ("observe", "failed")


def test_failing_jobs_are_news_once_each_time(served: Served) -> None:
    served.answers = {"watch": WorkerFailed("down"), "claim": BUSY}
    for name in ("observe", "watch", "claim"):
        asyncio.run(served.service.jobs.run(name))
    counted = dict[str, float]()
    (end,) = of_jobs(served.service.jobs.ends, counted).ends
    assert (end.name, end.failure) == ("watch", "failed: down") and of_jobs(
        served.service.jobs.ends, counted
    ).ends == ()


def test_jobs_that_hold_the_run_lock_take_turns(served: Served) -> None:
    under_way, most = list[str](), 0

    async def slow(job: str, request: Any, seconds: float, *, own: bool = False) -> dict[str, Any]:
        nonlocal most
        under_way.append(job)
        most = max(most, len(under_way))
        for _ in range(5):
            await asyncio.sleep(0)
        under_way.remove(job)
        assert own
        return run_document(0) if job != "settle" else {"settled": 0, "waits": [], "failures": []}

    served.service.workers.run = slow  # type: ignore[method-assign]

    async def all_at_once() -> None:
        await asyncio.gather(*(served.service.jobs.run(name) for name in ("plan", "claim", "settle")))

    asyncio.run(all_at_once())
    assert most == 1


def test_everything_once_ends_with_the_gravest_code(served: Served) -> None:
    served.asked.clear()
    request = ServeRequest(jobs=("watch=1h", "settle=1h", "claim=@daily", "plan=1h"))
    served.answers = {"claim": run_document(0), "queue": run_document(3), "watch": {"jobs": []}}
    assert asyncio.run(use.once(served.service, request)) == 3
    assert [name for name, _ in served.asked] == ["newest", "watch", "settle", "claim", "queue"]
    served.answers["watch"] = WorkerFailed("down")
    assert asyncio.run(use.once(served.service, request)) == 1
    assert asyncio.run(use.once(served.service, ServeRequest())) == 0


def test_the_answers_that_these_tests_give_have_the_real_documents_fields() -> None:
    rows = RunDocument.model_json_schema()["$defs"]
    names = {name for row in ("JobReport", "JobFailure") for name in rows[row]["properties"]}
    assert set(run_document(0)["jobs"][0]) <= names and json.dumps(run_document(0))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"host": "0.0.0.0"}, "others could listen in: add --tls-cert and --tls-key, or --behind-proxy NETWORK"),
        ({"host": "::"}, "others could listen in"),
        ({"host": "192.0.2.7"}, "others could listen in"),
        ({"host": "an.example"}, "others could listen in"),
        ({"host": "0.0.0.0", "proxy": "a proxy"}, "write the proxy's network as 10.0.0.0/8"),
        ({"certificate": Path(__file__)}, "--tls-cert and --tls-key belong together"),
        ({"certificate_key": Path(__file__)}, "--tls-cert and --tls-key belong together"),
        ({"certificate": Path("none.pem"), "certificate_key": Path(__file__)}, "none.pem: there is no such file"),
        ({"port": 65_536}, "write a number from 0 to 65535"),
        ({"port": -1}, "write a number from 0 to 65535"),
    ],
)
def test_another_address_takes_tls_or_a_proxy(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        check(ServeRequest(**given))
    for good in (
        *({"host": host} for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost", "::ffff:127.0.0.1")),
        {"host": "0.0.0.0", "certificate": Path(__file__), "certificate_key": Path(__file__)},
        {"host": "0.0.0.0", "proxy": "10.0.0.0/8"},
    ):
        check(ServeRequest(**good))
    assert (ServeRequest().host, ServeRequest().port) == ("127.0.0.1", 8377)
    args = parser(["serve"]).parse_args(["serve"])
    assert (args.host, args.port) == ("127.0.0.1", 8377)
