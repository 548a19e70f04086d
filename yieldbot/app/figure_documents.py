"""The document of ``help``: what figures on screens mean, from docs/figures.md."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Document, Part


class FigureHelp(Part):
    """One line of docs/figures.md."""

    table: str = Field(description="the table or page where the figure stands, as the heading in docs/figures.md")
    names: tuple[str, ...] = Field(description="the figure's names as screens write them; … stands for a value")
    meaning: str = Field(description="what it is")
    example: str = Field(description="an example from the sandbox, or a made-up one where the page says so")


class FigureHelpDocument(Document):
    """``help``: figures of docs/figures.md that a word names."""

    SCHEMA = "help"

    asked: str = Field(description="the word or words; empty: the tables are listed")
    figures: tuple[FigureHelp, ...] = Field(description="the figures with this name, or those of the table so named")
    tables: tuple[str, ...] = Field(description="every table that is explained, if no word was given")
    pages: tuple[str, ...] = Field(default=(), description="every page that can be read, if no word was given")
    page: str = Field(default="", description="the page's text, if the word names one, as docs/risk.md or risk")
