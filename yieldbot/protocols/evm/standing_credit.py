"""The contracts that markets of credit vaults depend on: part of ``standing.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yieldbot.model.controls import Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.market import Market
from yieldbot.protocols.evm.view_words import call


def aave_v4(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "tokenization spoke")
    if "hub" not in params:
        return
    place = params["asset_id"]
    views = (
        ("terms", _view("getAssetConfig(uint256)", place)),
        ("caps and switches", _view("getSpokeConfig(uint256,address)", place, market.address)),
        ("number of spokes", _view("getSpokeCount(uint256)", place)),
    )
    yield Dependency(Address(params["hub"]), Part.POOL, "hub", views)
    rates = (("rates", _view("getInterestRateData(uint256)", place)),)
    yield Dependency(Address(params["strategy"]), Part.RATE_MODEL, "rate strategy", rates)
    if "authority" in params:
        yield Dependency(Address(params["authority"]), Part.ADMIN, "access manager")
    for spoke, oracle in params.get("drawers", ()):
        yield Dependency(
            Address(spoke), Part.INSIDE, "borrowing spoke", (("number of reserves", _view("getReserveCount()")),)
        )
        yield Dependency(Address(oracle), Part.ORACLE, "oracle of a spoke")


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


def euler_earn(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    inside = tuple(dict.fromkeys((*params.get("supply_queue", ()), *params.get("withdraw_queue", ()))))
    views = tuple(
        (f"{name} of {one[:8]}…", _view(signature, one))
        for one in inside
        for name, signature in (("cap", "config(address)"), ("pending cap", "pendingCap(address)"))
    )
    yield Dependency(market.address, Part.POOL, "Earn vault", views)
    for one in inside:
        yield Dependency(Address(one), Part.INSIDE, "credit vault")
    for model in params.get("models", {}).values():
        yield Dependency(Address(model), Part.RATE_MODEL, "rate model")
    if "evc" in params:
        yield Dependency(Address(params["evc"]), Part.INSIDE, "EVC")


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


def fraxlend(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    views = (
        ("oracle source", _view("exchangeRateInfo()")),
        ("rate model", _view("rateContract()")),
        ("loan-to-value limit", _view("maxLTV()")),
        ("deposit limit", _view("depositLimit()")),
    )
    yield Dependency(market.address, Part.POOL, "pair", views)
    for name, part, words in (
        ("model", Part.RATE_MODEL, "rate contract"),
        ("feed", Part.ORACLE, "oracle"),
        ("backer", Part.COLLATERAL, "collateral"),
        ("timelock", Part.ADMIN, "timelock"),
    ):
        if name in params:
            yield Dependency(Address(params[name]), part, words)


def gearbox(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    views = (("credit managers", _view("creditManagers()")), ("debt limit", _view("totalDebtLimit()")))
    yield Dependency(market.address, Part.POOL, "pool", views)
    for name, part, words in (
        ("model", Part.RATE_MODEL, "rate model"),
        ("quotas", Part.INSIDE, "quota keeper"),
        ("acl", Part.ADMIN, "ACL"),
    ):
        if name in params:
            yield Dependency(Address(params[name]), part, words)


def silo(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "silo", (("hooks", _view("hookSetup()")),))
    for name, part, words in (
        ("model", Part.RATE_MODEL, "rate model"),
        ("config", Part.INSIDE, "pair's terms"),
        ("other", Part.INSIDE, "other silo"),
        ("hook", Part.INSIDE, "hook"),
        ("backer", Part.COLLATERAL, "collateral"),
        ("factory", Part.ADMIN, "factory"),
    ):
        if name in params and int(str(params[name]), 16):
            yield Dependency(Address(params[name]), part, words)
    for at in params.get("oracles", ()):
        yield Dependency(Address(at), Part.ORACLE, "oracle")


def _view(signature: str, *words: int | str) -> bytes:
    """Calldata of a view function of static arguments."""
    return call("", signature, *words).data
