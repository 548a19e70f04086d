"""docs/json.md says of every document what its fields say of themselves."""

from __future__ import annotations

import json

from tests.docs.json_reference import BEGIN, END, PAGE, documents, page
from yieldbot.app.document import Document, Part


def test_the_reference_is_what_the_documents_say() -> None:
    written = PAGE.read_text()
    assert written.count(BEGIN) == written.count(END) == 1
    assert page(written) == written, "run ./scripts/json-docs"


def test_every_field_of_a_document_is_described() -> None:
    pending: list[type[Part]] = [Part]
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        bare = [name for name, field in model.model_fields.items() if not field.description]
        assert not bare or not model.__module__.startswith("yieldbot."), f"{model.__name__}: {', '.join(bare)}"
        whole = model.__pydantic_generic_metadata__["origin"] or model  # of a generic one, with what it is of
        assert whole.__doc__, model.__name__


def test_a_document_begins_with_its_schema() -> None:
    for schema, document in documents().items():
        assert issubclass(document, Document) and schema == document.schema_name()
    down = documents()["yieldbot/sandbox-down/v1"](directory="/s", stopped=True, nodes=())
    assert json.dumps(down.as_json()).startswith('{"schema": "yieldbot/sandbox-down/v1", "directory"')
