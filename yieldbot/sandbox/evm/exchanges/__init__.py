"""Exchanges of the EVM sandbox: every module here with a ``SANDBOX`` can be deployed on it.

Those of the sandbox's own market are named in ``evm/market.py`` (``STANDARD_EXCHANGES``). The others are not part
of it, so swaps on it do not change when one is added: request them by name with
``running_sandbox(directory, exchanges=...)``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.evm.site import Deployed, Site, modules


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExchange:
    """How an exchange is deployed on a sandbox."""

    protocol: str
    """The adapter's name."""
    deploy: Callable[[Site], Awaitable[Deployed]]
    """Deploys it with pools of the sandbox's tokens."""


def found() -> tuple[str, ...]:
    """The names of all exchanges here."""
    return tuple(one.protocol for one in modules(__name__))


def sandbox_exchange(name: str) -> SandboxExchange:
    """The exchange of this name. Raises ConfigError if there is none."""
    for one in modules(__name__):
        if isinstance(one, SandboxExchange) and one.protocol == name:
            return one
    raise ConfigError(f"the sandbox cannot deploy the exchange {name!r}; it can deploy {', '.join(found())}")
