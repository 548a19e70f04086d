"""yieldbot moves a wallet's idle tokens into the best safe yield on chain.

As a library (docs/library.md): ``load`` a configuration, ``observe`` a job's chain, ``assess``, ``allocate`` and
``decide`` on the snapshot, read the ``Journal``. Nothing here signs or sends. Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module

# Without typing's import, which takes a tenth of the time that `yieldbot --help` does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from yieldbot.allocator.allocate import allocate as allocate
    from yieldbot.allocator.assess import assess as assess
    from yieldbot.app.library import decide as decide
    from yieldbot.app.library import observe as observe
    from yieldbot.config.load import load as load
    from yieldbot.decision.decide import Decision as Decision
    from yieldbot.errors import ConfigError as ConfigError
    from yieldbot.errors import TransientError as TransientError
    from yieldbot.errors import YieldbotError as YieldbotError
    from yieldbot.journal.store import Journal as Journal
    from yieldbot.model.amounts import Amount as Amount
    from yieldbot.model.amounts import Token as Token
    from yieldbot.model.market import MarketState as MarketState
    from yieldbot.model.market import Snapshot as Snapshot
    from yieldbot.model.plan import Allocation as Allocation
    from yieldbot.model.plan import Assessment as Assessment
    from yieldbot.model.plan import Hold as Hold
    from yieldbot.model.plan import Plan as Plan
    from yieldbot.model.policy import Policy as Policy
    from yieldbot.model.settings import Job as Job
    from yieldbot.model.settings import Settings as Settings

__version__ = "0.1.0"

_FROM = {
    "allocate": "allocator.allocate",
    "assess": "allocator.assess",
    "decide": "app.library",
    "observe": "app.library",
    "load": "config.load",
    "Decision": "decision.decide",
    "ConfigError": "errors",
    "TransientError": "errors",
    "YieldbotError": "errors",
    "Journal": "journal.store",
    "Amount": "model.amounts",
    "Token": "model.amounts",
    "MarketState": "model.market",
    "Snapshot": "model.market",
    "Allocation": "model.plan",
    "Assessment": "model.plan",
    "Hold": "model.plan",
    "Plan": "model.plan",
    "Job": "model.settings",
    "Policy": "model.policy",
    "Settings": "model.settings",
}
"""The module of each public name. Importing the package alone must stay cheap: every command does."""

__all__ = [
    "Allocation",
    "Amount",
    "Assessment",
    "ConfigError",
    "Decision",
    "Hold",
    "Job",
    "Journal",
    "MarketState",
    "Plan",
    "Policy",
    "Settings",
    "Snapshot",
    "Token",
    "TransientError",
    "YieldbotError",
    "__version__",
    "allocate",
    "assess",
    "decide",
    "load",
    "observe",
]


def __getattr__(name: str) -> object:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
