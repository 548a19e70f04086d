"""Tools that propose. Each stores something that waits for a person, and restates it in yieldbot's own words with both
amounts: what is there, and what would come out. None takes a recipient, an address, calldata or an amount to send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from yieldbot.app import proposals
from yieldbot.app.admission import Scope
from yieldbot.app.alert_names import Known
from yieldbot.app.answer_documents import ProposalPart
from yieldbot.app.desk import Desk, Key, NotAnswered
from yieldbot.app.proposal_documents import AlertWish, ProposalDocument, ProposalRow, SettingWish
from yieldbot.app.run_documents import RunDocument
from yieldbot.app.service import visible

if TYPE_CHECKING:
    from yieldbot.app.admission import Caller
    from yieldbot.app.service import Service

MOST_PROPOSALS = 3
"""Most proposals for one question."""
MOST_LINES = 40
Value = Annotated[str, Field(description="as 5%, 50bp, 0.995 or 10000", max_length=40)]


class Proposer:
    """The tools that propose, for one question."""

    def __init__(self, service: Service, caller: Caller, add: Callable[[ProposalPart], None]) -> None:
        """add: takes each proposal that was made."""
        self._service, self._caller, self._add = service, caller, add
        self._desk = Desk(service, lambda: caller)
        self._made = 0

    async def propose_plan(self) -> RunDocument:
        """Make the best plan now and rehearse it on a fork. It then waits for a person, who approves it elsewhere."""
        self._count()
        found = await self._desk.request_approval()
        for part in plan_parts(found, self._service.context.program):
            self._add(part)
        return found

    async def propose_exit(self, key: Key) -> ProposalDocument:
        """Propose to take everything out of one market in which we hold money. A person carries it out."""
        self._need()
        row = await self._position(key)
        self._count()
        lines = exit_lines(row)
        made = await asyncio.to_thread(
            proposals.propose_exit, self._service.context, self._caller, row, lines
        )  # fmt: skip
        return self._done(made, "accept")

    async def propose_alert(
        self,
        measure: Annotated[
            Literal["rate", "price", "depeg", "utilisation", "grade", "wealth"], Field(description="what is measured")
        ],
        subject: Annotated[
            str, Field(description="a market's key, a token's symbol or a wallet's name", max_length=300)
        ],
        side: Annotated[Literal["above", "below"], Field(description="on which side of the value it begins")],
        value: Value,
    ) -> ProposalDocument:
        """Propose an alert: a notice when a rate, price, depeg, utilisation, grade or wealth passes a value. A person
        accepts it."""
        self._need()
        read = self._service.newest("markets")
        seen = visible(read.rows, self._caller)
        ids = {row["key"]: row["id"] for row in seen}
        self._count()
        wish = AlertWish(
            measure=measure,
            subject=str(ids.get(subject, subject)),
            above=value if side == "above" else None,
            below=value if side == "below" else None,
            chain=None,
        )
        made = await asyncio.to_thread(
            proposals.propose_alert, self._service.context, self._caller, wish, Known(seen, read.unread)
        )
        return self._done(made, "accept")

    async def propose_setting(
        self,
        setting: Annotated[str, Field(description="a setting of [policy], as max_share_market", max_length=60)],
        number: Annotated[float | None, Field(description="the new value of a number; null: names are given")] = None,
        names: Annotated[
            tuple[str, ...], Field(description="keys of markets to add, for exclude and try_first", max_length=20)
        ] = (),
    ) -> ProposalDocument:
        """Propose to change one limit of the policy to the safer side: less in one market, a better grade, a market
        left out. A change to the riskier side is refused. A person accepts it."""
        self._need()
        self._count()
        value = self._value(setting, number, names)
        wish = SettingWish(key=setting, value=value)
        made = await asyncio.to_thread(proposals.propose_setting, self._service.context, self._caller, wish)
        return self._done(made, "accept")

    def _value(self, setting: str, number: float | None, names: Sequence[str]) -> Any:
        """The new value of a setting: a number, or its names and the new ones, which must be of the last reading."""
        if setting in ("exclude", "try_first"):
            ids = {row["key"]: str(row["id"]) for row in visible(self._service.newest("markets").rows, self._caller)}
            if not names or (unknown := [name for name in names if name not in ids]):
                raise NotAnswered(f"names: there is no such market {str(unknown[:1] if names else '')[:80]}")
            before = getattr(self._service.context.settings.policy, setting)
            return (*before, *(ids[name] for name in names if ids[name] not in before))
        if number is None or names:
            raise NotAnswered("number: give the new value")
        return int(number) if number == int(number) else number

    async def _position(self, key: str) -> Mapping[str, Any]:
        await self._service.first_reading()
        rows = visible(self._service.newest("positions").rows, self._caller)
        row = next((row for row in rows if row["key"] == key), None)
        if row is None:
            raise NotAnswered("we hold nothing there: list_positions has the keys")
        return row

    def _need(self) -> None:
        self._service.admission.need(self._caller, Scope.PLAN, "", "a proposal of the assistant")

    def _count(self) -> None:
        self._made += 1
        if self._made > MOST_PROPOSALS:
            raise NotAnswered(f"{MOST_PROPOSALS} things were proposed already: a person decides first")

    def _done(self, row: ProposalRow, verb: str) -> ProposalDocument:
        command = f"{self._service.context.program} proposal {verb} {row.id}"
        self._add(ProposalPart(id=row.id, kind=row.kind, lines=row.lines, command=command))
        return ProposalDocument(proposal=row, done=None)


def exit_lines(row: Mapping[str, Any]) -> tuple[str, ...]:
    """An exit in words: what is held there, and what can come out now."""
    held, out = row["held"], row["withdrawable"]
    return (
        f"take everything out of {row['name']} on {row['chain']} (wallet {row['wallet']}), into the wallet itself",
        f"there: {held['text']} {held['symbol']}; can come out now: {out['text']} {out['symbol']}; the rest later",
    )


def plan_parts(found: RunDocument, program: str) -> list[ProposalPart]:
    """The plans that wait after a run, each step with what goes in and the least that comes out."""
    parts = list[ProposalPart]()
    for job in found.model_dump(mode="json")["jobs"]:
        plan = job.get("plan") or {}
        if job.get("exit_code") != 3 or not plan.get("id"):
            continue
        lines = [f"{job['wallet']}: {job['asset']} on {job['chain']}"]
        for leg in plan.get("legs", ()):
            amount, gets = leg["amount"], leg.get("gets")
            out = f", at least {gets['text']} {gets['symbol']} out" if gets else ""
            lines.append(f"{leg['kind']} {leg['market_id']}: {amount['text']} {amount['symbol']}{out}")
        parts.append(
            ProposalPart(
                id=plan["id"], kind="plan", lines=tuple(lines[:MOST_LINES]), command=f"{program} approve {plan['id']}"
            )
        )
    return parts
