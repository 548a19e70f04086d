"""A problem's document in, the answer's out; what the allocator says is what the document says."""

from __future__ import annotations

import json

import pytest

from tests.bench.problems import problem
from yieldbot.allocator.answer import pose, solve
from yieldbot.allocator.document import read
from yieldbot.app.allocate import AllocateRequest, allocate
from yieldbot.app.allocate_documents import AllocationDocument
from yieldbot.errors import ConfigError


def test_the_document_is_the_allocators_answer() -> None:
    posed = problem(1, 6)
    found = allocate(AllocateRequest(problem="-", piped=lambda most: json.dumps(posed).encode())).as_json()
    answer = solve(pose(read(posed)))
    assert json.dumps(found) == json.dumps(answer)


def test_a_swap_keeps_its_names() -> None:
    answer = solve(pose(read(problem(1, 6))))
    swap = {"from": "A", "to": "B", "in": "1.5", "out": "2"}
    assert AllocationDocument.of(answer | {"swaps": [swap]}).as_json()["swaps"] == [swap]


def test_what_is_no_problem_is_named() -> None:
    with pytest.raises(ConfigError, match="standard input: line 1, column 1"):
        allocate(AllocateRequest(problem="-", piped=lambda most: b"x"))
