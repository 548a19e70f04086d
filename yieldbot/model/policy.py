"""What the owner allows: limits and preferences. Frozen values of validated configuration; parsing is in config/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NEVER = "never"
"""Value of ``min_claim`` with which no reward is ever claimed."""


TRY_FIRST = ("generic",)
"""Flavours of opaque vaults, whose money cannot be followed."""
MAX_DEPEG_BPS, MAX_FEED_AGE_SECONDS = 100.0, 90_000
"""A pegged dollar may be off by 1 %; a feed updates daily, at most an hour late."""
RUN_TIMEOUT_SECONDS = 14_400
"""Four hours: a plan of a dozen transactions, each final on Ethereum before the next, is done by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A unit that several assets of a chain may be held for."""

    unit: str
    """USD, ETH or SOL; assets of USD must be worth a dollar."""
    shares: Mapping[str, float]
    """By symbol, the largest fraction of our wealth in an asset's markets; the first asset is the one that amounts are
    counted in."""
    slippage_bps: float = 10.0
    """Largest difference of a swap's output from its quote."""
    max_impact_bps: float = 30.0
    """Largest shortfall of a swap's output against independent prices, whatever was quoted."""
    max_apart_bps: float = 50.0
    """How far independent prices may lie apart."""
    max_depeg_bps: float = MAX_DEPEG_BPS
    """How far a pegged asset's price may be from its unit."""
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    """Oldest feed that is used."""
    deadline_seconds: int = 600
    """Within which a swap must be mined."""
    liquidity: bool = False
    """Whether plans may put liquidity into pools of two of its assets."""
    confidence: float = 0.9
    """At which the net yield of liquidity must hold."""


SALE = Base(unit="", shares={}, slippage_bps=50.0, max_impact_bps=100.0, max_apart_bps=200.0)
"""How rewards are sold: thinly traded tokens, whose price moves more than a dollar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits and preferences.

    Fractions are of the wealth; money is decimal text in whole units of the asset, parsed against the token when used;
    tables are by the names of markets (model/names.py), the narrowest name winning.
    """

    move_horizon_days: float = 7.0
    """Money that is invested moves where the move pays its cost within this time."""
    enter_horizon_days: float = 90.0
    """Idle money enters where that pays its cost within this time."""
    horizon_days: float | None = None
    """Both at once, as older files have it; None: the two above."""
    idle_buffer: str = "0"
    """What stays in the wallet, in the first asset."""
    min_position: str = "0"
    """Least holding in a market."""
    min_move: str = "0"
    """Least change of a holding."""
    break_even_days: float | None = None
    """Bounds both horizons where it is less; None: they say when a cost must be earned."""
    max_share_market: float = 1.0
    """Largest fraction of the wealth in one market."""
    max_share_protocol: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction in all markets that a name means, together."""
    max_share_markets: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction in each market that a name means; wins over ``max_share_market``."""
    haircut_bps: Mapping[str, float] = field(default_factory=dict)
    """Expected loss a year that is taken off a market's yield."""
    exclude: tuple[str, ...] = ()
    """Names of markets that get no new money."""
    max_utilisation_entry: float = 0.98
    """A market above this utilisation gets no new money."""
    min_liquidity_multiple: float = 1.0
    """How many times a market's cash must cover our holding."""
    max_exit_hours: float = 0.0
    """A market whose exit takes longer gets no new money."""
    try_first: tuple[str, ...] = TRY_FIRST
    """Names of markets that get a trial before the first real money."""
    max_gas_share_of_gain: float = 1.0
    """Largest fraction of a plan's gain within its horizon that its gas may be; the solver knows it."""
    min_gain_share: float = 0.5
    """A plan is dropped when less than this fraction of its approved gain is left."""
    plan_ttl_seconds: int = 3600
    """After which a plan expires."""
    run_timeout_seconds: int = RUN_TIMEOUT_SECONDS
    """After which a run is stopped."""
    delta_tolerance_bps: float = 1.0
    """How far balance changes may differ from the simulation."""
    auto_max_move: str = "0"
    """Largest move that is approved without a person."""
    auto_max_total: str = "0"
    """Largest sum of a plan's moves that is approved without a person."""
    limit_move: str | None = None
    """Most that goes into a market in one move; None: unlimited."""
    limit_day: str | None = None
    """Most that goes into all markets in 24 hours; None: unlimited."""
    limit_day_market: str | None = None
    """Most that goes into one market in 24 hours; None: unlimited."""
    limit_day_chain: str | None = None
    """Most that goes into one chain's markets in 24 hours; None: unlimited."""
    max_failures: int | None = None
    """Failed plans after which nothing is planned; None: unlimited."""
    failure_window_hours: float = 24.0
    """Within which failures count."""
    cooldown_hours: float = 0.0
    """How long a market gets no new money after a withdrawal or a revert there."""
    stop_at_loss_bps: float | None = None
    """Loss of a holding at which nothing more is planned; None: never."""
    confidence: float = 0.9
    """At which the net yield of liquidity must hold."""
    max_depeg_bps: float = MAX_DEPEG_BPS
    """How far a pegged token's feed may be from one dollar, where it is swapped or its markets get new money."""
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    """How old that feed may be."""
    bases: Mapping[str, Base] = field(default_factory=dict)
    """By the name that jobs use."""
    reward_haircut_bps: float = 2000.0
    """Taken off a reward's value, for its price until it is sold and for the sale."""
    reward_haircut_tokens: Mapping[str, float] = field(default_factory=dict)
    """The same by token symbol, which wins."""
    min_claim: str = "1"
    """A claim is made when this much of the asset is left of it after haircut and gas; or NEVER."""
    sell_rewards: bool = False
    """Whether claimed rewards are swapped into the asset."""

    @property
    def move_days(self) -> float:
        """Days within which a move of invested money pays its cost."""
        return _least(self.horizon_days or self.move_horizon_days, self.break_even_days)

    @property
    def enter_days(self) -> float:
        """Days within which idle money that enters pays its cost; never less than what moves has."""
        return _least(max(self.horizon_days or self.enter_horizon_days, self.mean_days), self.break_even_days)

    @property
    def mean_days(self) -> float:
        """Days over which rates are averaged."""
        return self.horizon_days or self.move_horizon_days

    @property
    def hurried(self) -> Policy:
        """The same with the shorter horizon for idle money too."""
        return replace(self, enter_horizon_days=self.mean_days)

    @property
    def horizon_seconds(self) -> float:
        """The same in seconds."""
        return self.mean_days * 86_400


def _least(days: float, bound: float | None) -> float:
    """In days, above 0: what costs are divided by."""
    return max(1e-6, days if bound is None else min(days, bound))
