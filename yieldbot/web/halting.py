"""The halt, which stops all signing, and its end."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.admission import Scope
from yieldbot.web.answering import caller_of, form_of, need, page, service_of, session_of, to


async def ask(request: Request) -> Response:
    """Whether to halt, or to lift a halt."""
    need(request, Scope.HALT)
    whole = caller_of(request).accounts is None
    return page(request, "halt.html", title="Halt", whole=whole, why=None)


async def halt(request: Request) -> Response:
    """Halt: sign and send nothing more, at the signer either. An earlier halt's reason is kept."""
    need(request, Scope.HALT)
    fields = await form_of(request)
    service, name = service_of(request), caller_of(request).name
    given = fields.get("reason", "").strip()[:400]
    reason = f"{given or 'ordered on the web page'} ({_name(request)})"
    service.halt(reason)
    await service.halt_signer(reason)
    service.admission.note(name, request.state.address, "POST /halt", "200")
    return to("/halt")


async def lift(request: Request) -> Response:
    """Lift the halt that the person's page showed, and none that somebody ordered since."""
    need(request, Scope.HALT)
    fields = await form_of(request)
    service, caller = service_of(request), caller_of(request)
    if caller.accounts is not None:
        raise HTTPException(403, "a key of single accounts can halt, and cannot lift a halt")
    if fields.get("seen", "") != (service.halted() or ""):
        why = "the halt is not the one that your page showed: read its reason again"
        return page(request, "halt.html", 409, title="Halt", whole=True, why=why)
    service.resume()
    service.admission.note(caller.name, request.state.address, "POST /halt/lift", "200")
    return to("/halt")


def _name(request: Request) -> str:
    session = session_of(request)
    return session.approver.name if session.approver is not None else f"key {session.caller.name}"


ROUTES = (
    Route("/halt", ask, methods=["GET"]),
    Route("/halt", halt, methods=["POST"]),
    Route("/halt/lift", lift, methods=["POST"]),
)
