"""Where signed transactions are sent: to private endpoints, to the chain's own, to one after the other or to all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from yieldbot.errors import TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.rpc.endpoint import Endpoint

SEND = "eth_sendRawTransaction"

First = Callable[[Sequence[Endpoint], str, list[Any]], Awaitable[Any]]
"""Asks endpoint by endpoint; gives the first answer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Where signed transactions go."""

    private: tuple[Endpoint, ...] = ()
    """Endpoints that keep them out of the public pool; none: they go to the chain's endpoints."""
    public: bool = False
    """Whether the chain's endpoints get them too when no private one takes them."""
    to_all: bool = False
    """True: to every endpoint at once. False: to one after the other until one takes them."""

    async def send(self, params: list[Any], usable: Sequence[Endpoint], first: First) -> Any:
        """Send a signed transaction. usable: the chain's endpoints that can be used now. Nothing depends on the
        answer."""
        if self.private:
            try:
                return await self._deliver(self.private, params, first)
            except TransientError:
                if not self.public:
                    raise
        return await self._deliver(usable, params, first)

    async def _deliver(self, endpoints: Sequence[Endpoint], params: list[Any], first: First) -> Any:
        """Send to one endpoint after the other until one accepts it, or to all at once."""
        if not self.to_all:
            return await first(endpoints, SEND, params)
        answers = await asyncio.gather(*(e.request(SEND, params) for e in endpoints), return_exceptions=True)
        for answer in answers:
            if not isinstance(answer, BaseException):
                return answer
        raise next(answer for answer in answers if isinstance(answer, BaseException))
