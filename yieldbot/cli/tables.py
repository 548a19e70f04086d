"""Tables that keep their columns on a narrow terminal: each row begins with its name on a line of its own, and its
figures stand below each other in as many lines as are needed, under heads that are printed once. Long texts follow,
named. Nothing is cut, and no word is broken that fits on a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from yieldbot.model.text import printable

UNBOUNDED = 10_000
INDENT = 2
GAP = 2
"""Blanks before what belongs to a row, and between two columns."""
GLUE = "\ue000"
"""Stands for the blank between a number and its unit while lines are made: rich would break at a no-break space."""
BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|pp|bp|bps|h|d|s|min|days?|gwei|[A-Z]{3,6})(?![A-Za-z]))")
"""The blank between a number and its unit."""


class Printable(Console):
    """A console that removes control characters from all text; rich itself prints escape sequences and bidi marks."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(printable(part.text.replace(GLUE, " ")), part.style)


class TextTable(Table):
    """A table of plain text. A column whose name starts with > is right-aligned and never wrapped."""

    def __init__(self, title: str, *columns: str, empty: str = "There is none.") -> None:
        """empty: the sentence that is printed in place of a table without rows."""
        self._empty = empty
        super().__init__(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            right = column.startswith(">")
            self.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right)

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """A row; no line ends between a number and its unit."""
        glued = [BEFORE_UNIT.sub(GLUE, one) if isinstance(one, str) else one for one in cells]
        super().add_row(*glued, style=style, end_section=end_section)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in self._parts(console, options):
            for one in [part] if isinstance(part, Segment) else console.render(part, options):
                yield one if one.control else Segment(one.text.replace(GLUE, " "), one.style)

    def _parts(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.rows:
            yield Text(str(self.title), style="bold")
            yield Text(self._empty)
            return
        wide = options.update(width=UNBOUNDED)
        if Measurement.get(console, wide, self).minimum <= options.max_width and self._whole(console, options):
            title, self.title = self.title, None  # a title may be longer than its table is wide
            try:
                yield Text(str(title), style="bold")
                yield from super().__rich_console__(console, options)
            finally:
                self.title = title
            return
        yield from self._narrow(options.max_width)

    def _whole(self, console: Console, options: ConsoleOptions) -> bool:
        """Whether each column would be as wide as its longest word: rich narrows the widest ones first, whatever is in
        them."""
        widths = self._calculate_column_widths(console, options.update(width=options.max_width - self._extra_width))
        for index, (column, width) in enumerate(zip(self.columns, widths, strict=True)):
            texts = [str(column.header), *map(str, column.cells)]
            words = [text for text in texts if column.no_wrap] or [word for text in texts for word in text.split()]
            if max(map(cell_len, words), default=0) > width - self._get_padding_width(index):
                return False
        return True

    def _narrow(self, width: int) -> RenderResult:
        """The same rows for a terminal that is too narrow for the table."""
        yield Text(str(self.title), style="bold")
        rows = list(zip(*([str(cell).replace("\n", ", ") for cell in c.cells] for c in self.columns), strict=True))
        first, *rest = range(len(self.columns))
        rest = [column for column in rest if any(row[column] for row in rows)]
        lines, texts = self._placed(rest, rows, width)
        names = [str(column.header) for column in self.columns]
        for line in lines:
            yield Text(self._line(line, names), style="dim", no_wrap=True)
        for row in rows:
            yield Text(row[first], style="bold")
            for line in lines:
                yield Text(self._line(line, row), no_wrap=True)
            for column in texts:
                if row[column]:
                    yield Padding(Text(f"{names[column]}: {row[column]}"), (0, 0, 0, INDENT))

    def _placed(
        self, columns: Sequence[int], rows: Sequence[Sequence[str]], width: int
    ) -> tuple[list[list[tuple[int, int]]], list[int]]:
        """(lines of (column, its width), columns of long texts): as many columns a line as there is room for."""
        lines: list[list[tuple[int, int]]] = []
        texts: list[int] = []
        room = 0
        for column in columns:
            cells = [str(self.columns[column].header), *(row[column] for row in rows)]
            needed = max(map(cell_len, cells))
            if needed > (width - INDENT) // 2 and self.columns[column].justify == "left":
                texts.append(column)
                continue
            if not lines or room < GAP + needed:
                lines.append([])
                room = width - INDENT + GAP
            lines[-1].append((column, needed))
            room -= GAP + needed
        return lines, texts

    def _line(self, line: Sequence[tuple[int, int]], cells: Sequence[str]) -> str:
        """One line of a row, or of the heads: each cell at its column's place."""
        parts = []
        for column, width in line:
            blanks = " " * (width - cell_len(cells[column]))
            right = self.columns[column].justify == "right"
            parts.append(blanks + cells[column] if right else cells[column] + blanks)
        return " " * INDENT + (" " * GAP).join(parts).rstrip()
