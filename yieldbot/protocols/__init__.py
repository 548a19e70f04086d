"""Protocol adapters, one file each, in the folder of their chain family. A module is an adapter if it has ``ADAPTER``
(or ``EXCHANGE``, ``LIQUIDITY``, ``PRICE_ORACLE``); there is no other list."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldbot.model.deployment import Deployment
    from yieldbot.protocols.evm.base import LiquidityAdapter, SwapAdapter, YieldAdapter
    from yieldbot.protocols.solana.base import SvmAdapter, SvmPriceOracle, SvmSwapAdapter


@cache
def adapters() -> dict[str, YieldAdapter]:
    """Every adapter of EVM protocols by its protocol name."""
    return _of("evm")


@cache
def svm_adapters() -> dict[str, SvmAdapter]:
    """Every adapter of Solana programs by its protocol name."""
    return _of("solana")


@cache
def exchanges() -> dict[str, SwapAdapter]:
    """Every EVM exchange's adapter by its protocol name: the modules with ``EXCHANGE``."""
    return _of("evm", "EXCHANGE")


@cache
def svm_exchanges() -> dict[str, SvmSwapAdapter]:
    """Every Solana exchange's adapter by its protocol name."""
    return _of("solana", "EXCHANGE")


@cache
def svm_price_oracles() -> dict[str, SvmPriceOracle]:
    """Every Solana price oracle by its protocol name: the modules with ``PRICE_ORACLE``."""
    return _of("solana", "PRICE_ORACLE")


@cache
def liquidity() -> dict[str, LiquidityAdapter]:
    """Every adapter of liquidity by its exchange's protocol name: the modules with ``LIQUIDITY``."""
    return _of("evm", "LIQUIDITY")


def _of(family: str, kind: str = "ADAPTER") -> dict[str, Any]:
    package = import_module(f"{__name__}.{family}")
    modules = (import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__))
    mine = [getattr(module, kind) for module in modules if hasattr(module, kind)]
    return {adapter.protocol: adapter for adapter in sorted(mine, key=lambda a: str(a.protocol))}


def by_plans(table: Deployment) -> bool:
    """Whether plans may put liquidity into an exchange's pools: Uniswap v3 with its position manager and a router.

    (A v2 pair charges as much for the swap on the way in as a base's default ``max_impact_bps`` allows.)
    """
    params = table.params
    router = params.get("router") or params.get("router02")
    return table.protocol == "uniswap_v3" and bool(params.get("manager") and router)
