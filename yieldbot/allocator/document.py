"""The allocation problem as a document (``yieldbot/problem/v1``), validated. Pure.

Amounts are decimal text in whole tokens; rates, fractions and utilisations are numbers (0.05 is 5 %); rates are simple
and annual. ``supplied`` and ``borrowed`` are a pool's totals, what we hold included.
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
"""Decimals of every asset, unless an amount in the document has more."""
MOST_DECIMALS = 18
MOST_TOKENS = Decimal(10) ** 15
"""Largest amount, in whole tokens."""
EXACT = Context(prec=60)
"""Decimal context for sums of amounts, which have more digits than the default context's 28."""


class ProblemError(ValueError):
    """A malformed problem. ``path`` names the field, as markets[3].rate.points; indexes count from 0."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
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
    """Check that the points' utilisations ascend from 0 to at most 1."""
    if points[0][0] < 0 or points[-1][0] > 1:
        raise ValueError("utilisations are from 0 to 1")
    return _ascending(points)


Points = Annotated[tuple[tuple[float, Rate], ...], Field(min_length=1, max_length=1000)]


class Strict(BaseModel):
    """Base of all parts of the document: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kinked(Strict):
    """A pool whose borrow rate is piecewise linear in utilisation (``KinkedCurve``)."""

    kind: Literal["kinked"]
    """Discriminator of ``MarketRow.rate``."""
    points: Annotated[Points, AfterValidator(_of_utilisation)]
    """(utilisation, borrow APR), utilisation ascending from 0 to 1."""


class Adaptive(Strict):
    """A Morpho market under its adaptive rate model (``AdaptiveCurve``)."""

    kind: Literal["adaptive"]
    """Discriminator of ``MarketRow.rate``."""
    rate_at_target: Annotated[float, Field(ge=0, le=100)]
    """Borrow rate at 90 % utilisation, simple annual."""


class Constant(Strict):
    """The same rate for any holding."""

    kind: Literal["constant"]
    """Discriminator of ``MarketRow.rate``."""
    apr: Rate
    """Simple annual supply rate."""


class Sampled(Strict):
    """A table of supply rates, linear in between."""

    kind: Literal["sampled"]
    """Discriminator of ``MarketRow.rate``."""
    points: Annotated[Points, AfterValidator(_ascending)]
    """(our whole holding in tokens, APR), holding ascending."""


class MarketRow(Strict):
    """One market."""

    id: Name
    """The market's id, unique in the problem."""
    asset: Name | None = None
    """Id of its asset; None: the first one."""
    held: Tokens = Decimal(0)
    """What we hold now."""
    supplied: Tokens | None = None
    """All that is supplied, our holding included."""
    borrowed: Tokens | None = None
    """All that is borrowed."""
    reserve_factor: Share = 0.0
    """Fraction of the interest that the protocol keeps."""
    rate: Annotated[Kinked | Adaptive | Constant | Sampled, Field(discriminator="kind")]
    """How its rate depends on utilisation or on our holding."""
    max_deposit: Tokens | None = None
    """Most that can still be deposited; None: unlimited."""
    max_withdraw: Tokens | None = None
    """Most that can be withdrawn now; None: what is not borrowed."""
    fixed_cost: Tokens = Decimal(0)
    """One-time cost of any change of the holding, in the market's asset."""
    proportional_cost_bps: Bps = 0.0
    """One-time cost of each token moved, in bp."""
    haircut_bps: Bps = 0.0
    """Expected loss a year, in bp."""
    max_share: Share = 1.0
    """Largest fraction of the wealth in this market."""


class GroupRow(Strict):
    """A limit on several markets together."""

    name: Name
    """What the limit is called in messages."""
    members: tuple[Name, ...]
    """Ids of markets."""
    max_share: Share
    """Largest fraction of the wealth, 0 to 1, in all these markets together."""


class AssetRow(Strict):
    """One more asset."""

    id: Name
    """The asset's id, unique in the problem."""
    wealth: Tokens
    """All that we have of it, holdings included."""
    price: Annotated[Decimal, BeforeValidator(_amount), Field(gt=0)] = Decimal(1)
    """Price of one token, in the first asset."""
    idle_rate: Rate = 0.0
    """What idle money earns, simple annual."""
    idle_buffer: Tokens = Decimal(0)
    """What must stay idle."""


class SwapRow(Strict):
    """What converting one asset into another pays."""

    source: Name = Field(alias="from")
    """Id of the asset that pays."""
    target: Name = Field(alias="to")
    """Id of the asset that is received."""
    quotes: Annotated[tuple[tuple[Tokens, Tokens], ...], Field(min_length=1, max_length=1000)]
    """(amount in, amount out) in whole tokens, both ascending; amounts in between are interpolated."""
    fixed_cost: Tokens = Decimal(0)
    """One-time cost of swapping at all, in the first asset."""


class ProblemDocument(Strict):
    """The whole problem."""

    schema_: Literal["yieldbot/problem/v1"] = Field(alias="schema")
    """Schema name and version."""
    asset: Name = "asset"
    """Id of the first asset, which objectives are counted in."""
    wealth: Tokens
    """All that we have of it, holdings included."""
    horizon_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """Days over which costs are spread and curves are averaged."""
    idle_rate: Rate = 0.0
    """What idle money of the first asset earns, simple annual."""
    idle_buffer: Tokens = Decimal(0)
    """How much of the first asset must stay idle."""
    min_position: Tokens = Decimal(0)
    """Least holding, in the first asset."""
    min_move: Tokens = Decimal(0)
    """Least change of a holding, in the first asset."""
    break_even_days: Annotated[float, Field(gt=0, le=36500)] | None = None
    """Hold where costs are not earned back within so many days; None: no such limit."""
    assets: tuple[AssetRow, ...] = ()
    """Further assets."""
    swaps: tuple[SwapRow, ...] = ()
    """Conversions between assets."""
    markets: tuple[MarketRow, ...]
    """The markets where money can earn."""
    groups: tuple[GroupRow, ...] = ()
    """Limits on several markets together."""


def read(document: object) -> ProblemDocument:
    """The document, validated. Raises ProblemError with the path of the first bad field."""
    if not isinstance(document, Mapping):
        raise ProblemError("", "a problem is a JSON object")
    try:
        found = ProblemDocument.model_validate(document)
    except ValidationError as failure:
        # a misspelt key gives both errors
        errors = sorted(failure.errors(include_url=False), key=lambda e: e["type"] == "missing")
        raise _of(errors[0]) from None
    _check(found)
    return found


def _of(error: Mapping[str, Any]) -> ProblemError:
    location = [part for part in error["loc"] if part not in ("kinked", "adaptive", "constant", "sampled")]
    message = {"extra_forbidden": "is not a field of a problem: remove it", "missing": "is missing"}.get(
        error["type"], str(error["msg"]).removeprefix("Value error, ")
    )
    return ProblemError(path_of(location), message[:1].lower() + message[1:])


def path_of(location: Sequence[str | int]) -> str:
    """A pydantic location as a path: markets[3].rate.points."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check(found: ProblemDocument) -> None:
    """What no single field shows: unknown names, duplicates, holdings larger than their pool or than the wealth."""
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
