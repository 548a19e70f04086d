"""The units, the alert rules and the board: sound, and about metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit import ROOT
from yieldbot.api.metrics import Metrics, State

FOLDER = ROOT / "docs" / "operations"
RULES = (FOLDER / "alerts.yml").read_text()
NAMED = re.compile(r"yieldbot_[a-z_]+")
UNITS = sorted(FOLDER.glob("*.service")) + sorted(FOLDER.glob("*.timer"))


def known() -> set[str]:
    """Names of all metrics, with what histograms and counters add."""
    nothing = SimpleNamespace(rows=())
    service: Any = SimpleNamespace(
        workers=SimpleNamespace(), read_at=1, failing=None, halted=lambda: None, newest=lambda name: nothing,
        journal_states=lambda: {"plans": {}, "transactions": {}}, forecast_skill=lambda: {},
        jobs=SimpleNamespace(ends={}, ended=[]), signer=None, idle={}, gaps=lambda: {},
        assistant=SimpleNamespace(usage=lambda days: SimpleNamespace(prompts=())),
    )  # fmt: skip
    metrics = Metrics(service)
    names = {family.name for family in metrics._registry.collect()} | {one.name for one in State(service).collect()}
    return names | {name + end for name in names for end in ("_total", "_bucket", "_count")}


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_they_name_metrics_that_there_are(file: str) -> None:
    named = set(NAMED.findall((FOLDER / file).read_text()))
    assert named and named <= known(), named - known()


def labels() -> dict[str, set[str]]:
    """The labels of each metric, as the page lists them."""
    found = dict[str, set[str]]()
    for cell, of in re.findall(r"^\| (`yieldbot_[^|]+)\|([^|]*)\|", (ROOT / "docs" / "api.md").read_text(), re.M):
        names, each = NAMED.findall(cell), [set(re.findall(r"\w+", part)) for part in of.split(";")]
        found |= dict(zip(names, each if len(each) > 1 else each * len(names), strict=True))
    return {name.removesuffix("_total"): own for name, own in found.items()}


def queries() -> list[str]:
    """Every query of the rules and of the board."""
    rules = re.findall(r"^ +expr: (?:>-\n)?(.+?)(?=\n +(?:for|labels):)", RULES, re.M | re.S)
    assert len(rules) == RULES.count("expr:")
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


def test_queries_name_labels_that_their_metrics_have() -> None:
    known_labels = labels()
    assert set(known_labels) == {re.sub("_(total|bucket|count|created)$", "", one) for one in known()}
    for query in queries():
        assert all(query.count(left) == query.count(right) for left, right in ("()", "{}", "[]")), query
        used = set[str]()
        for name, matchers in re.findall(r"(yieldbot_[a-z_]+)(?:\{([^}]*)\})?", query):
            bare = re.sub("_(bucket|count|sum|total)$", "", name)
            own = known_labels[bare] | ({"le"} if name.endswith("_bucket") else set())
            used |= own
            parts = [one for one in re.split(r",\s*(?=\w+\s*[=!])", matchers) if one]
            assert all(re.fullmatch(r'\w+\s*(=|!=|=~|!~)\s*"[^"]*"', one) for one in parts), query
            assert {re.split("[=!]", one)[0].strip() for one in parts} <= own, query
        for grouped in re.findall(r"\bby \(([^)]*)\)", query):
            assert {one.strip() for one in grouped.split(",")} <= used, query


def test_the_rules_have_the_form_that_prometheus_takes() -> None:
    rules = RULES.split("      - alert: ")[1:]
    for rule in rules:
        keys = re.findall(r"^ {8}(\w+):", rule, re.M)
        assert keys in (["expr", "for", "labels", "annotations"], ["expr", "labels", "annotations"]), rule
        assert re.search(r"labels: \{ severity: (page|ticket) \}", rule) and re.search('summary: "[^"]+" }', rule)
        assert all(re.fullmatch("[0-9]+[smhd]", one) for one in re.findall(r" for: (\S+)", rule)), rule


def test_the_page_lists_every_metric() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    bare = {re.sub("_(total|bucket|count|created)$", "", name) for name in known()}
    assert {name for name in bare if f"`{name}" not in page} == set()


def test_each_panel_says_what_it_shows() -> None:
    board = json.loads((FOLDER / "grafana.json").read_text())
    assert len(board["panels"]) == len({panel["id"] for panel in board["panels"]}) == 13
    assert all(panel["description"] and panel["targets"][0]["expr"] for panel in board["panels"])


def test_each_alert_has_its_remedy_on_the_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text())
    assert len(alerts) == 10 and all(f"| {alert} |" in page for alert in alerts)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    for one in UNITS:  # with a program that is there in place of ours
        text = re.sub(r"^(User|Group|WorkingDirectory|Documentation)=.*\n", "", one.read_text(), flags=re.M)
        (tmp_path / one.name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert not ours, done.stderr
    assert all(f"\n{name}=" in f"\n{unit.read_text()}" for name in ("NoNewPrivileges",)) or unit.suffix == ".timer"


FIRES = """
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'yieldbot_last_reading_age_seconds', values: '0+60x60' }
      - { series: 'yieldbot_alarms{code="ORACLE"}', values: '0x20 1x40' }
      - { series: 'yieldbot_alarms{code="SPIKE"}', values: '1x60' }
      - { series: 'yieldbot_halted', values: '1x70' }
      - { series: 'yieldbot_jobs_total{job="plan",outcome="failed"}', values: '0+1x60' }
      - { series: 'yieldbot_rpc_request_duration_seconds_count{provider="a",outcome="ok"}', values: '0+1x60' }
      - { series: 'yieldbot_rpc_request_duration_seconds_count{provider="a",outcome="error"}', values: '0+1x60' }
    alert_rule_test:
      - { eval_time: 10m, alertname: YieldbotSilent, exp_alerts: [] }
      - eval_time: 40m
        alertname: YieldbotSilent
        exp_alerts: [{ exp_labels: { severity: page }, exp_annotations: { summary: SILENT } }]
      - { eval_time: 10m, alertname: YieldbotAlarm, exp_alerts: [] }
      - eval_time: 30m
        alertname: YieldbotAlarm
        exp_alerts: [{ exp_labels: { severity: page, code: ORACLE }, exp_annotations: { summary: ALARM } }]
      - eval_time: 40m
        alertname: YieldbotJobsFail
        exp_alerts: [{ exp_labels: { severity: ticket }, exp_annotations: { summary: FAIL } }]
      - eval_time: 60m
        alertname: YieldbotRpcErrors
        exp_alerts: [{ exp_labels: { severity: ticket, provider: a }, exp_annotations: { summary: RPC } }]
      - { eval_time: 50m, alertname: YieldbotHalted, exp_alerts: [] }
"""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's package prometheus) is not there")
def test_prometheus_takes_the_rules_and_the_boards_queries_and_alerts_fire(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(RULES)
    tests = FIRES
    for word, alert in {"SILENT": "Silent", "ALARM": "Alarm", "FAIL": "JobsFail", "RPC": "RpcErrors"}.items():
        summary = re.search(r'summary: ("[^"]+")', RULES.partition(f"alert: Yieldbot{alert}\n")[2])
        assert summary is not None
        tests = tests.replace(f"summary: {word} ", f"summary: {summary[1]} ")
    (tmp_path / "fires.yml").write_text(tests)
    board = "".join(f"  - record: board:query{at}\n    expr: {json.dumps(one)}\n" for at, one in enumerate(queries()))
    board = board.replace("$__rate_interval", "5m").replace("$__range", "1d")
    (tmp_path / "board.yml").write_text(f"groups:\n- name: board\n  rules:\n{board}")
    for words in (["check", "rules", "alerts.yml", "board.yml"], ["test", "rules", "fires.yml"]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
