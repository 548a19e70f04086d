"""Journal entries about runs: who asked for a cycle, and how it ended."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """One cycle of one job has ended."""

    chain: ChainId
    """The job's chain."""
    owner: Address
    """The job's account."""
    plan_id: str
    """The plan that the cycle made or carried out; empty: none."""
    run: str
    """The run's id: cycles of several jobs in one run share it."""
    by: str
    """Who asked for it: ``terminal``, ``schedule``, or a key's name as ``key NAME``."""
    command: str
    """The use case, as ``run``, ``dry-run``, ``approve`` or ``exit``."""
    wallet: str
    """The wallet's name at that time."""
    assets: tuple[str, ...]
    """Symbols of the job's assets."""
    began: int
    """When the cycle began: unix seconds by this machine's clock."""
    seconds: float
    """Its duration in seconds."""
    outcome: str
    """How it ended, as ``executed``, ``held``, ``queued``, ``refused`` or ``failed`` (``app/run_log.py``)."""
    code: str
    """Code of the safety rule that refused, or kind of the error; empty where neither is the case."""
    reason: str
    """Why it ended so, in one line for a person; empty where the outcome says it all."""
