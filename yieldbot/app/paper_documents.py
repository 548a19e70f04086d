"""The documents of ``paper`` and ``paper show``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import Money
from yieldbot.app.plan_parts import Hold, Plan, Quarantined


class PaperPosition(Part):
    """A paper wallet's holding in one market."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    amount: Money = Field(description="the holding")
    leaving: Money | None = Field(description="what of it is leaving by a two-step exit; null: nothing")
    since: int | None = Field(description="when a plan last changed it, in unix seconds; null: not known")
    expected_apr: float | None = Field(
        description="what it is expected to earn from this step on, a simple annual fraction; null: not known"
    )


class PaperLedger(Part):
    """A paper wallet's ledger. Sums are since its beginning, in whole tokens of the first asset."""

    value: float = Field(description="its total value, unsold rewards included, net of gas")
    idle: tuple[Money, ...] = Field(description="money in the wallet itself")
    positions: tuple[PaperPosition, ...] = Field(description="money in markets")
    earned: float = Field(description="what markets paid, after the dilution by its own money")
    earned_by_quotes: float = Field(
        description="the part of it that is estimated: markets without an index, and fees of ranges that the chain "
        "does not count"
    )
    expected: float = Field(description="what was expected of the same holdings over the same time, step by step")
    rewards: float = Field(description="what claimed rewards were worth when claimed")
    gas: float = Field(description="gas, or fees and rent")
    swapped: float = Field(description="loss of swaps against the feeds' prices; negative: a gain")
    entered: float = Field(description="fees that markets charged on deposits")
    fees: float = Field(description="fees of liquidity in pools, a part of `earned`")
    sold: float = Field(description="what sales of claimed rewards brought")
    unsold: float = Field(description="what claimed rewards that were not sold are worth, by the feeds")
    repriced: float = Field(description="what other assets, and unsold rewards, gained against the first one")
    plans: int = Field(description="plans that were simulated")
    failed: int = Field(description="plans that could not be simulated")
    steps: int = Field(description="readings that it decided on")


class PaperWallet(Part):
    """One paper wallet after a call."""

    name: str = Field(description="its name")
    wealth: str = Field(description="what it began with, in whole tokens of the coin")
    coin: str = Field(description="the symbol of the coin that it began with")
    chain: str = Field(description="its chain's name")
    owner: str | None = Field(description="the real account that it imitates; null: none")
    assets: tuple[str, ...] = Field(description="the symbols of its assets, the first being the one of sums")
    step: Literal["begun", "stepped", "known", "skipped"] = Field(
        description="begun: its first step; stepped: another one; known: there is no newer block, and nothing was "
        "done; skipped: its chain could not be served"
    )
    skipped: str | None = Field(description="why its chain could not be served; null: it was")
    began: int | None = Field(description="its first block's time in unix seconds; null: it has not begun")
    time: int | None = Field(description="its last step's block's time; null: it has not begun")
    height: int | None = Field(description="that block's number, or slot; null: it has not begun")
    did: str = Field(description="a text about what the last step did")
    plan: Annotated[Plan | Hold, Field(discriminator="action")] | None = Field(
        description="what this call decided; null: nothing was decided"
    )
    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be read")
    contradicted: tuple[str, ...] = Field(
        description="what memory says of a market and the chain contradicts, in words"
    )
    ledger: PaperLedger | None = Field(description="its ledger; null: it has not begun")


class PaperDocument(Document):
    """A step of each paper wallet: live readings, a simulated ledger, the decisions of live runs."""

    SCHEMA: ClassVar[str] = "paper"

    wallets: tuple[PaperWallet, ...] = Field(description="one for each paper wallet of the call")


class PaperShare(Part):
    """The fraction of a wallet's money that was in one market."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name, where it is known; else its identifier")
    share: float = Field(description="the share of all its money, on average over time, 0 to 1")


class PaperSide(Part):
    """One wallet over the paper wallet's days. Money is in whole tokens of the first asset, rates are simple annual
    fractions."""

    name: Literal["paper", "backtest", "reality"] = Field(
        description="paper: the paper wallet; backtest: the same policy and money over the same days, from memory, a "
        "decision a day; reality: the real wallet, by what the steps saw of it and what its transactions moved"
    )
    days: float = Field(description="length of the time compared, in days")
    wealth: float = Field(description="its money on average")
    net_apr: float | None = Field(
        description="net return on all of its money: earned, less costs, plus other gains; null: no time has passed"
    )
    rate: float | None = Field(description="rate that its money in markets was paid; null: none was there")
    expected_rate: float | None = Field(description="what was expected of that money, step by step; null: not known")
    invested_share: float = Field(description="fraction of its money that was in markets, averaged over time, 0 to 1")
    earned: float = Field(description="what markets paid")
    costs: float = Field(description="gas (on Solana fees and rent), swaps and entry fees")
    other: float = Field(description="claimed rewards, and what other assets gained against the first one")
    moves: int = Field(description="plans that were carried out")
    failed: int = Field(description="plans without effect: failed, rejected or expired")
    where: tuple[PaperShare, ...] = Field(description="where its money was, the largest part first")


class PaperGap(Part):
    """How much more the paper wallet earned than another side, in percentage points a year, split into parts that add
    up to the whole."""

    other: Literal["backtest", "reality"] = Field(description="the other side")
    whole_pp: float = Field(description="the paper wallet's figure less the other side's")
    rates_pp: float = Field(description="because its money in markets was paid more")
    timing_pp: float = Field(description="because more of its money was in markets, or sooner")
    costs_pp: float = Field(description="because it paid less for gas, swaps and fees")
    other_pp: float = Field(description="because of rewards and prices")
    why: tuple[str, ...] = Field(description="the parts as text, and what none of them explains")


class PaperComparison(Part):
    """A paper wallet compared with a backtest and the real wallet."""

    name: str = Field(description="its name")
    wealth: str = Field(description="what it began with, in whole tokens of the coin")
    coin: str = Field(description="the symbol of the coin that it began with")
    chain: str = Field(description="its chain's name")
    owner: str | None = Field(description="the real account that it imitates; null: none")
    asset: str = Field(description="the symbol of the first asset, which sums are in")
    began: int = Field(description="its first block's time in unix seconds")
    time: int = Field(description="the block's time of the last step that is compared")
    since: int = Field(description="the block's time of the first step that is compared")
    left_out: int = Field(description="its steps before and after those")
    ledger: PaperLedger = Field(description="what it had after the last step that is compared")
    sides: tuple[PaperSide, ...] = Field(description="paper, then backtest and reality where there are any")
    gaps: tuple[PaperGap, ...] = Field(description="paper less each other side")
    missing: tuple[str, ...] = Field(description="why a side is missing, a line each")


class PaperShowDocument(Document):
    """Paper wallets, a backtest over their days, and the real wallet, side by side. No chain is asked."""

    SCHEMA: ClassVar[str] = "paper-show"

    wallets: tuple[PaperComparison, ...] = Field(description="one for each paper wallet")
