"""The pages that the navigation names, in its order."""

from __future__ import annotations

from starlette.requests import Request

from yieldbot.app.admission import Scope
from yieldbot.app.asking import why_off
from yieldbot.model.dataclass import dataclass
from yieldbot.web.sessions import Session

PAGES = (
    ("/", "Overview"),
    ("/plans", "Plans"),
    ("/markets", "Markets"),
    ("/positions", "Positions"),
    ("/transactions", "Transactions"),
    ("/forecasts", "Forecasts"),
    ("/backtests", "Backtests"),
    ("/alerts", "Alerts"),
    ("/ask", "Ask"),
    ("/proposals", "Proposals"),
    ("/approvers", "Approvers"),
    ("/keys", "Keys"),
    ("/settings", "Settings"),
)
"""(address, name) of every page that the navigation can name."""
BELONGS = {"/found": "/markets"}
"""Pages that the navigation does not name, and the page that they belong to."""
OF_ALL_ACCOUNTS = frozenset(("/approvers",))
"""Pages that are not for who may see single accounts alone."""


@dataclass(frozen=True, slots=True)
class Link:
    """One page in the navigation."""

    address: str
    """Its path."""
    name: str
    """Its name."""
    here: bool
    """Whether the page that is shown is this one, or belongs to it."""


def links(request: Request) -> list[Link]:
    """The pages that this server has; the assistant's only where it answers."""
    known = {getattr(route, "path", None) for route in request.app.routes}
    session: Session | None = getattr(request.state, "session", None)
    if session is not None and session.caller.accounts is not None:
        known -= OF_ALL_ACCOUNTS
    if session is None or Scope.KEYS not in session.caller.scopes:
        known -= {"/keys"}
    if why_off(request.app.state.service.assistant) is not None:
        known -= {"/ask", "/proposals"}
    here = "/" + request.url.path.split("/")[1]
    here = BELONGS.get(here, here)
    return [Link(address, name, address == here) for address, name in PAGES if address in known]
