"""Protocol adapters, one file each, in the folder of their chain family. A module is an adapter if it has ``ADAPTER``
(or ``EXCHANGE``, ``LIQUIDITY``, ``PRICE_ORACLE``); there is no other list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from yieldbot.model.deployment import Deployment
    from yieldbot.protocols.evm.base import LiquidityAdapter, SwapAdapter, YieldAdapter
    from yieldbot.protocols.solana.base import SvmAdapter, SvmPriceOracle, SvmSwapAdapter

T = TypeVar("T")


@cache
def adapters() -> Mapping[str, YieldAdapter]:
    """Every adapter of EVM protocols by its protocol name."""
    return Found(f"{__name__}.evm", "ADAPTER")


@cache
def svm_adapters() -> Mapping[str, SvmAdapter]:
    """Every adapter of Solana programs by its protocol name."""
    return Found(f"{__name__}.solana", "ADAPTER")


@cache
def exchanges() -> Mapping[str, SwapAdapter]:
    """Every EVM exchange's adapter by its protocol name: the modules with ``EXCHANGE``."""
    return Found(f"{__name__}.evm", "EXCHANGE")


@cache
def svm_exchanges() -> Mapping[str, SvmSwapAdapter]:
    """Every Solana exchange's adapter by its protocol name."""
    return Found(f"{__name__}.solana", "EXCHANGE")


@cache
def svm_price_oracles() -> Mapping[str, SvmPriceOracle]:
    """Every Solana price oracle by its protocol name: the modules with ``PRICE_ORACLE``."""
    return Found(f"{__name__}.solana", "PRICE_ORACLE")


@cache
def liquidity() -> Mapping[str, LiquidityAdapter]:
    """Every adapter of liquidity by its exchange's protocol name: the modules with ``LIQUIDITY``."""
    return Found(f"{__name__}.evm", "LIQUIDITY")


class Found(Mapping[str, T]):
    """Adapters of one kind in the folder of one family, by protocol name. One that is asked for by name is imported
    alone, from the module of that name or one whose name begins with it; whoever walks through them imports all."""

    def __init__(self, package: str, kind: str, named: str = "protocol") -> None:
        """kind: the module's attribute that holds the adapter; named: the adapter's that holds its name."""
        self._package, self._kind, self._named = package, kind, named
        self._known: dict[str, T] = {}
        self._whole: dict[str, T] | None = None

    def __getitem__(self, protocol: str) -> T:
        if protocol not in self._known and self._whole is None:
            for module in self._modules():
                if module == protocol or module.startswith(f"{protocol}_"):
                    self._take(module)
                    if protocol in self._known:
                        break
        return self._known[protocol] if protocol in self._known else self._all()[protocol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, T]:
        """Every adapter, sorted by name."""
        if self._whole is None:
            for module in self._modules():
                self._take(module)
            self._whole = dict(sorted(self._known.items()))
        return self._whole

    def _take(self, module: str) -> None:
        adapter = getattr(import_module(f"{self._package}.{module}"), self._kind, None)
        if adapter is not None:
            self._known[str(getattr(adapter, self._named))] = adapter

    def _modules(self) -> list[str]:
        """The names of the folder's modules, the shortest first."""
        return sorted(_modules_of(self._package), key=len)


@cache
def _modules_of(package: str) -> tuple[str, ...]:
    return tuple(found.name for found in iter_modules(import_module(package).__path__))


def by_plans(table: Deployment) -> bool:
    """Whether plans may put liquidity into an exchange's pools: Uniswap v3 with its position manager and a router.

    (A v2 pair charges as much for the swap on the way in as a base's default ``max_impact_bps`` allows.)
    """
    params = table.params
    router = params.get("router") or params.get("router02")
    return table.protocol == "uniswap_v3" and bool(params.get("manager") and router)
