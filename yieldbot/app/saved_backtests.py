"""Results of ``backtest --json`` (one policy, or a sweep over many) and of ``paper show --json`` in the folder
``backtests`` of the data directory, for pages to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.backtest_documents import BacktestDocument
from yieldbot.app.paper_documents import PaperShowDocument
from yieldbot.app.sweep_documents import SweepDocument
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context

KINDS = {one.schema_name(): one for one in (BacktestDocument, SweepDocument, PaperShowDocument)}
FOLDER = "backtests"
MOST, MOST_BYTES = 20, 4 * 2**20
"""Most results that are read, the newest, and most bytes of one."""


@dataclass(frozen=True, slots=True)
class SavedBacktest:
    """One file."""

    name: str
    """Its name without the ending."""
    at: int
    """When it was written, in unix seconds."""
    document: BacktestDocument | SweepDocument | PaperShowDocument | None
    """The result; None: it is none."""
    why: str = ""
    """Why it cannot be shown."""

    @property
    def kind(self) -> str:
        """What it is, as the name of its document; empty: it cannot be shown."""
        return "" if self.document is None else self.document.SCHEMA


def saved(context: Context) -> tuple[SavedBacktest, ...]:
    """The newest results, the newest first; a file that is no result is named with the reason."""
    folder = context.settings.data_dir / FOLDER
    try:
        files = [(one.stat().st_mtime, one) for one in folder.glob("*.json") if one.is_file()]
    except OSError:
        return ()
    found = []
    for at, file in sorted(files, reverse=True)[:MOST]:
        name = one_line(file.stem, 80)
        try:
            if file.stat().st_size > MOST_BYTES:
                found.append(SavedBacktest(name, int(at), None, f"it is larger than {MOST_BYTES} bytes"))
                continue
            content = loads(file.read_bytes())
            schema = content.get("schema") if isinstance(content, dict) else None
            if schema not in KINDS:
                raise ValueError(f"its schema is none of {', '.join(KINDS)}")
            found.append(SavedBacktest(name, int(at), KINDS[schema].model_validate(content)))
        except (OSError, ValueError) as nonsense:
            found.append(SavedBacktest(name, int(at), None, one_line(str(nonsense), 120)))
    return tuple(found)
