"""The bill of materials names everything that the lock files pin, and is reproducible."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tests.supply import sbom
from tests.supply.imports import documented
from tests.supply.locks import CONTAINER, INSPECTOR, INSTALLED, NPM, PYTHON, ROOT, canonical, npm_packages, pinned


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return sbom.document(0)


def test_the_lock_files_are_whole() -> None:
    for lock in PYTHON:
        text = lock.read_text()
        assert len(pinned(lock)) == text.count("==") - text.count("== '") and all(one.sha256 for one in pinned(lock))
        assert sum(len(one.sha256) for one in pinned(lock)) == text.count("--hash=")
    assert len(npm_packages()) == len(json.loads(NPM.read_text())["packages"]) - 1
    for lock in (NPM, INSPECTOR):
        assert all(one.integrity.startswith("sha512-") for one in npm_packages(lock))


def test_every_installed_package_is_in_the_bill_at_its_version(bill: dict[str, Any]) -> None:
    known = {(one["name"], one["version"]) for one in bill["components"]}
    here = {(canonical(one.name), one.version) for one in distributions(path=[str(_site())])}
    ours = {name for name, _ in here if name in ("yieldbot", "pip", "setuptools", "wheel")}
    strange = {found for found in here if found[0] not in ours} - known
    assert len(here) > 80 and not strange, f"installed beside a key and in no lock file: {sorted(strange)}"


def _site() -> Path:
    return Path(pytest.__file__).parents[1]


def test_every_pinned_package_is_in_it_once_with_its_hashes(bill: dict[str, Any]) -> None:
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    by_ref = {one["bom-ref"]: one for one in bill["components"]}
    for one in pinned(INSTALLED):
        (files,) = by_ref[f"pkg:pypi/{one.name}@{one.version}"]["externalReferences"]
        assert [found["content"] for found in files["hashes"]] == list(one.sha256)
    for package in npm_packages():
        name = package.name.replace("@", "%40")
        assert len(by_ref[f"pkg:npm/{name}@{package.version}"]["hashes"][0]["content"]) == 128


def test_what_needs_what_is_closed_and_as_the_packages_say(bill: dict[str, Any]) -> None:
    refs = {one["bom-ref"] for one in bill["components"]} | {sbom.ROOT_REF}
    needs = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert needs.keys() == refs and all(children <= refs for children in needs.values())
    name_of = {one["bom-ref"]: one["name"] for one in bill["components"]}
    names = {name_of[ref]: {name_of[child] for child in children} for ref, children in needs.items() if ref in name_of}
    assert {"eth-keys", "eth-abi", "ckzg"} <= names["eth-account"] and names["hidapi"] == set()
    reached, todo = set[str](), [sbom.ROOT_REF]
    while todo:
        ref = todo.pop()
        reached.add(ref)
        todo += needs[ref] - reached
    asked = {
        one["bom-ref"]
        for one in bill["components"]
        if one["purl"].startswith("pkg:pypi") and one["scope"] != "excluded"
    }
    assert reached == asked | {sbom.ROOT_REF}


def test_the_scope_says_what_a_package_is_for(bill: dict[str, Any]) -> None:
    scope = {one["name"]: one["scope"] for one in bill["components"]}
    text = (ROOT / "docs" / "dependencies.md").read_text()
    always = ("Where a key is read and signs", "From the signature to the node", "In the same process")
    found = set[str]().union(*(documented(text, heading) for heading in always))
    for name in found - {"sniffio"}:  # httpcore2 loads it only where an extra brought it
        assert scope[name] == "required", name
    for heading in ("With a key in AWS KMS", "With a Ledger"):
        assert {scope[name] for name in documented(text, heading)} <= {"optional", "required"}
    assert {scope[name] for name in ("pytest", "moto", "pip-audit", "uv", "solc", "ethers")} == {"excluded"}
    assert scope["boto3"] == scope["anvil-linux-amd64"] == scope["htmx.org"] == "optional"


def test_every_direct_dependency_has_its_reason_in_the_document() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for group, names in sbom.groups(project["project"]).items():
        heading = "To run" if group == "run" else "By extra"
        assert names <= documented(text, heading), group


def test_two_bills_differ_in_their_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bill: dict[str, Any]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert sbom.main([str(tmp_path / "bill.json")]) == sbom.main([]) == 0
    written = (tmp_path / "bill.json").read_text()
    assert written == capsys.readouterr().out
    other = json.loads(written)
    assert other["metadata"].pop("timestamp") == "1970-01-02T00:00:00Z"
    first = json.loads(json.dumps(bill))
    assert first["metadata"].pop("timestamp") == "1970-01-01T00:00:00Z" and first == other
    assert first["specVersion"] == "1.6" and first["serialNumber"].startswith("urn:uuid:")


@pytest.mark.parametrize(
    ("words", "said"), [(["--output"], "name one file"), (["a", "b"], "name one file"), (["."], "Is a directory")]
)
def test_wrong_usage_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("scripts/sbom: ") and said in line


def test_a_line_that_is_no_lock_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.lock").write_text("web3>=8\n")
    with pytest.raises(ValueError, match=r"some\.lock:1: web3>=8"):
        pinned(tmp_path / "some.lock")


def test_the_container_holds_what_is_audited_and_nothing_to_test_with() -> None:
    held = {(one.name, one.version): one.sha256 for one in pinned(CONTAINER)}
    ours = {(one.name, one.version): one.sha256 for one in pinned(INSTALLED)}
    assert held and all(set(held[one]) <= set(ours[one]) for one in held)
    names = {name for name, _ in held}
    assert {"uvicorn", "boto3"} <= names and not {"pytest", "hypothesis", "moto", "ruff"} & names
    steps = (ROOT / "Containerfile").read_text()
    assert "--require-hashes" in steps and "USER 10001" in steps and "HEALTHCHECK" in steps
    assert (ROOT / ".containerignore").read_text().splitlines()[1] == "*", "no key, no .env in an image"
