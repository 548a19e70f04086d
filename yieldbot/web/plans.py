"""Plans: the list, one plan with everything that a person needs to judge it, and their approval or rejection."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.admission import Scope
from yieldbot.app.journal_rows import events_of_plan
from yieldbot.app.plan_view import PlanView, headlines, plan_view
from yieldbot.app.reject import RejectRequest
from yieldbot.app.service import visible
from yieldbot.errors import ConfigError, SafetyError, YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.web.answering import caller_of, form_of, need, page, service_of, session_of, to
from yieldbot.web.expected import horizon_days
from yieldbot.web.money_picture import picture

MOST_ENDED = 20
"""Most plans in the list that wait no more."""
DAYS = ("0", "1", "7", "30", "90")
"""Days for which a person may ask not to see the same again."""
GAINS = ("+50%", "+100%")
"""By how much more a plan must gain for it to be shown again."""
WORDS = {
    "queued": "waits for approval",
    "approved": "approved, being carried out",
    "executed": "carried out",
    "rejected": "rejected",
    "expired": "expired",
    "failed": "not carried out completely",
    "handed over": "handed to the Safe's other owners",
    "interrupted": "interrupted",
    "proposed": "proposed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a plan, or that comes next."""

    words: str
    """What."""
    at: int | None
    """When, in unix seconds; None: it has not happened."""
    state: str
    """``done``, ``next`` or ``bad``."""


async def plans(request: Request) -> Response:
    """Plans that wait, and the newest of those that do not."""
    need(request, Scope.READ)
    service = service_of(request)
    rows = visible((await service.journalled("plans")).rows, caller_of(request))
    waiting = [_shown(row) for row in rows if row["status"] == "queued" and row["expires_at"] > time.time()]
    known = {one["id"] for one in waiting}
    ended = [_shown(row) for row in rows if row["id"] not in known][:MOST_ENDED]
    ids = [one["id"] for one in (*waiting, *ended)]
    heads = await asyncio.to_thread(headlines, ids, _names(request), service.context)
    for one in (*waiting, *ended):
        one["headline"] = heads.get(one["id"], "Plan")
    return page(request, "plans.html", title="Plans", waiting=waiting, ended=ended)


async def plan(request: Request) -> Response:
    """One plan."""
    need(request, Scope.READ)
    row = await _row(request)
    return await _plan(request, row)


async def progress(request: Request) -> Response:
    """What has happened to a plan, as a part of its page; a page that shows another state is to be loaded again."""
    need(request, Scope.READ)
    row = await _row(request)
    steps = await _steps(request, row)
    return page(request, "parts/progress.html", title="", row=_shown(row), steps=steps, **_at(request, row))


async def approve(request: Request) -> Response:
    """Take a person's signature of the plan that their page showed."""
    need(request, Scope.APPROVE)
    fields = await form_of(request)
    row = await _row(request)
    service = service_of(request)
    try:
        _as_shown(row, fields)
        await service.sign(row["id"], fields.get("approver", "")[:64], fields.get("signature", "")[:20_000].strip())
    except YieldbotError as failure:
        return await _refused(request, failure)
    service.admission.note(caller_of(request).name, request.state.address, "POST /plans/{id}/approval", "200")
    return to(f"/plans/{row['id']}")


async def reject(request: Request) -> Response:
    """Reject the plan that the person's page showed."""
    need(request, Scope.APPROVE)
    fields = await form_of(request)
    row = await _row(request)
    service = service_of(request)
    try:
        _as_shown(row, fields)
        when = fields.get("days", "0")
        asked = RejectRequest(
            plan_id=row["id"],
            reason=fields.get("reason", "")[:500],
            by=_by(request),
            not_again_seconds=int(when) * 86_400 or None if when in DAYS else None,
            until_gain=when if when in GAINS else "",
        )
        await service.reject(asked)
    except YieldbotError as failure:
        return await _refused(request, failure)
    return to(f"/plans/{row['id']}")


def state_of(row: Mapping[str, Any], now: float) -> str:
    """The state by which a page knows that it shows an old one: status and signatures; a plan that waits expires."""
    status = "expired" if row["status"] == "queued" and row["expires_at"] <= now else row["status"]
    return f"{status}-{len(row['signed_by'])}"


def _at(request: Request, row: Mapping[str, Any]) -> dict[str, Any]:
    """How a plan stands now: ``state``, by which a page knows that it shows an old one, whether it ``waits`` for a
    signature, and whether it is ``final``: nothing more happens to it."""
    state = state_of(row, time.time())
    waits = state.startswith("queued")
    halt = "-halted" if waits and service_of(request).halted() is not None else ""
    return {"state": state + halt, "waits": waits, "final": not waits and row["status"] != "approved"}


async def _plan(request: Request, row: Mapping[str, Any], why: str | None = None, status: int = 200) -> Response:
    view = await _view(request, row)
    now, doc = time.time(), view.model_dump(mode="json")
    approver = session_of(request).approver
    at = _at(request, row)
    state, waits, halted = at["state"], at["waits"], at["state"].endswith("-halted")
    signed = set(row["signed_by"])
    persons = [one for one in doc["persons"] if one["name"] not in signed]
    own = next((one for one in persons if approver is not None and one["name"] == approver.name), None)
    return page(
        request,
        "plan.html",
        status,
        title=view.headline,
        does=_does(view, len(signed)),
        why=why,
        row=_shown(row),
        view=doc,
        now=now,
        **at,
        horizon=horizon_days(service_of(request)),
        signable=waits and not halted and bool(doc["needed"]) and len(signed) < doc["needed"],
        persons=persons,
        own=own,
        signed_by_own=approver is not None and approver.name in signed,
        picture=picture(doc["places"], _described(doc)) if doc["drawn"] else None,
        challenge=base64.urlsafe_b64encode(bytes.fromhex(view.challenge[2:])).rstrip(b"=").decode(),
        typed=_json(view.typed),
        steps=await _steps(request, row),
        successor=await _successor(request, row, waits),
        words=WORDS.get(state.partition("-")[0], row["status"]),
    )


async def _refused(request: Request, failure: YieldbotError) -> Response:
    """The plan as it is now, with the reason why nothing was done."""
    row = await _row(request)
    service = service_of(request)
    status = 409 if isinstance(failure, SafetyError) else 422
    return await _plan(request, row, service.shown(str(failure)), status)


def _as_shown(row: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    """Raises SafetyError if the plan is not the one that the person's page showed."""
    if fields.get("digest") != row["digest"]:
        raise SafetyError("NOT_THE_PLAN", "the plan is not the one that your page showed: look at it again")


async def _row(request: Request) -> Mapping[str, Any]:
    """The plan's row in the journal. Raises HTTPException (404) for a plan that is not there, or not the caller's."""
    rows = visible((await service_of(request).journalled("plans")).rows, caller_of(request))
    wanted = request.path_params["plan_id"]
    found = next((row for row in rows if row["id"] == wanted), None)
    if found is None:
        raise HTTPException(404, "there is no such plan")
    return found


async def _view(request: Request, row: Mapping[str, Any]) -> PlanView:
    service = service_of(request)
    try:
        return await asyncio.to_thread(plan_view, row["id"], _names(request), service.context)
    except ConfigError as failure:
        raise HTTPException(422, service.shown(str(failure))) from None


def _names(request: Request) -> dict[str, str]:
    return {one["id"]: one["name"] for one in service_of(request).newest("markets").rows}


async def _successor(request: Request, row: Mapping[str, Any], waits: bool) -> str | None:
    """The id of a newer plan of the same account that waits; None: there is none."""
    if waits:
        return None
    for other in (await service_of(request).journalled("plans")).rows:  # the newest first
        if other["id"] == row["id"]:
            return None
        same = (other["owner"], other["chain"]) == (row["owner"], row["chain"])
        if same and other["status"] == "queued" and other["expires_at"] > time.time():
            return str(other["id"])
    return None


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    status = row["status"]
    if status == "queued" and row["expires_at"] <= time.time():
        status = "expired"
    tone = {"queued": "wait", "approved": "wait", "executed": "good", "handed over": "good", "failed": "bad"}
    return dict(row) | {"words": WORDS.get(status, status), "tone": tone.get(status, "none")}


def _does(view: PlanView, signed: int) -> str:
    """What approving does, in one sentence."""
    last = signed + 1 >= view.needed
    then = "It is then carried out." if last else f"Then {view.needed - signed - 1} more must sign."
    return f"You sign: {view.headline[0].lower()}{view.headline[1:]}. {then}"


def _by(request: Request) -> str:
    session = session_of(request)
    return f"key {session.caller.name}" if session.approver is None else session.approver.name


def _described(doc: Mapping[str, Any]) -> str:
    """The picture in words, for those who do not see it."""
    parts = (f"{one['name']} from {one['before']['text']} to {one['after']['text']}" for one in doc["places"])
    return f"Money before and after, in {doc['symbol']}: {'; '.join(parts)}"


def _json(typed: Mapping[str, Any]) -> str:
    return json.dumps(typed)


async def _steps(request: Request, row: Mapping[str, Any]) -> list[Step]:
    """What happened to the plan, the oldest first, and what comes next."""
    found, since, hashes = list[Step](), list[Mapping[str, Any]](), set[str]()
    for event in (await service_of(request).journalled("journal")).rows:  # the newest first
        since.append(event)
        if event["kind"] == "plan.written" and event["plan_id"] == row["id"]:
            break
    else:  # the plan is older than the entries in memory
        since = list(await asyncio.to_thread(events_of_plan, service_of(request).context.settings.data_dir, row["id"]))
    signed: dict[str, Mapping[str, Any]] = {}  # the newest signature of each, of those that are valid
    for event in since:
        if (event["kind"], event["plan_id"]) == ("approval.given", row["id"]) and event["body"]["approver"] in row[
            "signed_by"
        ]:
            signed.setdefault(event["body"]["approver"], event)
    for event in reversed(since):
        if event["kind"] == "approval.given" and signed.get(event["body"]["approver"]) is not event:
            continue
        of_plan = event["plan_id"] == row["id"]
        if of_plan and event["kind"] == "tx.signed":
            hashes.add(event["tx_hash"])
        if (of_plan or event["tx_hash"] in hashes) and (step := _step(event)) is not None:
            found.append(step)
    state = state_of(row, time.time()).partition("-")[0]
    if state == "expired" and row["status"] == "queued":
        found.append(Step("Expired: nobody can sign it any more", row["expires_at"], "bad"))
    if state == "queued" and (needed := service_of(request).context.settings.policy.approvals_needed):
        lacks = needed - len(row["signed_by"])
        if lacks > 0:
            found.append(Step(f"{lacks} more of {needed} must sign", None, "next"))
        else:
            found.append(Step("The signer rehearses it again, and then carries it out", None, "next"))
    if state == "approved":
        found.append(Step("Its transactions are sent and confirmed", None, "next"))
    return found


def _step(event: Mapping[str, Any]) -> Step | None:
    kind, body, at = event["kind"], event["body"], event["at"]
    match kind:
        case "plan.written":
            return Step("Made, and rehearsed on a copy of the chain", at, "done")
        case "approval.given":
            return Step(f"Signed by {body['approver']}", at, "done")
        case "tx.signed":
            return Step(f"Transaction signed: {body['words']}", at, "done")
        case "tx.sent":
            return Step("Transaction sent", at, "done") if body["attempt"] == 1 else None
        case "tx.settled":
            result = body["outcome"]["result"]
            return Step(f"Transaction {result}", at, "done" if result == "confirmed" else "bad")
        case "plan.marked" if body["status"] != "queued":
            why = f": {body['reason']}" if body["reason"] else ""
            words = {
                "approved": "Rehearsed again and approved",
                "executed": "Carried out",
                "rejected": f"Rejected by {body['by']}",
                "expired": "Expired",
            }.get(body["status"], body["status"].capitalize())
            bad = body["status"] in ("rejected", "expired", "failed", "interrupted")
            return Step(words + why, at, "bad" if bad else "done")
        case _:
            return None


ROUTES = (
    Route("/plans", plans, methods=["GET"]),
    Route("/plans/{plan_id}", plan, methods=["GET"]),
    Route("/plans/{plan_id}/progress", progress, methods=["GET"]),
    Route("/plans/{plan_id}/approval", approve, methods=["POST"]),
    Route("/plans/{plan_id}/rejection", reject, methods=["POST"]),
)
