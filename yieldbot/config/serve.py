"""[serve]: when each job of a server is due."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from yieldbot.config.messages import config_error
from yieldbot.config.toml_types import EnvName
from yieldbot.model.timing import JOBS, Serving, Timing, length

MOST_JITTER_SECONDS = 3600


class ServeTable(BaseModel):
    """When each job of a server is due (``model.timing``): "5m", "7 * * * *" in UTC, or "never"."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    observe: str | None = None
    """Reading every chain."""
    watch: str | None = None
    """Reading who controls the contracts that our markets depend on."""
    settle: str | None = None
    """Recording the outcomes of transactions that an earlier run left open."""
    claim: str | None = None
    """Planning claims of rewards."""
    plan: str | None = None
    """A cycle, whose plan waits for a person."""
    jitter: str | None = None
    """The most by which a job may be late, as "30s"."""
    heartbeat_url_env: EnvName | None = None
    """Environment variable with the URL that is requested after each successful job."""


def serving_of(path: Path, table: ServeTable) -> Serving:
    """The table as values. Raises ConfigError."""
    jobs = {name: text for name in JOBS if (text := getattr(table, name)) is not None}
    for name, text in jobs.items():
        try:
            due = Timing.parse(text)
        except ValueError as wrong:
            raise config_error(path, f"serve.{name}", f"{text!r}: {wrong}") from None
        if due is None and name == "observe":
            raise config_error(path, "serve.observe", "a server answers from its readings: write a time, as 5m")
    return Serving(
        jobs=jobs,
        jitter_seconds=None if table.jitter is None else _jitter(path, table.jitter),
        heartbeat_env=table.heartbeat_url_env,
    )


def _jitter(path: Path, text: str) -> float:
    try:
        seconds = length(text)
    except ValueError:
        seconds = MOST_JITTER_SECONDS + 1
    if seconds > MOST_JITTER_SECONDS:
        raise config_error(path, "serve.jitter", f"{text!r} is no time up to an hour: write it as 30s; 0s: none")
    return float(seconds)
