"""What runs in a process that holds a key is what docs/dependencies.md lists, and nothing else."""

from __future__ import annotations

from pathlib import Path
from pkgutil import walk_packages

import pytest

from tests.supply.imports import Stage, closure, distributions, documented
from tests.supply.locks import ROOT
from yieldbot import protocols
from yieldbot.app import signer_work
from yieldbot.chains.evm.execution import leg, submit
from yieldbot.chains.evm.signing import keystore, kms, ledger, ledger_hid, sign
from yieldbot.chains.solana.execution import leg as svm_leg
from yieldbot.chains.solana.execution import submit as svm_submit
from yieldbot.chains.solana.node import transport as svm_client
from yieldbot.chains.solana.signing import keystore as svm_keystore
from yieldbot.cli import run, signer
from yieldbot.rpc import endpoint

SENDS = f"""
from {endpoint.__name__} import Endpoint
from {svm_client.__name__} import Provider
from yieldbot.errors import YieldbotError

async def send(endpoint, method):
    try:
        await endpoint.request(method, ["0x00"])
    except YieldbotError:
        await endpoint.aclose()
    else:
        raise SystemExit("somebody listens on port 9 of this machine")

asyncio.run(send(Endpoint("http://127.0.0.1:9"), "eth_sendRawTransaction"))
asyncio.run(send(Endpoint("http://127.0.0.1:9", provider=Provider), "sendTransaction"))
"""
"""What the clients load only when they send: nobody listens where they do."""

STAGES = {
    "Where a key is read and signs": Stage([module.__name__ for module in (sign, keystore, svm_keystore)]),
    "From the signature to the node": Stage(
        [module.__name__ for module in (submit, leg, svm_submit, svm_leg, endpoint, svm_client)], SENDS
    ),
    "With a key in AWS KMS": Stage([kms.__name__]),
    "With a Ledger": Stage([ledger.__name__, ledger_hid.__name__]),
    "In the same process": Stage(
        [
            run.__name__,
            signer.__name__,
            signer_work.__name__,
            *(found.name for found in walk_packages(protocols.__path__, f"{protocols.__name__}.")),
        ]
    ),
}
"""By the heading in docs/dependencies.md that lists what each adds to those before it."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    return dict(zip(STAGES, distributions(list(STAGES.values())), strict=True))


@pytest.mark.parametrize("heading", STAGES)
def test_the_signing_path_imports_what_is_listed_and_nothing_else(heading: str, loaded: dict[str, set[str]]) -> None:
    listed, found = documented((ROOT / "docs" / "dependencies.md").read_text(), heading), loaded[heading]
    assert found == listed, (
        f"docs/dependencies.md, {heading}: new and not listed {sorted(found - listed)}, "
        f"listed and not imported {sorted(listed - found)}"
    )


def test_the_signer_has_no_server_no_pages_no_model_and_no_extras() -> None:
    ours, others = closure([signer.__name__, signer_work.__name__])
    assert "yieldbot.signer.listening" in ours and "yieldbot.app.run" in ours
    assert not [
        name
        for name in ours
        if name.startswith(
            ("yieldbot.api", "yieldbot.mcp", "yieldbot.assistant", "yieldbot.app.desk", "yieldbot.app.serv")
        )
    ]
    tops = {name.partition(".")[0] for name in others}
    assert not tops & {
        "fastapi",
        "starlette",
        "uvicorn",
        "mcp",
        "jinja2",
        "anthropic",
        "prometheus_client",
        "matplotlib",
        "opentelemetry",
    }


def test_an_import_inside_a_function_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yieldbot").mkdir()
    (tmp_path / "yieldbot" / "__init__.py").touch()
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import for_types\nelse:\n    import other\n"
        "def f():\n    if f:\n        from yieldbot import b\n"
    )
    (tmp_path / "yieldbot" / "a.py").write_text(text)
    (tmp_path / "yieldbot" / "b.py").write_text("class C:\n    def g(self):\n        import deep.down as down\n")
    monkeypatch.setattr("tests.supply.imports.ROOT", tmp_path)
    assert closure(["yieldbot.a"]) == ({"yieldbot", "yieldbot.a", "yieldbot.b"}, {"other", "deep.down"})
