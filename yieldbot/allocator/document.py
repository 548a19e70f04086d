"""A problem and its answer as documents: ``yieldbot/problem/v1`` in, ``yieldbot/allocation/v1`` out. Pure.

Amounts are decimal text in whole tokens; rates, shares and utilisations are fractions (0.05 is 5 %); rates are simple
annual ones. ``supplied`` and ``borrowed`` are a pool's totals with what we hold in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from yieldbot.model.numbers import fraction, plain

SCHEMA = "yieldbot/problem/v1"
DECIMALS = 6
"""Decimals of an asset where no amount of the document is finer."""
MOST_DECIMALS = 18
MOST_TOKENS = Decimal(10) ** 15
EXACT = Context(prec=60)
"""Sums of amounts have more digits than the 28 that a Decimal keeps by itself."""


class ProblemError(ValueError):
    """A malformed problem. ``path`` as markets[3].rate.points, counted from 0 as JSON readers do."""

    def __init__(self, path: str, said: str) -> None:
        super().__init__(f"{path}: {said}" if path else said)
        self.path = path


def _amount(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError('write an amount as decimal text, as "1250.5"')
    amount = Decimal(plain(str(value), 'write an amount as decimal text, as "1250.5"'))
    if amount > MOST_TOKENS:
        raise ValueError(f"an amount is at most {MOST_TOKENS:.0e}")
    if len(fraction(str(value))) > MOST_DECIMALS:
        raise ValueError(f"an amount has at most {MOST_DECIMALS} decimals")
    return amount


Tokens = Annotated[Decimal, BeforeValidator(_amount)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=-1, le=100, allow_inf_nan=False)]
Bps = Annotated[float, Field(ge=0, le=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def _ascending(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if any(b[0] <= a[0] for a, b in pairwise(points)):
        raise ValueError("the points' first numbers must ascend")
    return points


def _of_utilisation(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    if points[0][0] < 0 or points[-1][0] > 1:
        raise ValueError("utilisations are from 0 to 1")
    return _ascending(points)


Points = Annotated[tuple[tuple[float, Rate], ...], Field(min_length=1, max_length=1000)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kinked(Strict):
    kind: Literal["kinked"]
    points: Annotated[Points, AfterValidator(_of_utilisation)]


class Adaptive(Strict):
    kind: Literal["adaptive"]
    rate_at_target: Annotated[float, Field(ge=0, le=100)]


class Constant(Strict):
    kind: Literal["constant"]
    apr: Rate


class Sampled(Strict):
    """points: (our whole holding, APR)."""

    kind: Literal["sampled"]
    points: Annotated[Points, AfterValidator(_ascending)]


class MarketRow(Strict):
    id: Name
    asset: Name | None = None
    held: Tokens = Decimal(0)
    supplied: Tokens | None = None
    borrowed: Tokens | None = None
    reserve_factor: Share = 0.0
    rate: Annotated[Kinked | Adaptive | Constant | Sampled, Field(discriminator="kind")]
    max_deposit: Tokens | None = None
    max_withdraw: Tokens | None = None
    fixed_cost: Tokens = Decimal(0)
    proportional_cost_bps: Bps = 0.0
    haircut_bps: Bps = 0.0
    max_share: Share = 1.0


class GroupRow(Strict):
    name: Name
    members: tuple[Name, ...]
    max_share: Share


class AssetRow(Strict):
    """One more asset. price: what one of it is worth in the first asset."""

    id: Name
    wealth: Tokens
    price: Annotated[Decimal, BeforeValidator(_amount), Field(gt=0)] = Decimal(1)
    idle_rate: Rate = 0.0
    idle_buffer: Tokens = Decimal(0)


class SwapRow(Strict):
    """What converting pays: (amount in, amount out) quotes, ascending; amounts in between are taken as linear."""

    source: Name = Field(alias="from")
    target: Name = Field(alias="to")
    quotes: Annotated[tuple[tuple[Tokens, Tokens], ...], Field(min_length=1, max_length=1000)]
    fixed_cost: Tokens = Decimal(0)


class ProblemDocument(Strict):
    schema_: Literal["yieldbot/problem/v1"] = Field(alias="schema")
    asset: Name = "asset"
    wealth: Tokens
    horizon_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    idle_rate: Rate = 0.0
    idle_buffer: Tokens = Decimal(0)
    min_position: Tokens = Decimal(0)
    min_move: Tokens = Decimal(0)
    break_even_days: Annotated[float, Field(gt=0, le=36500)] | None = None
    assets: tuple[AssetRow, ...] = ()
    swaps: tuple[SwapRow, ...] = ()
    markets: tuple[MarketRow, ...]
    groups: tuple[GroupRow, ...] = ()


def read(document: object) -> ProblemDocument:
    """The document, checked field by field and as a whole. Raises ProblemError with the path of the first bad field."""
    if not isinstance(document, Mapping):
        raise ProblemError("", "a problem is a JSON object")
    try:
        found = ProblemDocument.model_validate(document)
    except ValidationError as failure:
        errors = sorted(failure.errors(include_url=False), key=lambda e: e["type"] == "missing")  # misspelt: both
        raise _of(errors[0]) from None
    _check(found)
    return found


def _of(error: Mapping[str, Any]) -> ProblemError:
    location = [part for part in error["loc"] if part not in ("kinked", "adaptive", "constant", "sampled")]
    said = {"extra_forbidden": "is not a field of a problem: remove it", "missing": "is missing"}.get(
        error["type"], str(error["msg"]).removeprefix("Value error, ")
    )
    return ProblemError(path_of(location), said[:1].lower() + said[1:])


def path_of(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check(found: ProblemDocument) -> None:
    """What no single field shows: names that are not there, holdings larger than their pool or than the wealth."""
    if not found.markets:
        raise ProblemError("markets", "there is none")
    assets = {found.asset: found.wealth}
    for index, asset in enumerate(found.assets):
        if asset.id in assets:
            raise ProblemError(f"assets[{index}].id", f"{asset.id} is there twice")
        assets[asset.id] = asset.wealth
    held = dict.fromkeys(assets, Decimal(0))
    ids: set[str] = set()
    for index, row in enumerate(found.markets):
        path = f"markets[{index}]"
        if row.id in ids:
            raise ProblemError(f"{path}.id", f"{row.id} is there twice")
        ids.add(row.id)
        asset_id = row.asset or found.asset
        if asset_id not in assets:
            raise ProblemError(f"{path}.asset", f"{asset_id} is not among the assets: {', '.join(assets)}")
        held[asset_id] = EXACT.add(held[asset_id], row.held)
        _check_pool(row, path)
    for asset_id, total in held.items():
        if total > assets[asset_id]:
            raise ProblemError("wealth", f"{assets[asset_id]} is less than what is held already: {total} {asset_id}")
    for index, group in enumerate(found.groups):
        if not group.members:
            raise ProblemError(f"groups[{index}].members", "it names no market: name some, or remove the group")
        for position, member in enumerate(group.members):
            if member not in ids:
                raise ProblemError(f"groups[{index}].members[{position}]", f"{member} is no market's id")
        if len(set(group.members)) < len(group.members):
            raise ProblemError(f"groups[{index}].members", "a market is there twice")
    for index, swap in enumerate(found.swaps):
        _check_swap(swap, f"swaps[{index}]", assets)


def _check_pool(row: MarketRow, path: str) -> None:
    if isinstance(row.rate, (Kinked, Adaptive)):
        for name in ("supplied", "borrowed"):
            if getattr(row, name) is None:
                raise ProblemError(f"{path}.{name}", f"is missing: a {row.rate.kind} rate needs it")
    if row.supplied is not None and row.held > row.supplied:
        raise ProblemError(f"{path}.held", f"{row.held} is more than all that is supplied, {row.supplied}")


def _check_swap(swap: SwapRow, path: str, assets: Mapping[str, Decimal]) -> None:
    for key, name in (("from", swap.source), ("to", swap.target)):
        if name not in assets:
            raise ProblemError(f"{path}.{key}", f"{name} is not among the assets: {', '.join(assets)}")
    if swap.source == swap.target:
        raise ProblemError(f"{path}.to", "converts an asset into itself")
    paid, got, last = Decimal(0), Decimal(0), None
    for index, (more, out) in enumerate(swap.quotes):
        if more <= paid or out < got:
            raise ProblemError(f"{path}.quotes[{index}]", "amounts in and out must ascend, from above 0")
        price = (out - got) / (more - paid)
        if last is not None and price > last * (1 + Decimal("1e-9")):
            raise ProblemError(f"{path}.quotes[{index}]", "a further amount cannot be converted at a better price")
        paid, got, last = more, out, price
