"""Where the files shipped beside the code lie: abis/ and chains/, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``abis`` or ``chains``: the checkout's, else the wheel's copy inside the package."""
    checkout = _PACKAGE.parent / name
    return checkout if checkout.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / f"_{name}"
