"""The results of ``yieldbot check``, and checks that go on after a fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from yieldbot.errors import HttpRefused, NodeRefused, YieldbotError
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.native import PLANS, fees_to_begin_with
from yieldbot.model.numbers import significant
from yieldbot.model.settings import Job

FAILED, MISCONFIGURED = 1, 2


class Finding(NamedTuple):
    """One thing that was checked."""

    what: str
    """What was checked."""
    result: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty: nothing."""
    code: int = 0
    """0: nothing is wrong; FAILED: it cannot be reached now; MISCONFIGURED: the configuration is wrong."""
    warns: bool = False
    """Whether a run could begin, but would have nothing to do, or could not pay for it."""


def funds(
    job: Job,
    held: Sequence[Amount],
    fees: Amount,
    payer: Address,
    plan: Amount | None = None,
    dear_gwei: float | None = None,
) -> Finding:
    """What the job's wallet holds, with a warning if it has none of the assets, or too little to pay a plan's fees.
    fees: what ``payer`` has of the native token. plan: what a plan of one withdrawal and one deposit would pay now;
    None: not known, so that an assumed price counts. dear_gwei: the price of gas now where that is above the chain's
    ceiling, at which ``plan`` is then counted."""
    what = f"funds of wallet {job.wallet.name} on {job.chain.name} ({job.title})"
    lacking, remedies = list[str](), list[str]()
    if not any(held):
        names = " or ".join(amount.token.symbol for amount in held)
        lacking.append(f"the wallet has no {names}")
        remedies.append(f"send {names} to {job.wallet.address} on {job.chain.name}, unless all of it is invested")
    cost = "" if plan is None else f"; a plan of two moves costs about {_rough(float(plan))} {plan.token.symbol} now"
    if not fees or (plan is not None and fees.raw < plan.raw):
        lacking.append(f"{payer} has {fees if fees else f'no {fees.token.symbol}'} for fees")
        needed = fees_to_begin_with(job.chain.chain) if plan is None else _rough(PLANS * float(plan))
        at = "today's fees" if dear_gwei is None else "the ceiling"
        by = "an estimate" if plan is None else f"at {at}"
        remedies.append(f"send it about {needed} {fees.token.symbol} (for {PLANS} plans, {by})")
    if dear_gwei is not None:
        ceiling = f"the ceiling of {significant(job.chain.max_fee_gwei, 3)} (max_fee_gwei)"
        lacking.append(f"gas is at {significant(dear_gwei, 3)} gwei, above {ceiling}: nothing is signed")
        remedies.append(f"wait until gas is cheaper, or raise max_fee_gwei in chains/{job.chain.name}.toml")
    if lacking:
        return Finding(what, ", and ".join(lacking), "; ".join(remedies), warns=True)
    return Finding(what, f"{', '.join(map(str, held))}; {fees} for fees{cost}")


def _rough(amount: float) -> str:
    """Two digits of an amount, without an exponent."""
    return significant(amount, 2)


class Steps:
    """Checks of one chain, one after another: what cannot be checked is a fault itself, and the others go on while the
    node answers at all."""

    def __init__(self, chain: str, rpc_env: str, answers: Callable[[], Awaitable[object]]) -> None:
        """answers: asks the node for something that it always has; raises if it does not answer."""
        self._chain, self._rpc_env, self._answers = chain, rpc_env, answers
        self._found: list[Finding] = []
        self._unchecked: dict[tuple[str, str], list[str]] = {}
        """What could not be checked, by the reason and its remedy."""
        self._ended = False

    @property
    def found(self) -> list[Finding]:
        """Every finding; what one reason kept from being checked is one of them."""
        unchecked = [Finding(", ".join(what), *why, FAILED) for why, what in self._unchecked.items()]
        return self._found + unchecked

    def add(self, *findings: Finding) -> None:
        """Add findings that were made elsewhere."""
        self._found += findings

    async def take(self, what: str, check: Coroutine[Any, Any, Finding | list[Finding]]) -> None:
        """Carry out one check of ``what``."""
        if self._ended:
            check.close()
            return
        try:
            found = await check
            self._found += [found] if isinstance(found, Finding) else found
        except (YieldbotError, ValueError, TypeError) as failure:
            self._unchecked.setdefault(why_not(failure, self._rpc_env), []).append(what)
            await self._still_answers()

    async def _still_answers(self) -> None:
        try:
            await self._answers()
        except (YieldbotError, ValueError, TypeError) as failure:
            result, remedy = why_not(failure, self._rpc_env)
            self._ended = True
            result = f"the rest was not checked: {result}"
            self._found.append(Finding(f"chain {self._chain}", result, remedy, FAILED))


def why_not(failure: Exception, rpc_env: str) -> tuple[str, str]:
    """(what went wrong, what to do about it) where a node could not be asked."""
    if isinstance(failure, HttpRefused):
        return failure.what, failure.remedy
    if isinstance(failure, NodeRefused):
        return failure.what, failure.remedy or f"another provider in {rpc_env} in .env may serve it"
    result = str(failure) if isinstance(failure, YieldbotError) else "the node answers nonsense"
    return result, f"check the connection and {rpc_env} in .env; another provider may help"
