"""Known vulnerabilities of every pinned Python package, by pip-audit: ``scripts/audit [PIP_AUDIT_FLAGS]``.

pip-audit silently skips packages that the database does not know, and without a network it ends as it does for a
vulnerability. So its answer is compared with the lock files here.

Exit codes: 0 every package was asked about and nothing is known; 1 a vulnerability is known; 2 wrong usage; 3 not every
package could be asked about (no network, or a database that does not know them), and of the others nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.supply.locks import PYTHON, ROOT, canonical, pinned
from yieldbot.model.text import one_line

PROGRAM = ROOT / ".cache" / "audit" / "bin" / "pip-audit"
"""In an environment of its own: what asks the network stands beside no key."""
SERVICES = "a network that reaches the advisory database (PyPI's by default, OSV's with `-s osv`)"

Package = tuple[str, str]
"""Name and version."""


@dataclass
class Found:
    """known: each vulnerability, by package: its ids and the versions that mend it; asked: what was answered about."""

    known: dict[Package, list[str]] = field(default_factory=dict)
    asked: set[Package] = field(default_factory=set)
    failure: str = ""
    """Why pip-audit gave no answer at all, else empty."""


def rounds(packages: Iterable[Package]) -> list[list[Package]]:
    """The packages in lists that hold no name twice: pip-audit takes one version of each."""
    found: list[dict[str, str]] = []
    for name, version in packages:
        free = next((one for one in found if name not in one), None)
        if free is None:
            found.append(free := {})
        free[name] = version
    return [sorted(one.items()) for one in found]


def answer(found: Found, exit_code: int, out: str, err: str) -> None:
    """Take what pip-audit said (``--format json``) into ``found``."""
    try:
        document: Any = json.loads(out)
        for one in document["dependencies"]:
            if "skip_reason" in one:
                continue
            package = (canonical(one["name"]), str(one["version"]))
            found.asked.add(package)
            for each in one["vulns"]:
                names = ", ".join([each["id"], *each.get("aliases", [])])
                mended = ", ".join(each.get("fix_versions", [])) or "no version yet"
                found.known.setdefault(package, []).append(f"{names}: mended by {mended}")
    except (ValueError, KeyError, TypeError):
        last = err.strip().splitlines()[-1:] or [f"pip-audit ended with {exit_code} and said nothing"]
        found.failure = one_line(last[0], 300)


def verdict(found: Found, wanted: Collection[Package]) -> tuple[int, list[str]]:
    """The exit code and the lines that say why."""
    lines = [f"{name} {version}: {line}" for (name, version), all_of in sorted(found.known.items()) for line in all_of]
    unasked = sorted(set(wanted) - found.asked)
    if unasked:
        first = ", ".join(f"{name} {version}" for name, version in unasked[:3])
        more = f" and {len(unasked) - 3} more" if len(unasked) > 3 else ""
        why = found.failure or "the advisory database does not know them"
        lines.append(f"NOT AUDITED: {len(unasked)} of {len(wanted)} packages ({first}{more}): {why}")
        lines.append(f"what is needed: {SERVICES}")
    if not lines:
        lines.append(f"{len(wanted)} packages of {len(PYTHON)} lock files: no vulnerability is known")
    return 1 if found.known else 3 if unasked else 0, lines


def main(flags: list[str]) -> int:
    """Ask about every package of the lock files, whatever interpreter or system it is for."""
    if {"-h", "--help"} & set(flags):
        print(__doc__)
        return 0
    wanted = {(one.name, one.version) for lock in PYTHON for one in pinned(lock)}
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        for packages in rounds(sorted(wanted)):
            file = Path(folder) / "requirements.txt"
            file.write_text("".join(f"{name}=={version}\n" for name, version in packages))
            command = [str(PROGRAM), "-r", str(file), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
            done = subprocess.run([*command, "--format", "json", *flags], capture_output=True, text=True, check=False)
            if done.returncode == 2:
                print(f"scripts/audit: {one_line(done.stderr.strip().splitlines()[-1], 300)}", file=sys.stderr)
                return 2
            answer(found, done.returncode, done.stdout, done.stderr)
    code, lines = verdict(found, wanted)
    print("\n".join(lines), file=sys.stderr if code == 3 else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
