"""docs/api-examples.md has every call in every language. That each gets what the page says is shown on the sandbox
(tests/evm/test_serve.py)."""

from __future__ import annotations

import json

from tests.docs.examples import LANGUAGES, examples, preamble
from tests.docs.json_reference import OPENAPI

DESCRIBED = {
    (f"{method.upper()} {path}", int(status))
    for path, methods in json.loads(OPENAPI.read_text())["paths"].items()
    for method, route in methods.items()
    for status in route["responses"]
}


def test_every_call_has_an_example_in_every_language() -> None:
    found = {(one.call, one.language) for one in examples()}
    assert found == {(call, language) for call, _ in DESCRIBED for language in LANGUAGES}


def test_each_names_a_status_that_its_call_may_get() -> None:
    wrong = [one for one in examples() if one.status >= 300 or (one.call, one.status) not in DESCRIBED]
    assert wrong == []


def test_what_they_need_first_is_there() -> None:
    assert "def call(" in preamble("python") and "function call(" in preamble("ts") and "export API" in preamble("sh")
