"""The documents of ``exit``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money
from yieldbot.app.run_documents import JobFailure, JobReport


class CameOut(Part):
    """Money that came out of a market into the wallet."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    amount: Money = Field(description="how much came out, by the balance changes on chain")


class ExitJob(JobReport):
    """What an exit did for one job."""

    came_out: tuple[CameOut, ...] = Field(description="what came out in this run, in order of time")
    ordered: tuple[str, ...] = Field(
        description="names of the markets that you ordered to leave, which nothing enters until `exit --stop`; "
        "`all`: every market"
    )
    then: tuple[JobReport, ...] = Field(
        description="further cycles of this run: exits from pools that swap on the way out, and swaps of what came "
        "out; `still_in` and `holdings` are as of the last one"
    )


class ExitDocument(Document):
    """What an exit brought into the wallet, and what could not come out yet, with the reason."""

    SCHEMA: ClassVar[str] = "exit"

    market: str | None = Field(description="the name that was given, or `all`; null: all exits that are under way")
    into: str | None = Field(description="the asset that the proceeds are swapped into; null: they are not swapped")
    exit_code: int = Field(description="the command's exit code: the most serious one of the jobs'")
    jobs: tuple[ExitJob | JobFailure, ...] = Field(description="one for each job, in the order of the configuration")


class StandingExit(Part):
    """An exit order in force: nothing goes into the market, and each cycle takes out what it can."""

    chain_id: str = Field(description="the chain's identifier")
    owner: str = Field(description="the account's address")
    market_id: str = Field(description="the market's identifier, or `all/...` for every market of an asset")
    name: str = Field(description="the market's name when it was ordered")
    called: str = Field(
        description="the order as people are shown it: by name, with chain, wallet and id only where names are alike"
    )
    by: str = Field(description="where it was ordered")
    since: int = Field(description="when it was ordered, in unix seconds of the chain")
    into: str | None = Field(
        description="address of the token that the proceeds are swapped into; null: they are not swapped"
    )
    held: Money | None = Field(description="what is still in; null: not known, or several markets")
    state: str = Field(description="`leaving`: money is still in; `empty`: all is out; `unknown`: not read")


class ExitListDocument(Document):
    """The exit orders in force."""

    SCHEMA: ClassVar[str] = "exit-list"

    exits: tuple[StandingExit, ...] = Field(description="the oldest first")


class ExitStopDocument(Document):
    """The orders that were lifted."""

    SCHEMA: ClassVar[str] = "exit-stop"

    lifted: tuple[StandingExit, ...] = Field(description="the orders that are over: money may go in again")
