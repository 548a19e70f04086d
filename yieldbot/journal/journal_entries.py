"""The kinds of journal entries: frozen values, which ``entry_codec`` encodes as rows. Names of classes and fields are
those on the disk, which older rows have too: they stay."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven, SignerCopied
from yieldbot.journal.exit_entries import (
    ExitAsked,
    ExitEnded,
    ExitLifted,
    ExitOrdered,
    ExitProven,
    ExitRefused,
)
from yieldbot.journal.observations import NO_PRICES, RecordedForecast, RecordedHolding, RecordedPrices
from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.plan import Plan
from yieldbot.model.risk import Act
from yieldbot.model.tx import Delta, Outcome


class PlanStatus(StrEnum):
    """How far a plan has come. The values are those in rows and documents."""

    PROPOSED = "proposed"
    """Written down; nobody has decided about it."""
    QUEUED = "queued"
    """It waits for `yieldbot approve ID`."""
    APPROVED = "approved"
    """A person, or the policy within its limits, approved it."""
    REJECTED = "rejected"
    """A person rejected it: the plan itself, at the signing device, or by a halt before it was executed."""
    EXPIRED = "expired"
    """It ended, or a newer plan superseded it (its id is the reason), before anybody approved it."""
    EXECUTED = "executed"
    """Every transaction of every leg succeeded."""
    HANDED_OVER = "handed over"
    """We signed it as one owner of a Safe; the other owners have to do the rest."""
    FAILED = "failed"
    """It was begun but not finished: a leg was declined or reverted."""
    INTERRUPTED = "interrupted"
    """The process that carried it out ended before it was done. What was sent is settled; the rest is not done."""


@dataclass(frozen=True, slots=True)
class PlanWritten:
    """A plan as it was proposed."""

    plan: Plan
    """The plan itself."""
    lines: tuple[str, ...] = ()
    """The description of every call, in order, as it was shown to the person who approves or refuses."""
    changes: tuple[str, ...] = ()
    """Our balance changes in the rehearsal, one line each; empty in entries of older versions."""
    risks: tuple[str, ...] = ()
    """The risk of each market that gets money, a line each; empty in entries of older versions."""


@dataclass(frozen=True, slots=True)
class PlanMarked:
    """A plan's new status."""

    plan_id: str
    """The plan's id."""
    status: PlanStatus
    """The status from now on."""
    by: str
    """Who set it: terminal, auto, queue, approve, execution, or the name of an interface."""
    reason: str = ""
    """Why, in one line for a person; empty where the status says it all."""
    not_before: int = 0
    """Of a rejection: until when the same steps are not proposed again, in unix seconds; 0: no time is named."""
    until_gain: float = 0.0
    """Of a rejection: the same steps are not proposed again before they gain so much a year, in whole tokens of the
    plan's asset; 0: no gain is named."""


@dataclass(frozen=True, slots=True)
class SvmTerms:
    """What a Solana transaction has in place of a nonce and gas fees."""

    last_valid_height: int
    """The last block height at which it can be included."""
    meaning: str
    """sha256 of its message with a blockhash of zeros, in hex: the same for two transactions that do the same."""
    fee_lamports: int
    """The highest total fee, in lamports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TxSigned:
    """A signed transaction, journalled before any node gets it."""

    chain: ChainId
    """Where it is sent."""
    owner: Address
    """The account that sends it and pays."""
    plan_id: str
    """The plan that it belongs to; for a revocation an id of its own."""
    leg: int
    """The leg's place in its plan, from 0."""
    market_id: MarketId
    """The leg's market; for swaps, claims and revocations an id that is no market's."""
    hash: str
    """The transaction's hash; on Solana its signature in base58."""
    raw: bytes
    """The signed bytes, as they are sent."""
    nonce: int
    """The account's nonce; 0 on Solana."""
    gas: int
    """Gas limit; on Solana the limit of compute units."""
    max_fee_wei: int
    """EIP-1559's maximum fee per gas, priority fee included, in wei; 0 on Solana."""
    priority_fee_wei: int
    """EIP-1559's priority fee per gas, in wei; 0 on Solana."""
    words: str
    """The description of the call, under the name that it has on the disk."""
    expires_at: int
    """When its approval ends, in unix seconds of the chain."""
    simulated_at: BlockRef
    """The block, or slot, whose state the simulation began from."""
    predicted: tuple[Delta, ...]
    """The simulation's balance changes; a token that is compared and does not change has a zero."""
    replaces: str | None = None
    """Hash of the transaction whose nonce it takes; on Solana of the expired one that it repeats; None: it replaces
    none."""
    svm: SvmTerms | None = None
    """Solana's own terms; None on an EVM chain."""
    given: tuple[str, ...] | None = None
    """What we gave away according to the simulation's event logs (``balances.given``); None if that was not
    compared."""


@dataclass(frozen=True, slots=True)
class TxSent:
    """An attempt to submit, written before it is made."""

    chain: ChainId
    """The transaction's chain."""
    owner: Address
    """The account that signed the transaction."""
    hash: str
    """The transaction's hash."""
    attempt: int
    """Number of the attempt, from 1."""


@dataclass(frozen=True, slots=True)
class TxNoted:
    """A fact about a transaction that is still open: a node's refusal, or a receipt that a reorganisation removed."""

    chain: ChainId
    """The transaction's chain."""
    owner: Address
    """The account that signed the transaction."""
    hash: str
    """The transaction's hash."""
    note: str
    """One line for a person; no decision depends on it."""


@dataclass(frozen=True, slots=True)
class TxSettled:
    """The final outcome of a transaction."""

    chain: ChainId
    """The transaction's chain."""
    owner: Address
    """The account that signed the transaction."""
    outcome: Outcome
    """The outcome."""


@dataclass(frozen=True, slots=True)
class AccountStopped:
    """Nothing more is signed for this account until a person clears it."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    reason: str
    """Why, in one line for a person."""
    hash: str | None = None
    """The transaction that did not do what was simulated; None for another reason."""


@dataclass(frozen=True, slots=True)
class AccountCleared:
    """A person has examined the account and allows it to sign again."""

    chain: ChainId
    """The account's chain."""
    owner: Address
    """The account."""
    by: str
    """Who cleared it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a cycle observed, for forecasts, limits on losses, and accounting."""

    chain: ChainId
    """The job's chain."""
    owner: Address
    """The job's account."""
    block: BlockRef
    """The snapshot's block."""
    asset: Address | None = None
    """Address of the asset that holdings and prices refer to; None in older rows, and if there are neither."""
    holdings: Mapping[MarketId, RecordedHolding] | None = None
    """Every holding of the asset, by market; None: the entry says nothing of holdings, which may yet be some."""
    idle_raw: int | None = None
    """The wallet's balance of the asset in base units; None: not read, or an older row."""
    prices: RecordedPrices = NO_PRICES
    """US dollar prices at that block."""
    plan_id: str = ""
    """The plan that ``predicted`` was written for; else empty."""
    predicted: Mapping[MarketId, RecordedForecast] | None = None
    """Forecasts for markets that a plan keeps or puts money in, from before its first transaction; None: no plan's."""
    paper: Mapping[str, Any] | None = None
    """A paper wallet's ledger, a JSON object of its own (``app/paper_state.py``); None: the entry is of a real
    wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """A sign of danger was observed in a market, or still is: the alarm stands until it is lifted."""

    chain: ChainId
    """The market's chain."""
    market_id: MarketId
    """The market."""
    code: str
    """Code of the sign (docs/risk.md)."""
    act: Act
    """What it asks for."""
    saw: str
    """What was observed, in one line."""
    since: int
    """Unix seconds of the chain at which the sign was first observed."""
    time: int
    """Unix seconds of the chain at which the sign was last observed."""
    about: str = ""
    """Address of the collateral whose danger it is; empty: it is the market's own."""
    owner: str = ""
    """The account whose holding shows the sign; empty: it is the market's, whoever has money there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLifted:
    """An alarm no longer stands: enough looks in a row did not show its sign, or the policy has turned it off."""

    chain: ChainId
    """The market's chain."""
    market_id: MarketId
    """The market."""
    code: str
    """Code of the sign."""
    act: Act
    """What it asked for."""
    time: int
    """Unix seconds of the chain."""
    owner: str = ""
    """The account whose holding shows the sign; empty: it is the market's, whoever has money there."""


JournalEntry = (
    PlanWritten
    | PlanMarked
    | TxSigned
    | TxSent
    | TxNoted
    | TxSettled
    | AccountStopped
    | AccountCleared
    | AccessNoted
    | ApprovalGiven
    | SignerCopied
    | Observed
    | ExitProven
    | ExitRefused
    | ExitAsked
    | ExitEnded
    | ExitOrdered
    | ExitLifted
    | AlarmRaised
    | AlarmLifted
    | RunEnded
)
"""Every kind of entry."""
