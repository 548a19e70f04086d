"""A paper wallet's stored state: its ledger, one entry for each step, in a journal of its own.

The journal has the same format as the bot's (``journal/store``): append-only, each row with the hash of the row before
it, on the disk when a step ends. A step is one database transaction: it is stored completely, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Any

from yieldbot.backtest.carried import Asked, SimulatedHoldings
from yieldbot.backtest.paper import PaperHolding
from yieldbot.backtest.paper_liquidity import SimulatedPosition
from yieldbot.errors import ConfigError, InvariantError
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId, chain_id

FOLDER = "paper"
"""Folder below the data directory, with a folder for each paper wallet."""
FILE = "journal.sqlite"
BY = "paper"
"""Who decided the plans, in a paper wallet's journal."""
DEFAULT = "paper"
"""The default name of a paper wallet."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTotals:
    """Sums since the wallet's first step, in whole tokens of its first asset."""

    earned: float = 0.0
    """What markets paid on its holdings, after dilution."""
    by_quotes: float = 0.0
    """The part of ``earned`` that is estimated: from quotes of markets without an index, or from a pool's whole fee
    growth where the chain does not count that of the range."""
    expected: float = 0.0
    """What the holdings were expected to earn, by the forecast (or quote) of the previous step."""
    rewards: float = 0.0
    """Value of rewards when they were claimed."""
    gas: float = 0.0
    """Gas, or fees and rent."""
    swapped: float = 0.0
    """What swaps lost against the feeds' prices."""
    entered: float = 0.0
    """Fees that markets charged on deposits."""
    repriced: float = 0.0
    """Gain of holdings in other assets, and of unsold rewards, against the first one."""
    fees: float = 0.0
    """Fees of liquidity in pools, a part of ``earned``."""
    sold: float = 0.0
    """What sales of rewards brought."""
    plans: int = 0
    """Number of plans that were simulated."""
    failed: int = 0
    """Number of plans that could not be simulated."""
    steps: int = 0
    """Number of readings that it decided on."""
    invested: float = 0.0
    """Integral over time of its money in markets, in token-seconds."""
    wealth: float = 0.0
    """Integral over time of all its money, in token-seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """The real wallet's money, as the step observed it."""

    idle: float = 0.0
    """Whole first-asset tokens outside of markets."""
    held: Mapping[MarketId, int] = field(default_factory=dict)
    """Base units by market."""
    asset_of: Mapping[MarketId, str] = field(default_factory=dict)
    """The addresses of these markets' assets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperState:
    """A paper wallet after a step."""

    wealth: str
    """Initial wealth, in whole tokens of its coin, as its owner wrote it."""
    coin: str
    """The symbol of the coin that it began with."""
    chain: str
    """The name of its chain."""
    chain_id: str
    """The chain's CAIP-2 id."""
    owner: str | None
    """Address of the real wallet whose place it takes; None: there is none."""
    assets: tuple[str, ...]
    """Addresses of the job's assets; sums are in the first one."""
    began: int
    """Unix seconds of its first block."""
    time: int
    """Unix seconds of the block of this step."""
    height: int
    """Number of that block, or slot."""
    holdings: SimulatedHoldings
    """Its holdings after this step; the idle money has an entry for each asset."""
    positions: Mapping[MarketId, PaperHolding]
    """The paper wallet's holdings as of this step."""
    names: Mapping[MarketId, str]
    """Names of these markets, for tables."""
    asset_of: Mapping[MarketId, str]
    """The addresses of these markets' assets."""
    rewards: Mapping[MarketId, int]
    """Rewards that it could claim, in base units by the claims' ids."""
    visited: tuple[MarketId, ...]
    """Markets that it has been in, which need no further trial."""
    totals: PaperTotals
    """Sums since it began."""
    prices: Mapping[str, float]
    """Price of each asset and claimed reward token in whole first-asset tokens, by address."""
    native: float
    """Whole first-asset tokens for one whole native token."""
    touch: float
    """Cost of one leg at this step, averaged over its markets, in whole tokens of the first asset."""
    real: Real
    """The real wallet's money."""
    did: str
    """A line for people about what the step did."""
    kept: float = 0.0
    """Claimed rewards from steps that did not record their tokens (older formats), in whole tokens of the first asset
    at the price of the claim."""

    @property
    def tokens(self) -> dict[str, Token]:
        """Its assets by address."""
        return {token.address: token for token in self.holdings.idle}

    @property
    def unsold(self) -> float:
        """Claimed rewards that were not sold, in whole tokens of its first asset, by the feeds."""
        held = self.holdings.rewards.items()
        return self.kept + sum(raw / token.one * self.prices.get(token.address, 0.0) for token, raw in held)

    @property
    def idle(self) -> float:
        """Money in the wallet itself, in whole tokens of its first asset."""
        return sum(raw / token.one * self.prices[token.address] for token, raw in self.holdings.idle.items())

    @property
    def invested(self) -> float:
        """Money in markets, including what is leaving them, in whole tokens of its first asset."""
        return sum(self.worth(market_id, raw) for market_id, raw in self.in_markets.items())

    @property
    def value(self) -> float:
        """Its total value, including claimed rewards, less the gas paid."""
        return self.idle + self.invested + self.unsold - self.totals.gas

    def worth(self, market_id: MarketId, raw: int) -> float:
        """Base units of a market's asset in whole tokens of the first asset."""
        token = self.tokens[self.asset_of[market_id]]
        return raw / token.one * self.prices[token.address]

    @property
    def in_markets(self) -> dict[MarketId, int]:
        """Base units by market, including what is leaving, in the order of the markets' ids."""
        found = dict(self.holdings.held)
        for market_id, asked in self.holdings.asked.items():
            found[market_id] = found.get(market_id, 0) + asked.raw
        return dict(sorted(found.items()))


def folder_of(data_dir: Path, name: str) -> Path:
    """The folder of a paper wallet. Raises ConfigError for an invalid name."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name}: write a-z, 0-9, - and _, at most 32 of them, beginning with a letter or digit"
        )
    return data_dir / FOLDER / name


def existing(data_dir: Path) -> tuple[str, ...]:
    """Names of the existing paper wallets."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        return ()
    found = (one.name for one in folder.iterdir() if _NAME.fullmatch(one.name) and (one / FILE).is_file())
    return tuple(sorted(found))


def states(journal: Journal, records: Sequence[Record]) -> list[PaperState]:
    """Every step of a paper wallet, oldest first. Raises InvariantError if the journal is not a paper wallet's."""
    found = []
    for record in records:
        if isinstance(record.entry, Observed):
            content = record.entry.paper
            try:
                if content is None:
                    raise ValueError("it holds no ledger")
                found.append(read(content, str(record.entry.chain)))
            except (ValueError, TypeError, KeyError, AttributeError) as damage:
                raise InvariantError(
                    f"paper wallet {journal.path}: row {record.seq} cannot be read ({damage}): move its folder away to "
                    "begin anew"
                ) from None
    return found


def written(state: PaperState) -> dict[str, Any]:
    """A step as JSON values; base units are decimal text."""
    own = state.holdings
    return {
        "schema": 1,
        "wealth": state.wealth,
        "coin": state.coin,
        "chain": state.chain,
        "owner": state.owner,
        "assets": list(state.assets),
        "began": state.began,
        "time": state.time,
        "height": state.height,
        "idle": [_token(token, raw) for token, raw in own.idle.items()],
        "held": {market_id: str(raw) for market_id, raw in own.held.items()},
        "liquidity": {
            market_id: {
                "ticks": list(one.ticks),
                "liquidity": str(one.liquidity),
                "fees": _texts(one.fees),
                "inside": _texts(one.inside),
                "everywhere": _texts(one.everywhere),
                "time": one.time,
            }
            for market_id, one in own.liquidity.items()
        },
        "reward_tokens": [_token(token, raw) for token, raw in own.rewards.items()],
        "kept": state.kept,
        "asked": {market_id: {"raw": str(one.raw), "until": one.until} for market_id, one in own.asked.items()},
        "positions": {
            market_id: asdict(one) | {"raw": str(one.raw), "since_raw": str(one.since_raw)}
            for market_id, one in state.positions.items()
        },
        "names": dict(state.names),
        "asset_of": dict(state.asset_of),
        "rewards": {claim_id: str(raw) for claim_id, raw in state.rewards.items()},
        "visited": list(state.visited),
        "totals": asdict(state.totals),
        "prices": dict(state.prices),
        "native": state.native,
        "touch": state.touch,
        "real": {
            "idle": state.real.idle,
            "held": {key: str(raw) for key, raw in state.real.held.items()},
            "asset_of": dict(state.real.asset_of),
        },
        "did": state.did,
    }


def _token(token: Token, raw: int) -> dict[str, Any]:
    return {"address": token.address, "symbol": token.symbol, "decimals": token.decimals, "raw": str(raw)}


def _texts(pair: tuple[int, int] | None) -> list[str] | None:
    return None if pair is None else [str(one) for one in pair]


def _pair(content: Sequence[Any]) -> tuple[int, int]:
    zero, one = content
    return int(zero), int(one)


def _position(one: Mapping[str, Any]) -> SimulatedPosition:
    return SimulatedPosition(
        ticks=_pair(one["ticks"]),
        liquidity=int(one["liquidity"]),
        fees=_pair(one["fees"]),
        inside=None if one["inside"] is None else _pair(one["inside"]),
        everywhere=None if one["everywhere"] is None else _pair(one["everywhere"]),
        time=int(one["time"]),
    )


def read(content: Mapping[str, Any], chain: str) -> PaperState:
    """The step that ``written`` wrote. Raises ValueError, TypeError or KeyError for malformed content."""
    if content["schema"] != 1:
        raise ValueError(f"its schema is {str(content['schema'])[:20]}, this yieldbot reads 1")

    def token(one: Mapping[str, Any]) -> Token:
        return Token(chain_id(chain), Address(one["address"]), one["symbol"], int(one["decimals"]))

    def position(one: Mapping[str, Any]) -> PaperHolding:
        return PaperHolding(**{**one, "raw": int(one["raw"]), "since_raw": int(one["since_raw"])})

    known = {one.name for one in fields(PaperTotals)}
    return PaperState(
        wealth=content["wealth"],
        coin=content["coin"],
        chain=content["chain"],
        chain_id=chain,
        owner=content["owner"],
        assets=tuple(content["assets"]),
        began=int(content["began"]),
        time=int(content["time"]),
        height=int(content["height"]),
        holdings=SimulatedHoldings(
            idle={token(one): int(one["raw"]) for one in content["idle"]},
            held={MarketId(key): int(raw) for key, raw in content["held"].items()},
            asked={MarketId(key): Asked(int(one["raw"]), one["until"]) for key, one in content["asked"].items()},
            liquidity={MarketId(key): _position(one) for key, one in content.get("liquidity", {}).items()},
            rewards={token(one): int(one["raw"]) for one in content.get("reward_tokens", ())},
        ),
        positions={MarketId(key): position(one) for key, one in content["positions"].items()},
        names={MarketId(key): str(name) for key, name in content["names"].items()},
        asset_of={MarketId(key): str(one) for key, one in content["asset_of"].items()},
        rewards={MarketId(key): int(raw) for key, raw in content["rewards"].items()},
        visited=tuple(MarketId(one) for one in content["visited"]),
        totals=PaperTotals(**{name: value for name, value in content["totals"].items() if name in known}),
        prices={str(key): float(one) for key, one in content["prices"].items()},
        native=float(content["native"]),
        touch=float(content["touch"]),
        real=Real(
            idle=float(content["real"]["idle"]),
            held={MarketId(key): int(raw) for key, raw in content["real"]["held"].items()},
            asset_of={MarketId(key): str(one) for key, one in content["real"]["asset_of"].items()},
        ),
        did=str(content["did"]),
        kept=float(content["kept"] if "kept" in content else content["totals"].get("rewards", 0.0)),
    )
