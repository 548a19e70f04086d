"""What the owner allows: limits and preferences. Frozen values of validated configuration; parsing is in config/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yieldbot.model.alarm_limits import CODES, AlarmLimits

NEVER = "never"
"""Value of ``Policy.min_claim`` with which no reward is ever claimed."""


TRY_FIRST = ("generic",)
"""Default of ``Policy.try_first``: flavours of opaque vaults, whose investments cannot be read."""
MAX_DEPEG_BPS, MAX_FEED_AGE_SECONDS = 100.0, 90_000
"""Defaults: a pegged dollar may be off by 1 %; a feed updates at least daily, with an hour of delay."""
FORECASTER = "paid-3d"
"""Default of ``Policy.forecaster``: the exponential mean of what was paid, half-life 3 days. A forecast is judged by
its skill and a policy by its gain: the combined forecast is more skilled, and follows quotes more closely than pays."""
RUN_TIMEOUT_SECONDS = 14_400
"""Default of ``Policy.run_timeout_seconds``, four hours: a plan of a dozen transactions, each final on Ethereum before
the next, takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A unit that several assets of a chain may be held for."""

    unit: str
    """USD, ETH or SOL; every asset of a base with unit USD must be worth a dollar."""
    shares: Mapping[str, float]
    """Largest fraction of the wealth in an asset's markets, by symbol; amounts are counted in the first asset."""
    slippage_bps: float = 10.0
    """Largest shortfall of a swap's output against its quote, in bp."""
    max_impact_bps: float = 30.0
    """Largest shortfall of a swap's output against the best independent price, in bp, whatever was quoted."""
    max_apart_bps: float = 50.0
    """How far independent prices may differ from each other, in bp."""
    max_depeg_bps: float = MAX_DEPEG_BPS
    """How far a pegged asset's price may be from its unit, in bp."""
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    """Largest age of a feed's price, in seconds."""
    deadline_seconds: int = 600
    """Seconds within which a swap must be mined."""
    liquidity: bool = False
    """Whether plans may provide liquidity to pools of two of its assets."""
    confidence: float = 0.9
    """Confidence level at which the net yield of liquidity must hold."""


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
    forecaster: str = FORECASTER
    """Whose forecast of rates decisions are made on, once memory has a history (forecast/outlook.py)."""
    idle_buffer: str = "0"
    """What stays in the wallet, of the first asset."""
    min_position: str = "0"
    """Least holding in a market."""
    min_move: str = "0"
    """Least change of a holding."""
    min_gain_bps: float = 5.0
    """Moves that together gain less than this a year, in bp of the wealth, are not made: each transaction is a risk."""
    break_even_days: float | None = None
    """Bounds both horizons where it is less; None: they say when a cost must be earned."""
    max_share_market: float = 0.5
    """Largest fraction of the wealth in one market."""
    max_share_protocol: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction of the wealth by name, in all markets with that name together."""
    max_share_markets: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction of the wealth by name, in each market with that name; wins over ``max_share_market``."""
    haircut_bps: Mapping[str, float] = field(default_factory=dict)
    """Expected loss by name, in bp a year, which is taken off a market's yield; in place of what its grade expects."""
    exclude: tuple[str, ...] = ()
    """Names of markets that get no new money."""
    min_safety: int | None = None
    """A market whose safety grade is lower gets no new money; None: any may."""
    max_expected_loss_bps: float | None = None
    """A market that is expected to lose more a year, in bp, gets no new money; None: any may."""
    blacklist: tuple[str, ...] = ()
    """Names of markets, and symbols and addresses of tokens and contracts, that are not trusted any more: money leaves
    whatever market is one, or is backed by one."""
    alarms: AlarmLimits = field(default_factory=AlarmLimits)
    """What counts as a sign of danger."""
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
    """A plan is dropped when less than this fraction of its approved gain remains."""
    plan_ttl_seconds: int = 3600
    """Seconds after which a plan expires."""
    run_timeout_seconds: int = RUN_TIMEOUT_SECONDS
    """Seconds after which a run is stopped."""
    delta_tolerance_bps: float = 1.0
    """How far balance changes may differ from the simulation, in bp."""
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
    """Number of failed plans after which nothing is planned; None: unlimited."""
    failure_window_hours: float = 24.0
    """Hours for which a failed plan counts."""
    cooldown_hours: float = 0.0
    """How long a market gets no new money after a withdrawal or a revert there."""
    stop_at_loss_bps: float | None = None
    """Loss of a holding, in bp, at which nothing more is planned; None: never."""
    confidence: float = 0.9
    """Confidence level at which the net yield of liquidity must hold."""
    max_depeg_bps: float = MAX_DEPEG_BPS
    """How far a pegged token's price may be from one dollar, in bp, where it is swapped or its markets get new
    money."""
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    """Largest age of such a price, in seconds."""
    bases: Mapping[str, Base] = field(default_factory=dict)
    """Units that several assets are held for, by the name that jobs use."""
    reward_haircut_bps: float = 2000.0
    """What is taken off a reward's value, in bp: its price may fall until the sale, and the sale costs."""
    reward_haircut_tokens: Mapping[str, float] = field(default_factory=dict)
    """The same by token symbol; wins over ``reward_haircut_bps``."""
    min_claim: str = "1"
    """Least value of a claim after haircut and gas, in whole tokens of the asset; or NEVER."""
    sell_rewards: bool = False
    """Whether claimed rewards are swapped into the asset."""
    exit_min_price_bps: float = 100.0
    """How far below a dollar, in bp, a pegged asset may be given when what came out of an exit is swapped."""
    auto_exit: bool = False
    """Whether a plan that only takes money out of markets into our own wallet, because of danger or an order, needs no
    person."""

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


def alone() -> Policy:
    """The shipped policy as a backtest judges it: its judgement of yields alone, without the limit on what one market
    may hold and without alarms. Both are insurances, whose worth recorded rates of markets that lived on cannot show;
    what they cost is in docs/backtest.md."""
    return Policy(max_share_market=1.0, alarms=AlarmLimits(off=CODES))


def _least(days: float, bound: float | None) -> float:
    """In days, above 0: what costs are divided by."""
    return max(1e-6, days if bound is None else min(days, bound))
