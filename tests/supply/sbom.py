"""The software bill of materials, CycloneDX 1.6 in JSON, from the lock files alone: ``scripts/sbom [FILE]``.

Scopes: ``required`` is what a run cannot do without, ``optional`` what an extra of pyproject.toml adds, anvil (which
may also come from elsewhere) and what the web page loads, ``excluded`` what only develops, tests and audits, or builds
the sandbox.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.supply.locks import (
    CLUSTER,
    INSTALLED,
    NPM,
    PYTHON,
    ROOT,
    NpmPackage,
    Pinned,
    canonical,
    npm_packages,
    pinned,
)
from yieldbot import __version__
from yieldbot.model.text import one_line

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
ROOT_REF = f"pkg:pypi/yieldbot@{__version__}"
OPTIONAL_NPM = frozenset(("@foundry-rs/anvil-linux-amd64", "htmx.org", "uplot"))

Component = dict[str, Any]


def requirement_names(lines: Iterable[str]) -> set[str]:
    """The packages that requirements name, as ``eth-abi>=6,<7``."""
    return {canonical(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in lines}


def groups(project: Mapping[str, Any]) -> dict[str, set[str]]:
    """What pyproject.toml asks for to run, under ``run``, and for each extra, under its name."""
    extras = {name: requirement_names(lines) for name, lines in project["optional-dependencies"].items()}
    return {"run": requirement_names(project["dependencies"])} | extras


def reached(start: set[str], packages: Iterable[Pinned]) -> set[str]:
    """These packages and whatever they bring with them."""
    every, found = list(packages), set(start)
    while more := {one.name for one in every if found & set(one.parents)} - found:
        found |= more
    return found


def document(now: int) -> dict[str, Any]:
    """The bill. now: seconds since 1970, its time; all else is the same as long as the lock files are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = (*pinned(INSTALLED), *pinned(CLUSTER))
    names = {group: reached(asked, installed) for group, asked in groups(project).items()}
    python = [(one, lock) for lock in PYTHON for one in pinned(lock)]
    npm = npm_packages()
    components: dict[str, Component] = {}  # one of several locks: the first says what it is for
    for one, lock in python:
        components.setdefault(_python_ref(one), _python(one, lock, names))
    for package in npm:
        components.setdefault(_npm_ref(package), _npm(package))
    edges = _edges([one for one, _ in python], npm, set().union(*groups(project).values()))
    bill: dict[str, Any] = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "yieldbot scripts/sbom", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": ROOT_REF,
                "name": "yieldbot",
                "version": __version__,
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": ROOT_REF,
            },
        },
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(edges[ref])} for ref in sorted(edges)],
    }
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True)).urn
    bill["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return bill


def _edges(python: Iterable[Pinned], npm: Iterable[NpmPackage], direct: set[str]) -> dict[str, set[str]]:
    """Whom each needs. direct: what yieldbot itself asks for to run, and for its extras."""
    refs: dict[str, set[str]] = {}
    for one in python:
        refs.setdefault(one.name, set()).add(_python_ref(one))
    edges = {ref: set[str]() for of in refs.values() for ref in of}
    edges[ROOT_REF] = {ref for name in direct for ref in refs[name]}
    for one in python:
        for parent in one.parents:
            for ref in refs[parent]:
                edges[ref].add(_python_ref(one))
    paths = {package.path: _npm_ref(package) for package in npm}
    for package in npm:
        edges.setdefault(_npm_ref(package), set()).update(_npm_children(package, paths))
    return edges


def _python_ref(one: Pinned) -> str:
    return f"pkg:pypi/{one.name}@{quote(one.version)}"


def _npm_ref(one: NpmPackage) -> str:
    return f"pkg:npm/{quote(one.name, safe='/')}@{quote(one.version)}"


def _python(one: Pinned, lock: Path, names: Mapping[str, set[str]]) -> Component:
    of = [group for group, found in names.items() if one.name in found] if lock in (INSTALLED, CLUSTER) else []
    facts = [("yieldbot:lock", lock.relative_to(ROOT).as_posix())] + [("yieldbot:group", group) for group in of]
    facts += [("yieldbot:marker", one.marker)] if one.marker else []
    return {
        "type": "library",
        "bom-ref": _python_ref(one),
        "name": one.name,
        "version": one.version,
        "scope": "required" if "run" in of else "optional" if of else "excluded",
        "purl": _python_ref(one),
        "externalReferences": [
            {
                "type": "distribution",
                "url": _python_ref(one),
                "comment": "each of its files (wheels, source) that may be installed",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in one.sha256],
            }
        ],
        "properties": [{"name": name, "value": value} for name, value in facts],
    }


def _npm(one: NpmPackage) -> Component:
    ref = _npm_ref(one)
    scope, _, name = one.name.rpartition("/")
    algorithm, _, digest = one.integrity.partition("-")
    found: Component = {
        "type": "library",
        "bom-ref": ref,
        "name": name,
        "version": one.version,
        "scope": "optional" if one.name in OPTIONAL_NPM else "excluded",
        "purl": ref,
        "properties": [{"name": "yieldbot:lock", "value": NPM.name}],
    }
    found |= {"group": scope} if scope else {}
    found |= {"licenses": [{"license": {"name": one.license}}]} if one.license not in ("", "None") else {}
    if algorithm == "sha512":
        found["hashes"] = [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}]
    return found


def _npm_children(one: NpmPackage, paths: Mapping[str, str]) -> set[str]:
    """What a package asks for, found as node finds it: in its own node_modules, then in those above."""
    parts = ("/" + one.path).split("/node_modules/")
    folders = ["".join(f"node_modules/{part}/" for part in parts[1:end]) for end in range(len(parts), 0, -1)]
    found = set()
    for child in one.children:
        at = [ref for folder in folders if (ref := paths.get(f"{folder}node_modules/{child}")) is not None]
        found |= set(at[:1])  # none: an optional one that is not for this kind of machine
    return found


def main(words: list[str]) -> int:
    """Write the bill to FILE, or to standard output. 0; 2 for wrong usage."""
    if len(words) > 1 or (words and words[0].startswith("-")):
        print("scripts/sbom: name one file, or none for standard output: scripts/sbom [FILE]", file=sys.stderr)
        return 2
    try:
        now = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
        text = json.dumps(document(now), indent=1) + "\n"
        if words:
            Path(words[0]).write_text(text)
        else:
            sys.stdout.write(text)
    except (OSError, ValueError) as bad:
        print(f"scripts/sbom: {one_line(str(bad))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
