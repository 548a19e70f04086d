"""What-ifs of ``plan``: another wealth, horizon or limit, for one answer. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.app.plan_documents import Assumptions
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.names import named
from yieldbot.model.numbers import number
from yieldbot.model.spelling import did_you_mean

if TYPE_CHECKING:
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job

LONGEST_DAYS = 3650.0


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What one answer assumes instead of the configuration. None and () change nothing."""

    wealth: str | None = None
    """Wealth of each job, in whole tokens, instead of what it has."""
    horizon_days: float | None = None
    """Days over which costs are weighed against income."""
    exclude: tuple[str, ...] = ()
    """Names, ids or protocols of markets that get no money."""
    max_share: float | None = None
    """The largest fraction of the wealth in one market, 0 to 1."""

    def __bool__(self) -> bool:
        return self != WhatIf()

    def policy(self, policy: Policy) -> Policy:
        """The policy with these changes. A lower limit for all markets also lowers the limits of single ones."""
        if self.horizon_days is not None:
            policy = replace(policy, horizon_days=self.horizon_days)
        if self.max_share is not None:
            most = self.max_share
            single = {name: min(share, most) for name, share in policy.max_share_markets.items()}
            policy = replace(policy, max_share_market=most, max_share_markets=single)
        return replace(policy, exclude=(*policy.exclude, *self.exclude))

    def amount(self, job: Job) -> Amount | None:
        """The assumed wealth in a job's asset; None: not changed. Raises ConfigError for a malformed amount."""
        return None if self.wealth is None else amount_of("--wealth", self.wealth, job)

    def check_names(self, snapshots: Sequence[Snapshot]) -> None:
        """Raises ConfigError if an excluded name matches no observed market (``model/names``)."""
        markets = [state.market for snapshot in snapshots for state in snapshot.states.values()]
        markets += [bad.market for snapshot in snapshots for bad in snapshot.quarantined]
        glanced = [glance.market for snapshot in snapshots for glance in snapshot.glanced]
        for name in self.exclude:
            # The full name of a market that was only glanced at is not known; it begins with its table's.
            if any(named(one, (name,)) or name.startswith(f"{one.deployment} ") for one in glanced):
                continue
            if not any(named(market, (name,)) for market in markets):
                hint = did_you_mean(name, {called for one in markets for called in (one.name, one.protocol)})
                raise ConfigError(f"--exclude {name}: no market has this name, id or protocol: {hint}")

    def summary(self) -> str:
        """One line that states the assumptions."""
        parts = []
        if self.wealth is not None:
            parts.append(f"wealth {self.wealth}")
        if self.horizon_days is not None:
            parts.append(f"horizon {self.horizon_days:g} days")
        if self.max_share is not None:
            parts.append(f"at most {self.max_share:z.0%} in a market")
        if self.exclude:
            parts.append(f"without {', '.join(self.exclude)}")
        return f"What if: {', '.join(parts)}. The configuration is as it was."

    def document(self) -> Assumptions | None:
        """The assumptions for the document; None: nothing is changed."""
        if not self:
            return None
        return Assumptions(
            wealth=self.wealth, horizon_days=self.horizon_days, exclude=self.exclude, max_share=self.max_share
        )


def from_flags(
    wealth: str | None = None, horizon: str | None = None, exclude: Sequence[str] = (), max_share: str | None = None
) -> WhatIf:
    """The what-if that a person's flags describe. Raises ConfigError for a malformed value."""
    return WhatIf(
        wealth=wealth,
        horizon_days=_number("--horizon", horizon, LONGEST_DAYS, "a number of days, as 90", above=True),
        exclude=tuple(exclude),
        max_share=_number("--max-share", max_share, 1.0, "a fraction from 0 to 1, as 0.25"),
    )


def amount_of(flag: str, text: str, job: Job) -> Amount:
    """Parse a flag's amount in a job's asset. Raises ConfigError."""
    try:
        amount = job.asset.parse(text)
    except ValueError as bad:
        raise ConfigError(f"{flag}: {bad}") from None
    if amount.raw <= 0:
        raise ConfigError(f"{flag} {text}: must be above 0")
    return amount


def _number(flag: str, text: str | None, most: float, expected: str, above: bool = False) -> float | None:
    if text is None:
        return None

    try:
        value = number(text, f"write {expected}")
    except ValueError as bad:
        raise ConfigError(f"{flag} {text}: {bad}") from None
    if value > most or (above and value == 0.0):
        raise ConfigError(f"{flag} {text}: write {expected}" + (f", at most {most:g}" if most > 1 else ""))
    return value
