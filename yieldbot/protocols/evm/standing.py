"""The contracts that each EVM protocol's markets depend on: those that can change what a deposit is worth, or whether
it can be withdrawn. Pure; ``control_reads.py`` reads them, and finds who controls them.

Controllers are found from these contracts' answers, so neither admins nor timelocks are listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.model.controls import CONFIGURATOR, Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.model.look_through import Backing
from yieldbot.model.market import Kind, Market
from yieldbot.protocols.evm import comet_queue, maple, standing_credit, vault_v2
from yieldbot.protocols.evm.abi import checksum, selector_of

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_reads import Reading

MOST_COLLATERALS = 24
"""Most collaterals of one Comet (CometConfiguration.sol: MAX_ASSETS)."""
LEAST_BACKING = 0.10
"""Fraction of a market's money from which the contracts of a collateral that looks found are read."""
MOST_CONTRACTS = 120
"""Most contracts of one market that are read; MetaMorpho's queues hold at most 30 markets."""


def stands_on(market: Market, where: Mapping[str, Any]) -> tuple[Dependency, ...]:
    """The contracts that a market depends on, each once; first the one that holds the money. where: the other keys of
    its deployment's table."""
    if market.kind is Kind.IDLE:
        found = [Dependency(market.asset.address, Part.ASSET, market.asset.symbol)]
    else:
        named = OF_PROTOCOL.get(market.protocol, _pool)
        found = [*named(market, where), Dependency(market.asset.address, Part.ASSET, market.asset.symbol)]
    once = dict[Address, Dependency]()
    for one in found:
        if len(one.address) == 42 and int(one.address, 16):
            address = checksum(one.address)
            once.setdefault(address, Dependency(address, one.part, one.name, one.views))
    return tuple(once.values())[:MOST_CONTRACTS]


def with_configurator(named: Sequence[Dependency], readings: Mapping[Address, Reading]) -> tuple[Dependency, ...]:
    """The contracts that a market depends on, with Aave's PoolConfigurator added where it was read: caps and rates are
    changed through it by risk agents too, without a vote, and its events say so."""
    for one in named:
        reading = readings.get(one.address) if one.part is Part.ADMIN else None
        at = reading.named("getPoolConfigurator") if reading is not None else None
        behind = readings.get(at) if at is not None else None
        if at is not None and behind is not None and behind.code is not None and behind.code.size:
            found = {each.address: each for each in named}
            return tuple((found | {at: Dependency(at, Part.RATE_MODEL, CONFIGURATOR)} | found).values())
    return tuple(named)


def backers(backing: Backing | None) -> tuple[Dependency, ...]:
    """The tokens on which a tenth of a market rests, by the last look at what backs it."""
    return tuple(
        Dependency(checksum(one.backing), Part.BACKER, one.symbol or "collateral")
        for one in (backing.parts if backing is not None else ())
        if one.share >= LEAST_BACKING and len(one.backing) == 42
    )


def _pool(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    """A market of a protocol without a rule of its own: its contract alone."""
    yield Dependency(market.address, Part.POOL, market.protocol)


def _aave(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    asset, params = market.asset.address, market.params
    settings = (("reserve settings", _view("getConfiguration(address)", asset)),)
    yield Dependency(Address(params["pool"]), Part.POOL, "Pool", settings)
    yield Dependency(Address(params["a_token"]), Part.POOL, "aToken")
    if where.get("addresses_provider"):
        yield Dependency(Address(where["addresses_provider"]), Part.ADMIN, "PoolAddressesProvider")
    if where.get("oracle"):
        source = (("oracle source", _view("getSourceOfAsset(address)", asset)),)
        yield Dependency(Address(where["oracle"]), Part.ORACLE, "AaveOracle", source)
    if where.get("data_provider"):
        views = (
            ("rate model", _view("getInterestRateStrategyAddress(address)", asset)),
            ("caps", _view("getReserveCaps(address)", asset)),
        )
        yield Dependency(Address(where["data_provider"]), Part.RATE_MODEL, "ProtocolDataProvider", views)


def _comet(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    views = (
        ("oracle source", _view("baseTokenPriceFeed()")),
        ("rate model", _view("supplyKink()")),
        *((f"collateral {i}", _view("getAssetInfo(uint8)", i)) for i in range(MOST_COLLATERALS)),
    )
    named = where.get("configurator")
    yield Dependency(market.address, Part.POOL, "Comet", (*views, *(comet_queue.in_force() if named else ())))
    if named:
        yield Dependency(Address(named), Part.ADMIN, "Configurator", (comet_queue.asked(checksum(market.address)),))


def _blue(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "Morpho")
    if "oracle" in params:
        yield Dependency(Address(params["oracle"]), Part.ORACLE, "oracle")
        yield Dependency(Address(params["irm"]), Part.RATE_MODEL, "rate model")
        yield Dependency(Address(params["collateral"]), Part.COLLATERAL, "collateral")
        for feed in params.get("feeds", ()):
            yield Dependency(Address(feed), Part.ORACLE, "price feed")


def _vault(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    flavour = params.get("flavour")
    if flavour == "metamorpho" and "unfit" not in params:
        ids = dict.fromkeys((*params["supply_queue"], *params["withdraw_queue"]))
        views = [
            (name, _view(signature, int(i, 16)))
            for i in ids
            for name, signature in (
                (f"cap of market 0x{i[:8]}…", "config(bytes32)"),
                (f"pending cap of market 0x{i[:8]}…", "pendingCap(bytes32)"),
            )
        ]
        yield Dependency(market.address, Part.POOL, "MetaMorpho", tuple(views))
        yield Dependency(Address(params["morpho"]), Part.INSIDE, "Morpho")
        yield Dependency(Address(params["irm"]), Part.RATE_MODEL, "rate model")
        for i, oracle in params.get("oracles", {}).items():
            yield Dependency(Address(oracle), Part.ORACLE, f"oracle of market 0x{i[:8]}…")
        return
    yield Dependency(market.address, Part.POOL, "vault", (*vault_v2.ASKED, maple.ASKED) if flavour == "generic" else ())
    if flavour == "stata" and "pool" in params:
        pool = Dependency(Address(params["pool"]), Part.INSIDE, "Pool")
        yield pool
        if "a_token" in params:
            yield Dependency(Address(params["a_token"]), Part.INSIDE, "aToken")


def _vault_v2(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "vault", vault_v2.ASKED)
    if "unfit" in params:
        return
    yield Dependency(Address(params["morpho"]), Part.INSIDE, "Morpho")
    yield Dependency(Address(params["irm"]), Part.RATE_MODEL, "rate model")
    for one in params["adapters"]:
        yield Dependency(one.address, Part.INSIDE, f"adapter {one.address[:6]}…")
        if one.vault is not None:
            yield from _vault(one.vault, where)
    for i, oracle in params["oracles"].items():
        yield Dependency(Address(oracle), Part.ORACLE, f"oracle of market 0x{i[:8]}…")


def _yearn(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    views = ("role_manager()", "accountant()", "deposit_limit_module()", "withdraw_limit_module()", "asset()")
    yield Dependency(market.address, Part.POOL, "vault", tuple((one[:-2], _view(one)) for one in views))
    for one in market.params.get("strategies", ()):
        yield Dependency(one, Part.INSIDE, f"strategy {one[:6]}…")


def _ctoken(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    yield Dependency(market.address, Part.POOL, "cToken")
    yield Dependency(Address(where.get("comptroller") or market.params["comptroller"]), Part.ADMIN, "Comptroller")
    if "model" in market.params:
        yield Dependency(Address(market.params["model"]), Part.RATE_MODEL, "rate model")


def _savings(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params, flavour = market.params, market.params.get("flavour")
    own = {"susds": ("ssr()",), "spark": ("vsr()", "minVsr()", "maxVsr()", "depositCap()")}.get(str(flavour), ())
    yield Dependency(market.address, Part.POOL, "vault", tuple((name[:-2], _view(name)) for name in own))
    if flavour == "sdai" and "vat" in params:
        yield Dependency(Address(params["source"]), Part.INSIDE, "Pot", (("dsr", _view("dsr()")),))
        yield Dependency(Address(params["vat"]), Part.INSIDE, "Vat")
    if "psm" in params and "pocket" in params:
        fees = (
            (("pocket", _view("pocket()")),)
            if flavour == "susdc_l2"
            else (("tin", _view("tin()")), ("tout", _view("tout()")))
        )
        yield Dependency(Address(params["psm"]), Part.INSIDE, "PSM", fees)
        yield Dependency(Address(params["pocket"]), Part.INSIDE, "PSM's pocket")
        yield Dependency(
            Address(params["susds"]), Part.INSIDE, "sUSDS", () if flavour == "susdc_l2" else (("ssr", _view("ssr()")),)
        )
    if flavour == "susdc_l2" and "source" in params:
        yield Dependency(Address(params["source"]), Part.ORACLE, "SSR oracle", (("ssr", _view("getSSR()")),))
    if "wrapper" in params:
        yield Dependency(Address(params["wrapper"]), Part.INSIDE, "PSM's wrapper")


def _maple(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    params = market.params
    yield Dependency(market.address, Part.POOL, "pool", (maple.ASKED,))
    yield Dependency(Address(params["manager"]), Part.ADMIN, "pool manager", (("cap", _view("liquidityCap()")),))
    if params["exits"]:
        yield Dependency(Address(params["exits"]), Part.INSIDE, "withdrawal manager")
    for one in params["strategies"]:
        yield Dependency(Address(one), Part.INSIDE, "strategy")


def _ethena(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    yield Dependency(market.address, Part.POOL, "staking", (("cooldown", _view("cooldownDuration()")),))
    yield Dependency(Address(market.params["silo"]), Part.INSIDE, "silo of the cooldown")


def _view(signature: str, *words: int | str) -> bytes:
    """Calldata of a view function of static arguments."""
    numbers = (int(word, 16) if isinstance(word, str) else word for word in words)
    return selector_of(signature) + b"".join(number.to_bytes(32, "big") for number in numbers)


def _pendle(market: Market, where: Mapping[str, Any]) -> Iterator[Dependency]:
    """Who owns the standardized yield token can pause or replace it; who owns the router and the factory can change
    what they do and what a trade costs."""
    params = market.params
    yield Dependency(market.address, Part.POOL, "market of the principal token")
    for name, part, words in (
        ("sy", Part.INSIDE, "standardized yield token"),
        ("yt", Part.INSIDE, "yield token"),
        ("yield_token", Part.INSIDE, "what the standardized yield token holds"),
        ("router", Part.ADMIN, "router"),
    ):
        yield Dependency(Address(params[name]), part, words)
    if where.get("factory"):
        yield Dependency(Address(where["factory"]), Part.ADMIN, "market factory")


OF_PROTOCOL: dict[str, Callable[[Market, Mapping[str, Any]], Iterator[Dependency]]] = {
    "aave_v3": _aave,
    "aave_v4": standing_credit.aave_v4,
    "compound_v2": _ctoken,
    "compound_v3": _comet,
    "erc4626": _vault,
    "ethena": _ethena,
    "maple": _maple,
    "euler": standing_credit.euler,
    "euler_earn": standing_credit.euler_earn,
    "fluid": standing_credit.fluid,
    "fraxlend": standing_credit.fraxlend,
    "gearbox": standing_credit.gearbox,
    "morpho_blue": _blue,
    "pendle": _pendle,
    "savings_rate": _savings,
    "silo": standing_credit.silo,
    "morpho_vault_v2": _vault_v2,
    "uniswap_v2": _pool,
    "uniswap_v3": _pool,
    "uniswap_v4": _pool,
    "yearn_v3": _yearn,
}
"""By the adapter's name, the function that gives the contracts that a market depends on."""
