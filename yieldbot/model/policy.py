"""What the owner allows: limits and preferences. Frozen values of validated configuration; parsing is in config/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from yieldbot.model.alarm_limits import CODES, AlarmLimits
from yieldbot.model.dataclass import dataclass

NEVER = "never"
"""Value of ``Policy.min_claim`` with which no reward is ever claimed."""


TRY_FIRST = ("generic",)
"""Default of ``Policy.try_first``: flavours of opaque vaults, whose investments cannot be read."""
MAX_DEPEG_BPS, MAX_FEED_AGE_SECONDS = 100.0, 90_000
"""Defaults: a pegged dollar may be off by 1 %; a feed updates at least daily, with an hour of delay."""
FORECASTER = "paid-3d"
"""Default of ``Policy.forecaster``: the exponential mean of the rates paid, with a half-life of 3 days. A forecast is
judged by its skill, a policy by its gain: the combined forecast has more skill, but follows quotes too closely to gain
as much."""
RUN_TIMEOUT_SECONDS = 14_400
"""Default of ``Policy.run_timeout_seconds``: four hours. A plan of a dozen transactions, each one final on Ethereum
before the next, takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A unit that several assets of a chain are held for."""

    unit: str
    """USD, ETH or SOL; every asset of a base with unit USD must be worth a dollar."""
    shares: Mapping[str, float]
    """Largest fraction of the wealth in the markets of each asset, by symbol; amounts are counted in the first
    asset."""
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
"""Limits for selling rewards: thinly traded tokens, whose prices move more than a dollar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits and preferences of the owner.

    Fractions are of the wealth. Money is decimal text in whole units of the asset, parsed for the token when it is
    used. Tables are keyed by names of markets (model/names.py), the narrowest name winning.
    """

    move_horizon_days: float = 7.0
    """Invested money moves if that pays its cost within this many days."""
    enter_horizon_days: float = 90.0
    """Idle money enters a market if that pays its cost within this many days."""
    horizon_days: float | None = None
    """Sets both horizons, as older files do; None: the two above apply."""
    forecaster: str = FORECASTER
    """Name of the forecaster whose rates decisions use, once memory has a history (forecast/outlook.py)."""
    risk_free: str | None = None
    """Id of the market, or of the series in memory, whose rate yields are compared with; no decision uses it."""
    idle_buffer: str = "0"
    """What stays in the wallet, in whole tokens of the first asset."""
    min_position: str = "0"
    """Smallest holding in a market."""
    min_move: str = "0"
    """Smallest change of a holding."""
    min_gain_bps: float = 5.0
    """Moves whose total gain a year is below this, in bp of the wealth, are not made: each transaction is a risk."""
    min_gain: str = "0"
    """Least gain a year for each move of a plan, in whole tokens of the first asset: moves whose total is below as many
    times this are not made."""
    break_even_days: float | None = None
    """Upper bound of both horizons, in days; None: no further bound."""
    max_share_market: float = 0.5
    """Largest fraction of the wealth in one market."""
    max_share_collateral: float = 1.0
    """Largest fraction of the wealth that one collateral backs, seen through vaults; 1: no limit."""
    max_share_protocol: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction of the wealth by name: the limit of all markets with that name together."""
    max_share_markets: Mapping[str, float] = field(default_factory=dict)
    """Largest fraction of the wealth by name: the limit of each market with that name; overrides
    ``max_share_market``."""
    haircut_bps: Mapping[str, float] = field(default_factory=dict)
    """Expected loss by name, in bp a year, deducted from a market's yield; overrides the figure of its grade."""
    exclude: tuple[str, ...] = ()
    """Names of markets that get no new money."""
    min_safety: int | None = None
    """A market with a lower safety grade gets no new money; None: no such limit."""
    max_expected_loss_bps: float | None = None
    """A market with a higher expected loss a year, in bp, gets no new money; None: no such limit."""
    blacklist: tuple[str, ...] = ()
    """Names of markets, and symbols and addresses of tokens and contracts, that are no longer trusted: money leaves any
    market that is one of them or is backed by one."""
    alarms: AlarmLimits = field(default_factory=AlarmLimits)
    """The thresholds of alarms."""
    max_utilisation_entry: float = 0.98
    """A market above this utilisation gets no new money."""
    min_liquidity_multiple: float = 1.0
    """A market's cash must be at least this multiple of our holding."""
    max_exit_hours: float = 0.0
    """A market whose exit takes more hours gets no new money."""
    by_request: tuple[str, ...] = ()
    """Names of markets whose requests (of deposits, or of exits without a known end) somebody else serves, and that may
    get new money all the same."""
    try_first: tuple[str, ...] = TRY_FIRST
    """Names of markets whose first deposit starts with a trial."""
    max_gas_share_of_gain: float = 1.0
    """Largest fraction of a plan's gain within its horizon that gas may take; the solver takes it into account."""
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
    approvals_needed: int = 0
    """How many persons of the register must sign a plan that needs a person; 0: one person at the terminal approves."""
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
    """How far a pegged token's price may be from one dollar, in bp, when it is swapped or its markets get new money."""
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    """Largest age of such a price, in seconds."""
    bases: Mapping[str, Base] = field(default_factory=dict)
    """Units that several assets are held for, by the names that jobs use."""
    reward_haircut_bps: float = 2000.0
    """Deduction from a reward's value, in bp: its price may fall until the sale, and the sale costs."""
    reward_haircut_tokens: Mapping[str, float] = field(default_factory=dict)
    """Deduction from a reward's value by the reward token's symbol, in bp; overrides ``reward_haircut_bps``."""
    min_claim: str = "1"
    """Smallest value of a claim after haircut and gas, in whole tokens of the asset; or NEVER."""
    sell_rewards: bool = False
    """Whether claimed rewards are swapped into the asset."""
    exit_min_price_bps: float = 100.0
    """How far below one dollar, in bp, a pegged asset may be sold when the proceeds of an exit are swapped."""
    auto_exit: bool = False
    """Whether a plan that only takes money out of markets into our own wallet, because of an alarm or an order, needs
    no approval by a person."""

    @property
    def move_days(self) -> float:
        """Days within which a move of invested money must pay its cost."""
        return _least(self.horizon_days or self.move_horizon_days, self.break_even_days)

    @property
    def enter_days(self) -> float:
        """Days within which idle money that enters must pay its cost; never less than for a move."""
        return _least(max(self.horizon_days or self.enter_horizon_days, self.mean_days), self.break_even_days)

    @property
    def mean_days(self) -> float:
        """Days over which rates are averaged."""
        return self.horizon_days or self.move_horizon_days

    @property
    def hurried(self) -> Policy:
        """The policy with the shorter horizon for idle money too."""
        return replace(self, enter_horizon_days=self.mean_days)

    @property
    def horizon_seconds(self) -> float:
        """``mean_days`` in seconds."""
        return self.mean_days * 86_400


def alone() -> Policy:
    """The shipped policy as backtests judge it: only its judgement of yields, without the limit on one market's
    fraction and without alarms. Both are insurance, whose value does not show in the recorded rates of markets that
    survived; docs/backtest.md says what they cost."""
    return Policy(max_share_market=1.0, alarms=AlarmLimits(off=CODES))


def _least(days: float, bound: float | None) -> float:
    """The lower of the two, in days, always above 0, because costs are divided by it."""
    return max(1e-6, days if bound is None else min(days, bound))
