"""The systemd units: what hardens them, and that systemd reads them where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.kit import ROOT

UNITS = sorted((ROOT / "docs/operations").glob("yieldbot-*.service"))
HARDENED = (
    "NoNewPrivileges=true",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=true",
    "PrivateTmp=true",
    "ProtectProc=invisible",
    "RestrictSUIDSGID=true",
    "RestrictNamespaces=true",
    "SystemCallFilter=@system-service",
    "UMask=0077",
    "LimitCORE=0",
)


def test_every_unit_is_hardened_and_only_the_signers_folders_are_open_to_it() -> None:
    texts = {unit.stem: unit.read_text().splitlines() for unit in UNITS}
    assert set(texts) == {"yieldbot-approve", "yieldbot-serve", "yieldbot-signer"}
    for name, lines in texts.items():
        assert not [one for one in HARDENED if one not in lines], name
        user = next(line for line in lines if line.startswith("User="))
        assert user != "User=root"
        if name != "yieldbot-approve":
            assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert "InaccessiblePaths=-/srv/yieldbot/keys" in texts["yieldbot-serve"]
    assert "User=yieldbot-signer" in texts["yieldbot-signer"] and "User=yieldbot" in texts["yieldbot-serve"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_reads_every_line_of_them() -> None:
    """It may say that the program is not where an installed one would be, and nothing else."""
    units = [*UNITS, *(ROOT / "docs/operations").glob("*.timer")]
    found = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False)
    lines = [line for line in found.stderr.splitlines() if "yieldbot" in line]
    assert not [line for line in lines if "is not executable: No such file or directory" not in line]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_little_that_they_are_exposed_to() -> None:
    """Its own figure from 0 (best) to 10, in tenths here: below 2.5. An unhardened unit has 9.6."""
    for unit in UNITS:
        words = ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25", str(unit)]
        found = subprocess.run(words, capture_output=True, text=True, check=False)
        if "unrecognized option" in found.stderr:
            pytest.skip("systemd before 250 looks at installed units only")
        assert found.returncode == 0, found.stdout.splitlines()[-1:] + found.stderr.splitlines()
