"""Compound v3: supplying the base asset to a Comet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.curves import SupplyKinkedCurve
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Apr, BlockRef
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Deployment, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols._abi import MAX_UINT256, abi, checksum, explain, short

FACTOR_SCALE = 10**18
BASE_INDEX_SCALE = 10**15
CURVE = ("Kink", "PerSecondInterestRateBase", "PerSecondInterestRateSlopeLow", "PerSecondInterestRateSlopeHigh")
SIDES = ("supply", "borrow")


class CometParams(BaseModel):
    model_config = ConfigDict(extra="forbid")
    comet: str


def accrued(index: int, rate: int, elapsed_seconds: int) -> int:
    """An index after ``elapsed_seconds`` (Comet.accruedInterestIndices: index += mulFactor(index, rate * elapsed))."""
    return index + index * (rate * elapsed_seconds) // FACTOR_SCALE


def rate(utilisation: int, curve: Sequence[int]) -> int:
    """Rate a second for a utilisation, both scaled by 1e18 (Comet.getSupplyRate and getBorrowRate).

    curve: kink, base, slope below the kink, slope above it.
    """
    kink, base, low, high = curve
    above = max(0, utilisation - kink)
    return base + low * min(utilisation, kink) // FACTOR_SCALE + high * above // FACTOR_SCALE


class CompoundV3:
    """Supply to a Comet; the position is a balance inside it, growing by an index."""

    protocol: ClassVar[str] = "compound_v3"
    params: ClassVar[type[BaseModel]] = CometParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        comet = checksum(deployment.params["comet"])
        (base,) = yield [abi("compound_v3").read(comet, "baseToken")]
        asset = abi("compound_v3").one("baseToken", base)
        token = next((t for t in deployment.assets if t.address == asset), None)
        if token is None:
            raise MarketError(f"{deployment.name} lends {asset}, which is not among its assets in chains/*.toml")
        number = evm_number(deployment.chain)
        return (
            Market(
                id=MarketId(f"compound_v3/{number}/{comet.lower()}"),
                protocol=self.protocol,
                kind=Kind.LENDING,
                chain=deployment.chain,
                name=deployment.name,
                asset=token,
                address=comet,
            ),
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        comet, erc20, token = abi("compound_v3"), abi("erc20"), market.asset
        at = market.address
        names = [f"{side}{part}" for side in SIDES for part in CURVE]
        totals, utilised, supply_paused, withdraw_paused, balance, cash, *parts = yield [
            comet.read(at, "totalsBasic"),
            comet.read(at, "getUtilization"),
            comet.read(at, "isSupplyPaused"),
            comet.read(at, "isWithdrawPaused"),
            comet.read(at, "balanceOf", owner),
            erc20.read(token.address, "balanceOf", at),
            *(comet.read(at, name) for name in names),
        ]
        curves = [comet.one(name, part) for name, part in zip(names, parts, strict=True)]
        utilisation = comet.one("getUtilization", utilised)
        supply_rate, borrow_rate = rate(utilisation, curves[:4]), rate(utilisation, curves[4:])
        supply_index, borrow_index, _, _, supply_principal, borrow_principal, last, _ = comet.one("totalsBasic", totals)
        elapsed = block.timestamp - last
        supplied = supply_principal * accrued(supply_index, supply_rate, elapsed) // BASE_INDEX_SCALE
        borrowed = borrow_principal * accrued(borrow_index, borrow_rate, elapsed) // BASE_INDEX_SCALE
        kink, base, low, high = (part / FACTOR_SCALE for part in curves[:4])
        held = Amount(token, comet.one("balanceOf", balance))
        liquidity = Amount(token, erc20.one("balanceOf", cash))
        paused = comet.one("isWithdrawPaused", withdraw_paused)
        closed = comet.one("isSupplyPaused", supply_paused)
        flags = [name for name, set_ in (("above-kink", borrowed > kink * supplied), ("paused", paused)) if set_]
        flags += ["thin-liquidity"] if liquidity.raw * 20 < supplied else []
        year = SECONDS_PER_YEAR
        return MarketState(
            market=market,
            block=block,
            held=held,
            shares=held.raw,
            share_token=None,
            liquidity=liquidity,
            capacity=None,
            supplied=Amount(token, supplied),
            borrowed=Amount(token, borrowed),
            status=Status.PAUSED if paused else Status.FROZEN if closed else Status.ACTIVE,
            curve=SupplyKinkedCurve(
                others=(supplied - held.raw) / token.one,
                borrowed=borrowed / token.one,
                points=(
                    (0.0, base * year),
                    (kink, (base + low * kink) * year),
                    (1.0, (base + low * kink + high * (1 - kink)) * year),
                ),
            ),
            quoted=Apr(supply_rate / FACTOR_SCALE * year),
            pools=frozenset({market.id}),
            gas_deposit=180_000,
            gas_withdraw=140_000,
            flags=tuple(flags),
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("compound_v3").encode("supply", market.asset.address, amount.raw),
                value=0,
                words=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        raw, what = (MAX_UINT256, f"all ({state.held})") if amount is None else (amount.raw, str(amount))
        data = abi("compound_v3").encode("withdraw", market.asset.address, raw)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def explain_revert(self, data: bytes) -> str | None:
        return explain("compound_v3", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        comet = abi("compound_v3")
        return {market.address: frozenset({comet.selector("supply"), comet.selector("withdraw")})}


ADAPTER = CompoundV3()
