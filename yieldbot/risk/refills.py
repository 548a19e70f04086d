"""How soon a limit over time lets more money in. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.policy import Policy


@dataclass(frozen=True, slots=True)
class Refill:
    """How fast a limit over time lets more money into a market."""

    raw: int | None
    """Base units each time; None: no limit then."""
    seconds: float
    """The time until more may go in, and between any two times."""

    def waits(self, rest_raw: int) -> float:
        """Mean seconds that the parts of a rest wait until they may go in."""
        if rest_raw <= 0:
            return 0.0
        step = rest_raw if self.raw is None else max(1, self.raw)
        times = -(-rest_raw // step)
        left = times * rest_raw - step * times * (times - 1) // 2
        return self.seconds * left / rest_raw


def plan_seconds(policy: Policy, records: Sequence[Record], account: tuple[ChainId, Address], now: int) -> int:
    """Seconds until the account's next plan, as far as that can be known: the time since its last plan that left
    something to later ones was carried out; before there is one, the time for which a plan is valid. now: unix
    seconds."""
    ended = dict[str, int]()
    for record in reversed(records):
        match record.entry:
            case PlanMarked(plan_id=plan_id, status=PlanStatus.EXECUTED):
                ended[plan_id] = record.at
            case PlanWritten(plan=plan) if plan.allocation.later and (plan.block.chain, plan.owner) == account:
                if plan.id not in ended:
                    continue
                return max(1, now - ended[plan.id])
    return policy.plan_ttl_seconds
