"""Every page there is, found from the routes, with something to see on each."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from tests.kit.api.served import Served
from tests.kit.assistant.port_double import PortDouble, whole
from tests.kit.passkeys import Passkey
from tests.kit.web.planned import needs, waiting_plan
from yieldbot.access.caller import Caller, Scope
from yieldbot.app import approvers, proposals
from yieldbot.app.alert_names import Known
from yieldbot.app.passkey_sign_in import caller
from yieldbot.app.proposal_documents import AlertWish, ProposalRow
from yieldbot.assistant.proposing import exit_lines
from yieldbot.execution.register import read_register
from yieldbot.web.server import ROUTES

NO_PAGES = frozenset(("/live", "/session", "/plans/{plan_id}/progress"))
"""Streams, and parts of pages."""
PAGES = tuple(
    one.path for one in ROUTES if isinstance(one, Route) and "GET" in (one.methods or ()) and one.path not in NO_PAGES
)


def full(served: Served) -> dict[str, str]:
    """Something on every page; returns what stands for the parameters of paths."""
    context: Any = served.service.context
    needs(context, 2)
    approvers.add(approvers.person("anna", wallet="0x" + "77" * 20), context)
    approvers.add(approvers.person("ben", passkey=Passkey().public, origin="http://localhost:1"), context)
    served.key("read", name="robot")
    plan = waiting_plan(served)
    exit_, _ = proposed(served)
    key = served.service.newest("markets").rows[0]["key"]
    return {"plan_id": plan.id, "key": key, "proposal_id": exit_.id}


def proposed(served: Served) -> tuple[ProposalRow, ProposalRow]:
    """An exit and an alert that wait, as the assistant proposes them."""
    service, asks = served.service, Caller("robot", frozenset((Scope.READ, Scope.PLAN)))
    position = service.newest("positions").rows[0]
    wish = AlertWish(measure="rate", subject=position["id"], above=None, below="2%", chain=None)
    known = Known(service.newest("markets").rows, ())
    return (
        proposals.propose_exit(service.context, asks, position, exit_lines(position)),
        proposals.propose_alert(service.context, asks, wish, known),
    )


def everybody(served: Served, app: Any) -> str:
    """The id of a session of a key that may do everything, and has asked the assistant something."""
    who, _ = served.service.admission.admit(served.key(*Scope, name="all")["Authorization"], "127.0.0.1", "test")
    session_id: str = app.state.sessions.begin(who)
    served.service.assistant = PortDouble()
    asked = whole(str(served.service.newest("markets").rows[0]["key"]))
    app.state.sessions.find(session_id).turns.append(asked)
    return session_id


def of_person(app: Any, name: str) -> str:
    """The id of a session of a person in the register, as after signing in with a passkey."""
    person = read_register(app.state.service.context.settings.data_dir)[name]
    session_id: str = app.state.sessions.begin(caller(person), person)
    return session_id
