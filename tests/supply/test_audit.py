"""An audit that could not check every package does not succeed. pip-audit's output is that of version 2.10.1."""

from __future__ import annotations

import json

import pytest

from tests.supply import audit
from tests.supply.audit import Found, answer, rounds, verdict

WANTED = [("idna", "3.20"), ("requests", "2.34.2")]

SOUND = '{"dependencies": [{"name": "idna", "version": "3.20", "vulns": []}, {"name": "requests", "version": "2.34.2", "vulns": []}], "fixes": []}'  # noqa: E501
KNOWN = '{"dependencies": [{"name": "idna", "version": "3.20", "vulns": [{"id": "PYSEC-0000-1", "fix_versions": ["99"], "aliases": ["CVE-0000-1"], "description": "double"}]}, {"name": "requests", "version": "2.34.2", "vulns": []}], "fixes": []}'  # noqa: E501
"""From a double of OSV's service on loopback."""
SKIPPED = '{"dependencies": [{"name": "idna", "skip_reason": "Dependency not found on PyPI and could not be audited: idna (3.20)"}, {"name": "requests", "version": "2.34.2", "vulns": []}], "fixes": []}'  # noqa: E501
"""From a package index that has no advisories: pip-audit ended with 0 and "No known vulnerabilities found"."""
NO_NETWORK = "Traceback (most recent call last):\n  ...\nrequests.exceptions.ConnectionError: Failed to resolve 'osv'\n"


def said(code: int, out: str, err: str = "") -> tuple[int, str]:
    found = Found()
    answer(found, code, out, err)
    ended, lines = verdict(found, WANTED)
    return ended, "\n".join(lines)


def test_all_asked_and_nothing_known() -> None:
    code, text = said(0, SOUND)
    assert code == 0 and text == "2 packages of 4 lock files: no vulnerability is known"


def test_a_known_vulnerability_is_told_with_its_remedy() -> None:
    assert said(1, KNOWN) == (1, "idna 3.20: PYSEC-0000-1, CVE-0000-1: mended by 99")


def test_what_was_skipped_in_silence_is_not_called_sound() -> None:
    code, text = said(0, SKIPPED)
    assert code == 3 and text.startswith(
        "NOT AUDITED: 1 of 2 packages (idna 3.20): the advisory database does not know"
    )
    assert "a network that reaches the advisory database" in text


def test_without_a_network_nothing_is_known_to_be_sound() -> None:
    code, text = said(1, "", NO_NETWORK)
    assert code == 3 and text.startswith("NOT AUDITED: 2 of 2 packages (idna 3.20, requests 2.34.2): requests.except")
    assert "Failed to resolve" in text
    assert said(0, "")[0] == said(1, '{"dependencies": 1}')[0] == 3


def test_what_is_known_is_told_where_others_could_not_be_asked() -> None:
    document = json.loads(KNOWN)
    del document["dependencies"][1]
    code, text = said(1, json.dumps(document))
    assert code == 1 and "mended by 99" in text and "NOT AUDITED: 1 of 2 packages (requests 2.34.2)" in text


def test_two_versions_of_one_name_are_asked_about_apart() -> None:
    both = [("numpy", "2.4.6"), ("numpy", "2.5.5"), ("web3", "8.0.0")]
    asked = rounds(both)
    assert sorted(package for one in asked for package in one) == both and len(asked) == 2


def test_help_says_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--help"]) == 0
    assert "Exit codes: 0 every package was asked about" in capsys.readouterr().out
