"""Tables that turn into lists on a narrow terminal: the first cell of a row as heading, the others named below it."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from yieldbot.model.text import printable

UNBOUNDED = 10_000


class Printable(Console):
    """A console that removes control characters from all text; rich itself prints escape sequences and bidi marks."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(printable(part.text), part.style)


class TextTable(Table):
    """A table of plain text. A column whose name starts with > is right-aligned and never wrapped."""

    def __init__(self, title: str, *columns: str) -> None:
        super().__init__(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            right = column.startswith(">")
            self.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(width=UNBOUNDED)
        if Measurement.get(console, wide, self).minimum <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        yield Text(str(self.title), style="bold")
        names = [str(column.header) for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = [str(cell).replace("\n", ", ") for cell in row]
            if cells[0]:
                yield Text(f"{names[0]}: {cells[0]}", style="bold")
            rest = [f"{name} {cell}" for name, cell in zip(names[1:], cells[1:], strict=True) if cell]
            yield Padding(Text("; ".join(rest)), (0, 0, 0, 2))
