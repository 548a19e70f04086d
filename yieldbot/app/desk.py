"""The tools for language models, which MCP and the assistant share: what a model may read and plan.

Every tool calls ``app/service.py`` for one caller and returns a document. None signs, approves, changes the policy,
names a recipient or takes an address: markets are named by keys of the last reading, tokens by symbols of the chain's
file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

from yieldbot.app.admission import Caller, Scope
from yieldbot.app.collections import (
    GradeRow,
    MarketLine,
    MarketRow,
    Page,
    PositionRow,
    SignalRow,
    TransactionRow,
    lines_of,
)
from yieldbot.app.decode_documents import CallDocument, MessageDocument, TransactionDocument
from yieldbot.app.document import Part
from yieldbot.app.forecast_documents import MarketForecast
from yieldbot.app.found_rows import FoundRow, found_rows
from yieldbot.app.history_documents import JournalPlan
from yieldbot.app.memory_documents import MarketRemembered
from yieldbot.app.plan_documents import PlanDocument
from yieldbot.app.quote_documents import QuoteDocument
from yieldbot.app.run_documents import DryRunDocument, RunDocument
from yieldbot.app.service import Collection, Service, visible
from yieldbot.errors import YieldbotError
from yieldbot.resources import read_text

RowT = TypeVar("RowT", bound=BaseModel)
READING = (
    *("list_markets", "get_market", "get_risk", "get_forecast", "get_history", "list_signals", "list_positions"),
    *("list_plans", "explain_plan", "list_transactions", "decode"),
)
"""Tools that read what the server has."""
READING_ALONE = ("list_found_markets",)
"""Likewise, of MCP alone: the assistant has them not."""
ASKING_CHAINS = ("quote", "what_if", "rehearse")
"""Tools that read chains anew and change nothing."""
WRITING = ("request_approval",)
"""``request_approval`` queues a plan for approval; older ones that wait for the same account expire."""
SCOPES = {"what_if": Scope.PLAN, "rehearse": Scope.PLAN, "request_approval": Scope.PLAN}
"""What a tool needs that is not read."""
COMMANDS = {
    "yieldbot history --waiting": "list_plans",
    "yieldbot markets --json": "list_markets",
    "yieldbot run --approve queue": "request_approval",
}
"""Tools that take the place of commands in messages."""
MOST_TEXT = 40_000
"""Most characters of a call or message to decode."""

Key = Annotated[str, Field(description="a market's key, from list_markets", max_length=300)]
Chain = Annotated[str | None, Field(description="a chain's name, as base; null: all", max_length=60)]
Symbol = Annotated[str | None, Field(description="a token's symbol, as USDC; null: all", max_length=60)]
Count = Annotated[int, Field(description="rows at most", ge=1, le=200)]


class NotAnswered(YieldbotError):
    """A tool has no answer to give; the text says why."""


class Decoded(Part):
    """What ``decode`` returns."""

    decoded: CallDocument | MessageDocument | TransactionDocument = Field(
        description="a call on an EVM chain, a message to sign, or a transaction on Solana"
    )


class Desk:
    """The tools."""

    def __init__(self, service: Service, caller: Callable[[], Caller]) -> None:
        self._service, self._caller = service, caller

    async def list_markets(
        self,
        chain: Chain = None,
        asset: Symbol = None,
        min_safety: Annotated[int | None, Field(description="this safety grade or better", ge=0, le=100)] = None,
        limit: Count = 20,
    ) -> Page[MarketLine]:
        """Markets, the highest yield first: yield after our own deposit, safety grade, expected loss, alarms."""
        found = await self._newest("markets")
        rows = [
            row
            for row in self._seen(found)
            if (chain is None or row["chain"] == chain)
            and (asset is None or row["asset"] == asset)
            and (min_safety is None or (row["safety"] or 0) >= min_safety)
        ]
        rows.sort(key=lambda row: -(row["total_apy_after_deposit"] or 0.0))
        return _page(MarketLine, lines_of(rows), found, limit)

    async def get_market(self, key: Key) -> MarketRow:
        """One market in full: yields of its curve, caps, liquidity, exit, costs, flags, vetoes, alarms."""
        return MarketRow.model_validate(await self._row("markets", key))

    async def get_risk(self, key: Key) -> GradeRow:
        """One market's safety grade with the evidence for each aspect, expected loss, and grades of its yield."""
        return GradeRow.model_validate(await self._row("grades", key))

    async def get_forecast(self, key: Key) -> MarketForecast:
        """What one market will pay over 1 to 30 days, with 80 % intervals."""
        row = await self._row("markets", key)
        if (found := self._service.forecast_of(row["id"])) is None:
            raise NotAnswered("memory has too little of this market yet")
        return MarketForecast.model_validate(found)

    async def get_history(
        self, key: Key, days: Annotated[int, Field(description="how many days back", ge=1, le=365)] = 30
    ) -> MarketRemembered:
        """Stored history of one market, one row a day: rates, utilisation, amounts."""
        row = await self._row("markets", key)
        return MarketRemembered.model_validate(await self._service.remembered(row["id"], row["chain_id"], days))

    async def list_signals(self, limit: Count = 50) -> Page[SignalRow]:
        """What the grades advise for each market: enter, hold or leave, with the reason."""
        found = await self._newest("signals")
        return _page(SignalRow, self._seen(found), found, limit)

    async def list_positions(self) -> Page[PositionRow]:
        """Our positions: amount, earnings, predicted and realised yield, alarms."""
        found = await self._newest("positions")
        return _page(PositionRow, self._seen(found), found, 200)

    async def list_found_markets(
        self,
        chain: Chain = None,
        asset: Symbol = None,
        state: Annotated[
            Literal["listed", "found", "gone"] | None,
            Field(description="listed (yieldbot uses it), found (nobody has pinned it), or gone; null: all"),
        ] = None,
        min_supplied: Annotated[float, Field(description="at least this supplied, in whole tokens", ge=0)] = 0.0,
        limit: Count = 20,
    ) -> Page[FoundRow]:
        """Markets that registries list on chain, the largest first, as the last `yieldbot discover` read them. Names
        are strangers' words; none gets money before a person pins it, which no tool can."""
        self._need(Scope.READ)
        found = await asyncio.to_thread(found_rows, self._service.context.settings)
        if not found.as_of:
            raise NotAnswered("nothing was discovered yet: a person runs `yieldbot discover`")
        rows = [
            row
            for row in found.rows
            if chain in (None, row["chain"])
            and asset in (None, row["asset"])
            and state in (None, row["state"])
            and row["supplied"] >= min_supplied
        ]
        rows.sort(key=lambda row: -row["supplied"])
        return _page(FoundRow, rows, found, limit)

    async def list_plans(
        self,
        status: Annotated[str | None, Field(description="as queued or executed; null: all", max_length=30)] = None,
        limit: Count = 20,
    ) -> Page[JournalPlan]:
        """Plans with their status, the newest first; `queued` ones wait for a person."""
        self._need(Scope.READ)
        found = await self._service.journalled("plans")
        rows = [row for row in self._seen(found) if status is None or row["status"] == status]
        return _page(JournalPlan, rows, found, limit)

    async def explain_plan(
        self, plan_id: Annotated[str, Field(description="a plan's id", max_length=100)]
    ) -> JournalPlan:
        """One plan: each call in words, its gain, its cost, and when its approval expires."""
        self._need(Scope.READ)
        found = await self._service.journalled("plans")
        row = next((row for row in self._seen(found) if row["id"] == plan_id), None)
        if row is None:
            raise NotAnswered(f"there is no plan {plan_id[:40]}: list_plans has their ids")
        return JournalPlan.model_validate(row)

    async def list_transactions(self, limit: Count = 20) -> Page[TransactionRow]:
        """Signed transactions, the newest first, and how each ended."""
        self._need(Scope.READ)
        found = await self._service.journalled("transactions")
        return _page(TransactionRow, self._seen(found), found, limit)

    async def quote(
        self,
        given: Annotated[str, Field(description="symbol of what goes in", max_length=60)],
        wanted: Annotated[str, Field(description="symbol of what comes out", max_length=60)],
        amount: Annotated[
            str, Field(description="whole tokens that go in", pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=60)
        ],
        chain: Chain = None,
    ) -> QuoteDocument:
        """What a swap would bring now over the chain's pools. Nothing is sent."""
        chain = self._service.chain_of(self._need(Scope.READ), chain)
        asked = {"given": given, "wanted": wanted, "amount": amount, "chain": chain}
        return QuoteDocument.model_validate(await self._service.quote(asked))

    async def decode(
        self,
        chain: Annotated[str, Field(description="a chain's name, as base", max_length=60)],
        data: Annotated[
            str | None,
            Field(
                description="a call as 0x and hexadecimal digits; on Solana a transaction in base64",
                max_length=MOST_TEXT,
            ),
        ] = None,
        contract: Annotated[
            str | None, Field(description="the contract that is called, one of the registry (EVM)", max_length=60)
        ] = None,
        value: Annotated[str, Field(description="wei sent along (EVM)", pattern=r"^[0-9]{1,78}$")] = "0",
        message: Annotated[
            dict[str, Any] | str | None, Field(description="instead of data: an EIP-712 message, as JSON or its text")
        ] = None,
    ) -> Decoded:
        """What a call, transaction or message to a contract of the registry does, in words, with dangers. Nothing is
        sent or signed; other contracts are refused."""
        self._service.chain_of(self._need(Scope.READ), chain)
        text = json.dumps(message) if isinstance(message, dict) else message  # the SDK parses texts that are JSON
        if text is not None and len(text) > MOST_TEXT:
            raise NotAnswered(f"message: at most {MOST_TEXT} characters")
        asked = {"chain": chain, "data": data, "contract": contract, "value": value, "message": text}
        return Decoded.model_validate({"decoded": await self._service.decode(asked)})

    async def what_if(
        self,
        wealth: Annotated[
            str | None,
            Field(description="assumed wealth in whole tokens", pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=60),
        ] = None,
        horizon_days: Annotated[
            float | None, Field(description="days that costs must pay within", gt=0, le=3650)
        ] = None,
        exclude: Annotated[
            tuple[str, ...], Field(description="names of markets or protocols to leave out", max_length=50)
        ] = (),
        max_share: Annotated[float | None, Field(description="largest fraction in one market", ge=0, le=1)] = None,
    ) -> PlanDocument:
        """The plan that would be made now, also under other assumptions: moves, bound, reasons. Nothing is stored."""
        caller = self._need(Scope.PLAN)
        assumed = {"wealth": wealth, "horizon_days": horizon_days, "exclude": exclude, "max_share": max_share}
        asked = {"jobs": self._service.jobs_of(caller, {}), "what_if": assumed}
        return PlanDocument.model_validate(await self._service.plan(asked))

    async def rehearse(self) -> DryRunDocument:
        """What a run would do now, rehearsed on a fork: the plan, its balance changes, or why it is refused. No plan is
        stored, and none waits."""
        caller = self._need(Scope.PLAN)
        asked = {"jobs": self._service.jobs_of(caller, {}), "by": f"key {caller.name}"}
        return DryRunDocument.model_validate(await self._service.rehearse(asked))

    async def request_approval(self) -> RunDocument:
        """Make the best plan now, rehearse it on a fork, and queue it. A person then approves it at the terminal with
        the command in `declined.reason`; nothing is signed here."""
        caller = self._need(Scope.PLAN)
        self._service.admission.note(caller.name, "", "request_approval over MCP", "begun")
        await self._service.write_audit()
        asked = {"jobs": self._service.jobs_of(caller, {}), "by": f"key {caller.name}"}
        return RunDocument.model_validate(await self._service.queue(asked))

    async def page(self, file: Path) -> str:
        """A page of the documentation, as an MCP resource."""
        self._need(Scope.READ)
        return read_text(file)

    async def rows(self, name: str) -> dict[str, Any]:
        """A whole collection, for a resource."""
        found = await self._newest(name)
        return {"items": list(self._seen(found)), "as_of": found.as_of, "unread": list(found.unread)}

    def _need(self, scope: Scope) -> Caller:
        caller = self._caller()
        self._service.admission.need(caller, scope, "", f"a tool of MCP that takes {scope}")
        return caller

    def _seen(self, found: Collection) -> list[Any]:
        return list(visible(found.rows, self._caller()))

    async def _newest(self, name: str) -> Collection:
        self._need(Scope.READ)
        await self._service.first_reading()
        found = self._service.newest(name)
        if not found.as_of:
            raise NotAnswered(f"the chains could not be read: {self._service.shown(self._service.failing or '')}")
        return found

    async def _row(self, name: str, key: str) -> Any:
        row = next((row for row in self._seen(await self._newest(name)) if row["key"] == key), None)
        if row is None:
            raise NotAnswered("there is no such market: list_markets has the keys")
        return row


def _page(row: type[RowT], rows: list[Any], found: Collection, limit: int) -> Page[RowT]:
    items = tuple(row.model_validate(dict(one)) for one in rows[:limit])
    return Page[row](  # type: ignore[valid-type]
        items=items, next=None, total=len(rows), as_of=found.as_of, unread=found.unread
    )
