"""What the tables of all our TOML files have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _file(value: str) -> str:
    """A path without null characters."""
    if "\0" in value:
        raise ValueError(f"{value!r} is no path: it holds a null character")
    return value


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_file)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._()+-]*$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
