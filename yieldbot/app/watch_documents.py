"""The document of ``watch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part

if TYPE_CHECKING:
    from yieldbot.model.money_flows import Holders, MarketFlows


class WatchAlarm(Part):
    """A sign of danger in one market."""

    market_id: str = Field(description="the market's id")
    name: str = Field(description="the market's name")
    code: str = Field(description="which sign: CONTROL_WEAKER or PENDING_CHANGE (docs/risk.md)")
    act: str = Field(description="what it asks for: `stop` (no new money) or `leave`")
    saw: str = Field(description="what was observed")
    since: int = Field(description="unix seconds at which it was first observed")
    new: bool = Field(description="whether this look was the first to observe it")


class WatchMessage(Part):
    """What has changed or is announced in one market."""

    market_id: str = Field(description="the market's id")
    name: str = Field(description="the market's name")
    held: bool = Field(description="whether we hold anything there")
    lines: tuple[str, ...] = Field(description="what changed since the last look, or will change, a line each")
    severities: tuple[str, ...] = Field(
        description="how grave each of the lines is: `info`, `warning` or `critical` (docs/risk.md, severity of calls)"
    )
    ended: tuple[str, ...] = Field(description="what the alarms that were lifted had observed")


class WatchedHolder(Part):
    """Who holds a right over a contract."""

    right: str = Field(description="the right: `upgrade`, `owner`, or the contract's own name for it")
    who: str = Field(description="who holds it, in words, with whoever is behind")
    signatures: int = Field(
        description="keys that must agree, by the last controller behind it; 0: not known, 100: a vote, 1000: nobody"
    )
    warning_seconds: int = Field(description="seconds from the announcement of a call to its execution; 0: no delay")


class WatchedContract(Part):
    """A contract that a market depends on."""

    address: str = Field(description="its address")
    part: str = Field(
        description="pool, admin, oracle, rate model, collateral, backer (a collateral that looks found), asset, "
        "inside (lent on to)"
    )
    name: str = Field(description="its name in the protocol; may be empty")
    code_hash: str = Field(description="keccak256 of its code in hex; empty: none was read")
    implementation: str | None = Field(description="the contract whose code it runs as a proxy; null: its own")
    holders: tuple[WatchedHolder, ...] = Field(description="who may change it; none: nobody")
    pending: tuple[str, ...] = Field(description="changes that it announces itself")
    created_at: int | None = Field(
        description="unix seconds by which it was there, and what it runs, within a day of the younger's creation; "
        "null: not known"
    )
    there_since: int | None = Field(description="unix seconds since which it is known to be there; null: not known")
    missing: tuple[str, ...] = Field(description="facts that could not be read; the worst case is assumed for each")


class WatchedFlow(Part):
    """One deposit or withdrawal of somebody."""

    amount: float = Field(description="whole tokens; negative: a withdrawal")
    account: str = Field(description="the account whose position changes")
    others: tuple[str, ...] = Field(description="other accounts that take part, such as payer and receiver")
    block: int = Field(description="its block")
    tx: str = Field(description="its transaction")


class WatchedFlows(Part):
    """What went into and out of a market since the last look."""

    since: int = Field(description="the block from which flows are counted")
    deposited: float = Field(description="sum of all deposits, in whole tokens")
    withdrawn: float = Field(description="sum of all withdrawals, in whole tokens")
    count: int = Field(description="number of deposits and withdrawals")
    largest: tuple[WatchedFlow, ...] = Field(description="the largest flows, and those of followed addresses")
    cut: str | None = Field(description="why some flows since the last look are missing; null: none are")

    @classmethod
    def of(cls, found: MarketFlows | None) -> WatchedFlows | None:
        """The flows as a document; None: there were none."""
        if found is None:
            return None
        largest = (
            WatchedFlow(amount=one.amount, account=one.account, others=one.others, block=one.block, tx=one.tx)
            for one in found.largest
        )
        return cls(
            since=found.since,
            deposited=found.deposited,
            withdrawn=found.withdrawn,
            count=found.count,
            largest=tuple(largest),
            cut=found.cut or None,
        )


class DepositorShare(Part):
    """What one depositor holds."""

    address: str = Field(description="the depositor's address")
    share: float = Field(description="fraction of all deposits but ours, 0 to 1")


class WatchedHolders(Part):
    """The depositors of a market, as far as events name them."""

    top: tuple[DepositorShare, ...] = Field(description="the largest depositors that events named, ten at most")
    seen: float = Field(
        description="fraction that all stored depositors hold together, 0 to 1; the rest belongs to unknown ones"
    )
    since: int = Field(description="the block from which events were read")
    block: int = Field(description="the block of the balances")

    @classmethod
    def of(cls, found: Holders | None) -> WatchedHolders | None:
        """The depositors as a document; None: events named nobody."""
        if found is None:
            return None
        top = tuple(DepositorShare(address=who, share=share) for who, share in found.top[:10])
        return cls(top=top, seen=found.seen, since=found.since, block=found.block)


class WatchedMarket(Part):
    """A market with the contracts that it depends on."""

    market_id: str = Field(description="its id")
    name: str = Field(description="its name")
    contracts: tuple[WatchedContract, ...] = Field(
        description="the contracts that it depends on, the one with the money first"
    )
    flows: WatchedFlows | None = Field(
        default=None,
        description="deposits and withdrawals since the last look (at the first: before it); null: none were read",
    )
    holders: WatchedHolders | None = Field(default=None, description="the depositors; null: events have named none yet")
    recent: tuple[str, ...] = Field(
        default=(), description="at the first look: large flows of the time before it, and the largest depositor"
    )


class WatchedJob(Part):
    """One job's look."""

    wallet: str = Field(description="the wallet's name")
    chain: str = Field(description="the chain's name")
    assets: tuple[str, ...] = Field(description="the job's assets")
    skipped: str | None = Field(description="why no look was taken; null: one was")
    height: str = Field(default="block", description="what the chain counts: `block` or `slot`")
    block: int | None = Field(description="the block (slot) of the look; null where it was skipped")
    first: bool = Field(description="whether it was the first look, with which later ones are compared")
    since: int | None = Field(description="the block from which events were read; null where none were")
    cut: str | None = Field(description="why events since the last look are missing; null: none are")
    notes: tuple[str, ...] = Field(
        description="web services that could not be queried, such as Safe's transaction service, a line each"
    )
    round_trips: int = Field(description="requests that the look took, those of the snapshot included")
    messages: tuple[WatchMessage, ...] = Field(description="what has changed or is announced, by market")
    alarms: tuple[WatchAlarm, ...] = Field(description="the alarms in force")
    markets: tuple[WatchedMarket, ...] = Field(description="the contracts that each market depends on")
    due: tuple[str, ...] = Field(
        description="names of the markets that an alarm or your order takes money out of, and that can pay some of "
        "it now"
    )


class WatchDocument(Document):
    """Changes, past and announced, of who controls our markets' contracts."""

    SCHEMA: ClassVar[str] = "watch"

    jobs: tuple[WatchedJob, ...] = Field(description="the jobs, in the order of the configuration")
