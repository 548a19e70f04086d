"""REST at a real socket keeps to its description, whatever is sent (schemathesis)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.kit.api.served import Served
from tests.kit.draws import draws
from tests.unit.api.conftest import served
from tests.unit.app.test_overview import context
from yieldbot.api.connections import Connection
from yieldbot.app.plan_documents import PlanDocument
from yieldbot.app.run_documents import RunDocument
from yieldbot.app.workers import WorkerFailed

__all__ = ["context", "served"]


@contextmanager
def listening(application: Any) -> Iterator[str]:
    """The application behind the server's own protocol, in a thread: its URL."""
    one = uvicorn.Server(uvicorn.Config(application, port=0, http=Connection, lifespan="off", log_config=None))
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not one.started:
            assert time.monotonic() < until and thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{one.servers[0].sockets[0].getsockname()[1]}"
    finally:
        one.should_exit = one.force_exit = True
        thread.join()


def test_the_server_keeps_to_it_whatever_is_sent(served: Served) -> None:
    """A sample in the suite, all draws in scripts/soak. No answer is a 5xx but the ones of a chain that is away."""
    served.answers = {
        "queue": RunDocument(exit_code=0, jobs=(), across_chains=()).as_json(),
        "plan": PlanDocument(what_if=None, jobs=(), across_chains=()).as_json(),
        "quote": WorkerFailed("no pool has it", "ConfigError"),
    }
    headers = served.key("read", "plan", "halt")
    with listening(served.app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        seen = set[str]()

        def keeps(operation: Any) -> None:
            @given(case=operation.as_strategy())
            @settings(max_examples=draws(6, 400), deadline=None, suppress_health_check=list(HealthCheck))
            def sent(case: Any) -> None:
                case.headers = {**(case.headers or {}), **headers}
                response = case.call()
                seen.add(f"{case.method} {case.path}")
                case.validate_response(response, excluded_checks=[positive_data_acceptance])
                for one in ("_keys", "_addresses", "_attempts"):
                    getattr(served.service.admission, one)._known.clear()

            sent()

        for operation in operations:
            keeps(operation)
    assert len(seen) == len(operations) == sum(len(methods) for methods in served.app.openapi()["paths"].values())
