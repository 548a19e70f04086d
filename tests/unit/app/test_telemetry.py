"""Lines of the log: as text, or as JSON objects with the id of what is in progress."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from yieldbot.app import telemetry, tracing
from yieldbot.app.context import Context
from yieldbot.cli.main import main
from yieldbot.errors import ConfigError


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Whatever a test listens to is forgotten after it."""
    handlers, before = logging.getLogger().handlers[:], telemetry.current()
    logging.disable(logging.NOTSET)  # an interrupted command, in another test of this process, ends with it disabled
    yield
    telemetry.silent()
    telemetry.trace_by(None)
    telemetry.begin(before or "0")
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


class Lines:
    """What was written to stderr so far."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured, self._text = captured, ""

    def getvalue(self) -> str:
        self._text += self._captured.readouterr().err
        return self._text


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


def read(lines: Lines) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_progress_errors_and_details_are_objects_with_level_and_id(lines: Lines, tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    context.log_as("json")
    id = telemetry.begin()
    context.say("reading \x1b[31m base")
    context.complain("it\nbroke")
    context.detail("silent without -v")
    context.verbose = True
    context.detail("shown")
    found = read(lines)
    assert [(one["level"], one["event"]) for one in found] == [("info", "line"), ("error", "line"), ("debug", "line")]
    assert all(one["id"] == id and str(one["at"]).endswith("Z") for one in found)
    assert found[0]["message"] == "reading �[31m base" and "\n" not in str(found[1]["message"])


def test_no_secret_is_written(lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_RPC_URL", "https://node.example/v2/hunter2hunter2")
    context = Context(tmp_path / "yieldbot.toml")
    context.log_as("json")
    context.complain("https://node.example/v2/hunter2hunter2 is away")
    logging.getLogger("urllib3").warning("retrying %s", "https://node.example/v2/hunter2hunter2")
    assert "hunter2" not in lines.getvalue() and lines.getvalue().count(telemetry.HIDDEN) == 2


def test_what_libraries_say_is_an_object_too(lines: Lines, tmp_path: Path) -> None:
    Context(tmp_path / "yieldbot.toml").log_as("json")
    logging.getLogger("some.library").warning("old %s", "thing")
    logging.getLogger("some.library").info("nothing of note")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated", stacklevel=1)
    first, second = read(lines)
    assert (first["event"], first["logger"], first["message"]) == ("library", "some.library", "old thing")
    assert "deprecated" in str(second["message"])


def test_a_closed_stderr_stops_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    context = Context(tmp_path / "yieldbot.toml")
    context.log_as("json")
    closed.close()
    context.say("nobody reads this")
    telemetry.answered("/v1/markets", "GET", 200, 0.001, "reader")
    assert telemetry.passed_on('{"at": "x", "event": "line"}')


def test_lines_of_other_processes_are_passed_on_only_if_they_are_such_objects(lines: Lines, tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    context.relay('{"at": "x", "event": "planned"}')
    assert lines.getvalue() == '{"at": "x", "event": "planned"}\n', "as text it is a line like others"
    context.log_as("json")
    for line in ('{"at": "x", "event": "planned", "id": "7"}', '{"event": "planned"}', "[1]", '{"at"', "plain " * 200):
        context.relay(line)
    first, *others = read(lines)[1:]
    assert first == {"at": "x", "event": "planned", "id": "7"}
    assert [one["event"] for one in others] == ["line"] * 4
    assert all(len(str(one["message"])) <= 500 for one in others)


def test_a_run_takes_the_id_of_what_it_is_part_of_and_a_second_one_another() -> None:
    id = telemetry.begin()
    assert telemetry.for_run() == id
    assert telemetry.for_run() not in ("", id)
    telemetry.begin(id)
    assert telemetry.for_run() != id


def test_an_unknown_format_is_one_line_and_errors_of_usage_have_the_format(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["markets", "--log-format", "json", "--nonsense"]) == 2
    (one,) = read(lines)
    assert one["level"] == "error" and "--nonsense" in str(one["message"])
    assert main(["markets", "--log-format", "xml"]) == 2
    telemetry.silent()
    monkeypatch.setenv(telemetry.VARIABLE, "JSON")
    assert main(["markets", "--log-format", "xml"]) == 2
    assert "xml is not allowed: known are: text, json" in json.loads(lines.getvalue().splitlines()[-1])["message"]


def test_a_variable_that_is_wrong_keeps_nobody_from_halting(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(telemetry.VARIABLE, "xml")
    config = tmp_path / "yieldbot.toml"
    config.write_text('schema = 1\ndata_dir = "."\n')
    assert main(["--config", str(config), "halt"]) == 0
    assert (
        lines.getvalue()
        .splitlines()[0]
        .startswith("yieldbot: YIELDBOT_LOG_FORMAT=xml is not known: write text or json")
    )
    assert (tmp_path / "HALT").exists()


def test_an_error_that_a_library_logs_has_its_kind_and_place(lines: Lines, tmp_path: Path) -> None:
    Context(tmp_path / "yieldbot.toml").log_as("json")
    for kind in (KeyError, asyncio.CancelledError):
        try:
            raise kind("x")
        except BaseException:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (one,) = read(lines)
    assert str(one["error"]).startswith("KeyError at test_telemetry.py:")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_off_until_a_collector_is_named(environment: dict[str, str], expected: bool) -> None:
    assert tracing.wanted(environment) is expected


def test_without_the_extra_a_named_collector_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="extra `otel`"):
        tracing.start("yieldbot-serve", print)


@pytest.mark.parametrize("name", ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_SCHEDULE_DELAY"])
def test_a_variable_that_the_sdk_refuses_costs_the_traces_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(name, "-1")
    said = list[str]()
    tracing.start("yieldbot-serve", said.append)
    assert tracing.carrier() == {} and len(said) == 1 and "no traces are sent" in said[0]


def test_a_collector_that_is_away_is_said_once_and_costs_no_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.2)
    said = list[str]()
    tracing.start("yieldbot-worker", said.append)
    for _ in range(2):
        with telemetry.span("cycle", chain="base"):
            assert tracing.carrier()["traceparent"].startswith("00-")
        tracing._provider.force_flush(300)
    tracing.end()
    assert tracing.carrier() == {}
    (one,) = said
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in one
