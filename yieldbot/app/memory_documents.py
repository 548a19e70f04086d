"""The documents of ``observe`` and of the ``history`` commands about memory."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class NamedFault(Part):
    """Something odd or wrong in a file or in readings."""

    where: str = Field(description="file and line, or market and time")
    what: str = Field(description="what is wrong, in one line")
    kind: str = Field(
        description="`row` or `file`: it cannot be read, or does not belong there; `clock`: a time that cannot be; "
        "`ahead`: a time after this machine's; `duplicate`: one market and time twice; `rate`: an implausible rate or "
        "utilisation; `gap`: a time without readings; `ended`: readings that end before the others; `still`: values "
        "that do not change for long; `chain`: rows of another chain; `note`: worth knowing"
    )
    taken: bool = Field(description="whether the reading counts in spite of it")


class ObservedJob(Part):
    """What was observed of a job's markets."""

    wallet: str = Field(description="the wallet's name")
    chain: str = Field(description="the chain's name")
    assets: tuple[str, ...] = Field(description="the assets, by symbol")
    block: int | None = Field(description="the block's number, or the slot; null: the chain was not served")
    markets: int = Field(description="markets of which there is a reading")
    unread: int = Field(description="markets that could not be read")
    skipped: str | None = Field(description="why the chain was not served; null: it was")


class ObserveDocument(Document):
    """What was observed and stored."""

    SCHEMA: ClassVar[str] = "observe"

    history: str = Field(description="memory's folder")
    kept: int = Field(description="readings that were stored")
    known: int = Field(description="readings that were there already: the same market at the same time")
    failure: str | None = Field(description="why some or all are not remembered; null: all are")
    jobs: tuple[ObservedJob, ...] = Field(description="in the order of the configuration")


class ImportedFile(Part):
    """The result of importing one file."""

    file: str = Field(description="its name as it was given")
    refused: str | None = Field(description="why nothing of it is taken; null: it is")
    readings: int = Field(description="readings in it that can be stored")
    kept: int = Field(description="readings that were stored")
    known: int = Field(description="readings that were stored already")
    markets: int = Field(description="markets in it")
    first: int | None = Field(description="the oldest reading's time in unix seconds; null: it has none")
    last: int | None = Field(description="the newest one's; null: it has none")
    faults: tuple[NamedFault, ...] = Field(description="everything that is implausible in it or was left out")


class HistoryImportDocument(Document):
    """What was imported."""

    SCHEMA: ClassVar[str] = "history-import"

    history: str = Field(description="memory's folder")
    failure: str | None = Field(description="why some or all are not remembered; null: all are")
    files: tuple[ImportedFile, ...] = Field(description="in the order in which they were given")


class RememberedMarket(Part):
    """A market that has readings."""

    chain: str = Field(description="the chain's id, as `eip155:8453`")
    protocol: str = Field(description="as `aave_v3`; empty where the source does not say")
    asset: str = Field(description="the asset's symbol; empty where the source does not say")
    asset_address: str = Field(description="the asset's contract or mint; empty where the source does not say")
    market: str = Field(description="the market's id, or what a recording calls it")
    chain_name: str = Field(description="the chain's name; its id where it has none here")
    name: str = Field(description="the market's name as it was last read; as `market` where memory knows none")
    readings: int = Field(description="number of readings")
    first: int = Field(description="the oldest one's time in unix seconds")
    last: int = Field(description="time of the newest reading in unix seconds")


class HistoryShowDocument(Document):
    """What memory holds."""

    SCHEMA: ClassVar[str] = "history-show"

    history: str = Field(description="memory's folder")
    faults: tuple[NamedFault, ...] = Field(description="files that cannot be read and are left out")


class MarketsRemembered(HistoryShowDocument):
    """Without MARKET: a summary of each market."""

    markets: tuple[RememberedMarket, ...] = Field(description="by chain, protocol, asset and name")


class SeenThen(Part):
    """The values of a market at one time. Rates are simple and annual, as fractions; null: unknown."""

    time: int = Field(description="unix seconds: the reading's, or with `--every` the step's end")
    supply_rate: float | None = Field(description="supply rate as quoted")
    realised_rate: float | None = Field(
        description="what they were paid since the row before: by the growth of the market's index where that is "
        "known, else the mean of what was quoted"
    )
    borrow_rate: float | None = Field(description="borrow rate as quoted")
    utilisation: float | None = Field(description="borrowed over supplied")
    supplied: float | None = Field(description="whole tokens that all suppliers have there")
    cash: float | None = Field(description="whole tokens that all suppliers together could withdraw")
    blocked: bool = Field(description="frozen or paused")


class MarketRemembered(HistoryShowDocument):
    """With MARKET: its readings, or with `--every` one row for each step."""

    market: RememberedMarket = Field(description="the market, with a summary of its readings")
    every_seconds: int | None = Field(description="seconds from row to row; null: each reading is a row")
    rows: tuple[SeenThen, ...] = Field(description="the oldest first")


class HistoryVerifyDocument(Document):
    """Whether memory is sound."""

    SCHEMA: ClassVar[str] = "history-verify"

    history: str = Field(description="memory's folder")
    sound: bool = Field(description="every file can be read and is in its place, no reading is there twice")
    files: int = Field(description="files that were read")
    readings: int = Field(description="readings in them")
    faults: tuple[NamedFault, ...] = Field(
        description="what was found; gaps and implausible rates do not make memory unsound"
    )


class HistoryCompactDocument(Document):
    """Which files were merged."""

    SCHEMA: ClassVar[str] = "history-compact"

    history: str = Field(description="memory's folder")
    files_gone: int = Field(description="files whose readings are in fewer others now")


class HistoryBackfillDocument(Document):
    """What was read of the past."""

    SCHEMA: ClassVar[str] = "history-backfill"

    history: str = Field(description="memory's folder")
    chain: str = Field(description="the chain's name")
    every_seconds: int = Field(description="seconds from one time to the next")
    times: int = Field(description="times that were asked for")
    known: int = Field(description="times of which there was a reading already")
    read: int = Field(description="times that were read now")
    absent: int = Field(
        description="times at which the chain had nothing of these markets, or not all that prices need"
    )
    kept: int = Field(description="readings that were stored")
    requests: int = Field(description="number of requests made")
    failure: str | None = Field(description="why it ended early; null: it did not. Running again goes on from there")
