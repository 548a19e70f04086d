"""The register of the persons who may approve plans, a file in the data directory."""

from __future__ import annotations

from pathlib import Path

from yieldbot.access.approvers import Approver, register_of
from yieldbot.errors import ConfigError
from yieldbot.resources import read_text, refuse_if_others_change, why

REGISTER = "approvers.json"
"""Name of the register in the data directory."""


def read_register(data_dir: Path) -> dict[str, Approver]:
    """The persons who may approve; empty where there is no register. Raises ConfigError where other users of the
    machine could change the file, InvariantError where it is damaged."""
    path = data_dir / REGISTER
    if not path.exists():
        return {}
    refuse_if_others_change(path, "the register of approvers")
    try:
        return register_of(read_text(path))
    except OSError as failure:
        raise ConfigError(f"{path} cannot be read: {why(failure, path)}") from None
