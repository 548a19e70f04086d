"""Orders to leave markets, as callers over the network see them; a person of the register of approvers may lift one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from yieldbot.app.admission import Scope
from yieldbot.app.collections import visible
from yieldbot.app.exit_documents import StandingExit
from yieldbot.app.exit_names import names_of
from yieldbot.app.parts import Money
from yieldbot.decision.orders import all_of
from yieldbot.errors import ConfigError, SafetyError

if TYPE_CHECKING:
    from yieldbot.app.admission import Caller
    from yieldbot.app.proposal_decisions import Decider
    from yieldbot.app.service import Service
    from yieldbot.model.amounts import Token

Row = Mapping[str, Any]


class ExitOrder(StandingExit):
    """An order to leave a market that is in force, with what was still in at the newest reading."""

    key: str = Field(description="identifies this order; one that is given again later has another")
    wallet: str = Field(description="the wallet's name")
    chain: str = Field(description="the chain's name")


def may_not_lift(caller: Caller, registered: bool) -> str | None:
    """Why somebody may not lift an order; None: they may. It lets money in again, so it takes what ordering takes."""
    if registered and Scope.APPROVE in caller.scopes:
        return None
    return "an order is lifted by a person who has signed in with a passkey, or at the terminal"


async def standing(service: Service, caller: Caller) -> tuple[ExitOrder, ...]:
    """The orders in force that a caller may see, the oldest first."""
    found = _in_force((await service.journalled("orders")).rows)
    jobs = {(job.chain.chain, job.wallet.address): job for job in service.context.settings.jobs}
    positions = service.newest("positions").rows
    made = list[ExitOrder]()
    seen = visible(tuple(found), caller)
    keys = [(row["chain"], row["owner"], row["body"]["market_id"], row["body"]["name"]) for row in seen]
    for row, called in zip(seen, names_of(keys, service.context), strict=True):
        if (job := jobs.get((row["chain"], row["owner"]))) is None:
            continue
        body, name = row["body"], (row["chain"], row["owner"], row["body"]["market_id"], str(row["seq"]))
        there = [
            one
            for one in positions
            if (one["chain_id"], one["owner"]) == (row["chain"], row["owner"]) and _covers(body, one, job.assets)
        ]
        single = len(there) == 1 and there[0]["id"] == body["market_id"]
        made.append(
            ExitOrder(
                key=hashlib.sha256("\n".join(name).encode()).hexdigest()[:16],
                wallet=job.wallet.name,
                chain=job.chain.name,
                chain_id=row["chain"],
                owner=row["owner"],
                market_id=body["market_id"],
                name=body["name"],
                called=called,
                by=body["by"],
                since=body["time"],
                into=body["into"] or None,
                held=Money.model_validate(there[0]["held"]) if single else None,
                state="unknown" if not service.read_at else "leaving" if there else "empty",
            )
        )
    return tuple(made)


async def lift(key: str, service: Service, who: Decider) -> ExitOrder:
    """Lift an order: money may go in again. Raises ConfigError where it is not in force, SafetyError where they may
    not, and RunInProgress while a run is in progress."""
    from yieldbot.app.exit import ExitStopRequest, stop
    from yieldbot.app.wiring import JobFilter

    order = next((one for one in await standing(service, who.caller) if one.key == key), None)
    if order is None:
        raise ConfigError("this order is not in force any more")
    if (why := may_not_lift(who.caller, who.registered)) is not None:
        raise SafetyError("NOT_ALLOWED", why)
    jobs = JobFilter(wallet=order.wallet, chain=order.chain)
    await asyncio.to_thread(stop, ExitStopRequest(market=order.market_id, jobs=jobs, by=who.name), service.context)
    service.admission.note(who.caller.name, who.where, f"order to leave {order.name}", "lifted")
    await service.write_audit()
    return order


def _in_force(rows: Iterable[Row]) -> list[Row]:
    """The journal's rows of the orders in force, the oldest first; an order that is given again keeps its first row.
    rows: the newest first."""
    orders = dict[tuple[str, str, str], Row]()
    for row in reversed([one for one in rows if one["kind"] in ("exit.ordered", "exit.lifted")]):
        about = row["chain"], row["owner"], row["body"]["market_id"]
        if row["kind"] == "exit.lifted":
            orders.pop(about, None)
        else:
            orders.setdefault(about, row)
    return list(orders.values())


def _covers(order: Row, position: Row, assets: Sequence[Token]) -> bool:
    """Whether an order is about a position: about its market, or about every market of its asset. assets: the job's."""
    if order["market_id"] == position["id"]:
        return True
    return any(all_of(token) == order["market_id"] and token.symbol == position["asset"] for token in assets)
