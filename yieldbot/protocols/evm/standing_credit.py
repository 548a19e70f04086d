"""The contracts that markets of credit vaults depend on: part of ``standing.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yieldbot.model.controls import Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.market import Market
from yieldbot.protocols.evm.view_words import call


def euler(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    views = (
        ("caps", _view("caps()")),
        ("hook", _view("hookConfig()")),
        ("interest fee", _view("interestFee()")),
        ("rate model", _view("interestRateModel()")),
        *((f"terms of {one[:8]}…", _view("LTVFull(address)", one)) for one in params.get("backers", ())),
    )
    yield Dependency(market.address, Part.POOL, "credit vault", views)
    for name, part, words in (
        ("model", Part.RATE_MODEL, "rate model"),
        ("router", Part.ORACLE, "oracle router"),
        ("evc", Part.INSIDE, "EVC"),
    ):
        if name in params:
            yield Dependency(Address(params[name]), part, words)
    for one in params.get("backers", ()):
        yield Dependency(Address(one), Part.BACKER, "collateral vault")


def fluid(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "fToken")
    for name, part, words in (
        ("layer", Part.INSIDE, "Liquidity layer"),
        ("factory", Part.ADMIN, "LendingFactory"),
        ("rewards", Part.INSIDE, "rewards"),
    ):
        if name in params:
            yield Dependency(Address(params[name]), part, words)


def _view(signature: str, *words: int | str) -> bytes:
    """Calldata of a view function of static arguments."""
    return call("", signature, *words).data
