"""Recorded history as the world of a backtest: what a run would have observed at each time, and what holdings earned.

The snapshot of a row is made from that row and earlier ones only. What a holding earns until the next row is read from
the next row, by the ledger and after the decision; a decision never sees it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING

from yieldbot.backtest.carried import Asked
from yieldbot.backtest.costs import SWAP_GAS, TOUCH_GAS, Costs
from yieldbot.backtest.shape import WINDOW_DAYS, curve_at, shape_of
from yieldbot.backtest.venue import FlatVenue
from yieldbot.history.panel import Panel
from yieldbot.math.curves import ConstantCurve, KinkedCurve, Points
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.gas import SWAP_TX
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Exit, ExitKind, Kind, Leaving, Market, MarketState, RateForecast, Snapshot, Status
from yieldbot.model.policy import Base
from yieldbot.model.settings import ChainSettings, Job, Wallet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 6
ONE = 10**DECIMALS
OWNER = Address("0x000000000000000000000000000000000000dEaD")
CARRIED = 3
"""A missing reading is replaced by the last one for this many rows; a market unread for longer takes nothing and pays
nothing."""
LOCKED = 0.995
"""Utilisation above which nothing can be withdrawn."""
GUESSED_SUPPLY = 1e6
"""Whole tokens that are assumed to be supplied to a market whose recording does not say."""
RESHAPED_EVERY = 7
"""Number of rows after which a market's shape is estimated again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One market at one row, in usable form."""

    rate: float
    """Quoted supply rate, a simple annual fraction."""
    utilisation: float | None
    """Utilisation; None if the recording does not have it."""
    supplied: float
    """Whole tokens supplied, assumed if the recording does not have it."""
    cash: float
    """Whole tokens that can be withdrawn."""
    keep: float
    """1 - reserve factor."""
    blocked: bool
    """Whether nothing may be deposited."""
    points: Points
    """The shape (``shape.shape_of``)."""

    def curve(self, rate: float) -> KinkedCurve:
        """Its curve if it pays ``rate`` before our deposit."""
        return curve_at(self.points, rate, self.supplied, self.utilisation, self.keep)


class FutureRead(Exception):
    """A decision asked for data that is later than its row."""


class World:
    """One universe of markets on one chain, with the cost of its moves.

    While a ``clock`` (a row) is set, reading anything after that row raises FutureRead: a replay sets it before each
    decision.
    """

    def __init__(
        self, panel: Panel, costs: Sequence[Costs], waits: Sequence[int] = (), beside: Panel | None = None
    ) -> None:
        """beside: markets over the same times that receive no money and only raise alarms."""
        if len(costs) != len(panel.times):
            raise ValueError(f"{len(costs)} costs for {len(panel.times)} times")
        chains = {key.chain for key in panel.keys}
        if len(chains) != 1:
            raise ValueError(f"a universe is of one chain, not of {', '.join(sorted(chains)) or 'none'}")
        self.beside = beside
        self.panel, self.costs, self.chain = panel, costs, ChainId(chains.pop())
        self.waits = tuple(waits) or (0,) * len(panel.keys)
        """Seconds from a request to leave each market until its money can be collected; 0: it pays at once."""
        if len(self.waits) != len(panel.keys):
            raise ValueError(f"{len(waits)} waits for {len(panel.keys)} markets")
        self.clock: int | None = None
        self._cells: dict[int, tuple[Cell | None, ...]] = {}
        self._shapes: dict[tuple[int, int], Points] = {}
        self._pools: dict[float, tuple[PoolState, ...]] = {}

    @property
    def rows(self) -> int:
        return len(self.panel.times)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The coins, in order of first appearance; each is worth a dollar."""
        names = dict.fromkeys(key.asset_address or key.asset for key in self.panel.keys)
        symbols = {key.asset_address or key.asset: key.asset for key in self.panel.keys}
        return tuple(
            Token(self.chain, Address(f"0x{i + 1:040x}"), symbols[one], DECIMALS) for i, one in enumerate(names)
        )

    @cached_property
    def token_of(self) -> tuple[int, ...]:
        """For each market, the index of the coin that it lends."""
        names = list(dict.fromkeys(key.asset_address or key.asset for key in self.panel.keys))
        return tuple(names.index(key.asset_address or key.asset) for key in self.panel.keys)

    @cached_property
    def markets(self) -> tuple[Market, ...]:
        return tuple(
            Market(
                MarketId(f"recorded/{i}"),
                key.protocol or "recorded",
                Kind.LENDING,
                self.chain,
                key.market,
                token,
                OWNER,
            )
            for i, (key, token) in enumerate(zip(self.panel.keys, self._market_tokens, strict=True))
        )

    @property
    def _market_tokens(self) -> tuple[Token, ...]:
        return tuple(self.tokens[i] for i in self.token_of)

    @cached_property
    def wallets(self) -> tuple[Market, ...]:
        return tuple(
            Market(MarketId(f"idle/{token.symbol.lower()}/{i}"), "idle", Kind.IDLE, self.chain, "Wallet", token, OWNER)
            for i, token in enumerate(self.tokens)
        )

    def job(self) -> Job:
        """The universe's coins as one job of one wallet."""
        several = len(self.tokens) > 1
        symbols = [token.symbol for token in self.tokens]
        base = Base(unit="USD", shares=dict.fromkeys(symbols, 1.0)) if several else None
        chain = ChainSettings(
            name="recorded", chain=self.chain, rpc_env="", rpc_urls=(), multicall3=OWNER, native_symbol="ETH",
            native_feed=None, feeds={}, tokens={token.symbol: token for token in self.tokens}, deployments=(),
            max_fee_gwei=1e9,
        )  # fmt: skip
        return Job(
            wallet=Wallet(name="backtest", address=OWNER), chain=chain, asset=self.tokens[0],
            others=self.tokens[1:], base=base,
        )  # fmt: skip

    def cells(self, row: int) -> tuple[Cell | None, ...]:
        """Each market at a row; None where it is unknown. Raises FutureRead for a row after the clock's."""
        if self.clock is not None and row > self.clock:
            raise FutureRead(f"row {row} is asked for at row {self.clock}")
        if row not in self._cells:
            self._cells[row] = tuple(self._cell(row, column) for column in range(len(self.panel.keys)))
        return self._cells[row]

    def _cell(self, row: int, column: int) -> Cell | None:
        panel = self.panel
        rate = _last(panel.quoted, row, column)
        if rate is None:
            return None
        use = _last(panel.utilisation, row, column)
        supplied = _last(panel.supplied, row, column, carried=30) or GUESSED_SUPPLY
        cash = _last(panel.cash, row, column)
        if cash is None:
            cash = supplied * (1.0 - use) if use is not None else supplied
        if use is not None and use > LOCKED:
            cash = 0.0
        factor = _last(panel.reserve_factor, row, column, carried=30)
        keep = 1.0 - min(0.99, max(0.0, factor)) if factor is not None else 1.0
        return Cell(rate, use, supplied, cash, keep, bool(panel.blocked[row, column]), self._shape(row, column))

    def _shape(self, row: int, column: int) -> Points:
        """The market's shape as of the last row that is a multiple of ``RESHAPED_EVERY``, from no later data."""
        at = row - row % RESHAPED_EVERY
        if (at, column) not in self._shapes:
            panel = self.panel
            first = max(0, at - WINDOW_DAYS * 86_400 // panel.step_seconds)
            pairs = zip(
                panel.utilisation[first : at + 1, column], panel.borrow_rate[first : at + 1, column], strict=True
            )
            seen = [(float(u), float(b)) for u, b in pairs if math.isfinite(u) and math.isfinite(b)]
            self._shapes[at, column] = shape_of(seen)
        return self._shapes[at, column]

    @staticmethod
    def cash_raw(cell: Cell) -> int:
        """Base units that can be withdrawn, or deposited, at one row."""
        return int(cell.cash * ONE)

    def snapshot(
        self,
        row: int,
        held: Sequence[int],
        idle: Sequence[int],
        expected: Sequence[RateForecast | None] | None = None,
        asked: Mapping[int, Asked] = MappingProxyType({}),
    ) -> Snapshot:
        """What a run observes at a row. held, idle: base units by market and by coin; expected: forecast for each
        market; asked: money that is leaving, by column."""
        time = int(self.panel.times[row])
        block = BlockRef(self.chain, row, f"0x{row:064x}", time)
        states: dict[MarketId, MarketState] = {}
        for column, cell in enumerate(self.cells(row)):
            if cell is not None or held[column] or column in asked:
                forecast = None if expected is None else expected[column]
                gone = asked.get(column)
                states[self.markets[column].id] = self._state(block, column, cell, held[column], forecast, gone)
        for market, raw in zip(self.wallets, idle, strict=True):
            states[market.id] = _wallet(block, market, raw)
        return Snapshot(
            block=block,
            owner=OWNER,
            states=states,
            quarantined=(),
            fees=self.costs[row].fees,
            native_balance_raw=10**24,
            exchange=self._exchange(time, self.costs[row]),
        )

    def _state(
        self,
        block: BlockRef,
        column: int,
        cell: Cell | None,
        inside: int,
        forecast: RateForecast | None,
        gone: Asked | None,
    ) -> MarketState:
        """A market's state. Nothing goes in or out beyond the recorded cash: our own money there may have been lent
        out."""
        market = self.markets[column]
        token, waits = market.asset, self.waits[column]
        held = inside + (gone.raw if gone else 0)
        cash = 0 if cell is None else self.cash_raw(cell)
        if cell is None:
            curve: KinkedCurve | ConstantCurve = ConstantCurve(0.0)
            status, supplied, borrowed, quoted = Status.FROZEN, held, None, 0.0
        else:
            curve = cell.curve(cell.rate)
            status = Status.FROZEN if cell.blocked else Status.ACTIVE
            supplied, quoted = int(cell.supplied * ONE) + held, cell.rate
            borrowed = None if cell.utilisation is None else Amount(token, int(cell.utilisation * cell.supplied * ONE))
        return MarketState(
            market=market, block=block, held=Amount(token, held), shares=held, share_token=None,
            liquidity=Amount(token, cash + held if cash else 0), capacity=Amount(token, cash),
            supplied=Amount(token, supplied), borrowed=borrowed,
            status=status, curve=curve, quoted=Apr(quoted), pools=frozenset({market.id}), gas_deposit=TOUCH_GAS,
            gas_withdraw=TOUCH_GAS, forecast=None if cell is None or forecast is None else replace(forecast, ours=0.0),
            offered=Amount(token, 0 if waits else min(cash, inside)),
            exit=Exit(kind=ExitKind.COOLDOWN, seconds=waits) if waits else Exit(),
            leaving=None if gone is None else _leaving(block, token, gone, cash),
        )  # fmt: skip  # recorded rates are without our money

    def _exchange(self, time: int, costs: Costs) -> Exchange | None:
        if len(self.tokens) < 2:
            return None
        if costs.swap_bps not in self._pools:
            self._pools[costs.swap_bps] = tuple(_pool(one, other, costs) for one, other in combinations(self.tokens, 2))
        pools = self._pools[costs.swap_bps]
        return Exchange(
            pools, {token: Price(1.0, time) for token in self.tokens}, tuple((one.pool, 1.0) for one in pools)
        )

    def rates_until_next(self, row: int) -> NDArray[np.float64]:
        """What each market paid its suppliers from this row to the next, without our own effect: an annual fraction.

        Raises FutureRead while a decision is being made.
        """
        import numpy as np

        if self.clock is not None and row + 1 > self.clock:
            raise FutureRead(f"what row {row} earns is asked for at row {self.clock}")

        panel = self.panel
        found = np.zeros(len(panel.keys))
        for column, cell in enumerate(self.cells(row)):
            if cell is None:
                continue
            realised, after = panel.realised[row + 1, column], panel.quoted[row + 1, column]
            if math.isfinite(realised):
                found[column] = realised
            else:
                found[column] = (cell.rate + after) / 2 if math.isfinite(after) else cell.rate
        return found


def _last(grid: NDArray[np.float64], row: int, column: int, carried: int = CARRIED) -> float | None:
    """The newest known value of a column in the last ``carried`` rows; None if there is none."""
    for at in range(row, max(-1, row - carried - 1), -1):
        if math.isfinite(value := float(grid[at, column])):
            return value
    return None


def _leaving(block: BlockRef, token: Token, gone: Asked, cash: int) -> Leaving:
    """Money that is leaving. Once the wait is over, it can be collected as far as there is cash."""
    ready = min(gone.raw, cash) if gone.until is not None and block.timestamp >= gone.until else 0
    return Leaving(
        requested=Amount(token, gone.raw - ready), ready=Amount(token, ready), back=Amount(token, 0), until=gone.until
    )


def _wallet(block: BlockRef, market: Market, raw: int) -> MarketState:
    amount = Amount(market.asset, raw)
    return MarketState(
        market=market, block=block, held=amount, shares=0, share_token=None, liquidity=amount, capacity=None,
        supplied=amount, borrowed=None, status=Status.ACTIVE, curve=ConstantCurve(0.0), quoted=Apr(0.0),
        pools=frozenset(), gas_deposit=0, gas_withdraw=0,
    )  # fmt: skip


def _pool(one: Token, other: Token, costs: Costs) -> PoolState:
    """A pool for one pair. Each pair has a router of its own, so that no swap goes through a third coin, which would
    cost twice."""
    pair = f"{one.address}{other.address}"
    pool = Pool("recorded", f"{one.symbol}/{other.symbol}", OWNER, one, other, {"router": pair, "id": pair})
    venue = FlatVenue(costs.swap_bps)
    return PoolState(pool, venue, venue, SWAP_GAS - SWAP_TX)  # so that a decision weighs what the ledger is charged
