"""Compound v3: supplying the base asset to a Comet."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.comet import BASE_INDEX_SCALE, FACTOR_SCALE, CometTotals, RateCurve
from yieldbot.math.curves import SupplyKinkedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.protocols.doubts import backed
from yieldbot.protocols.evm.abi import abi, checksum, explain, short
from yieldbot.protocols.evm.reward_controllers import (
    comet_claim,
    comet_listed,
    comet_listing,
    comet_reads,
    comet_rewards,
)
from yieldbot.protocols.reads import Reads

CURVE = ("Kink", "PerSecondInterestRateBase", "PerSecondInterestRateSlopeLow", "PerSecondInterestRateSlopeHigh")
SIDES = ("supply", "borrow")
SUPPLY_PAUSED, WITHDRAW_PAUSED = 1 << 0, 1 << 2
"""Bits of pauseFlags (CometExt.sol: PAUSE_SUPPLY_OFFSET, PAUSE_WITHDRAW_OFFSET)."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""


class CometParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    comet: str
    """Address of the Comet."""
    rewards: str | None = None
    """CometRewards that pays for holding the base asset; None: rewards are not read."""
    configurator: str | None = None
    """The Configurator that keeps the parameters of the Comet's next upgrade, which the watch compares with those in
    force; None: the watch looks for it by events."""


class CompoundV3:
    """Supply to a Comet; the position is a balance inside it that grows by an index."""

    protocol: ClassVar[str] = "compound_v3"
    params: ClassVar[type[BaseModel]] = CometParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        abi_, comet = abi("compound_v3"), checksum(deployment.params["comet"])
        names = [f"{side}{part}" for side in SIDES for part in CURVE]
        rewards = checksum(deployment.params["rewards"]) if deployment.params.get("rewards") else None
        reads = Reads()
        base = reads.add(abi_.read(comet, "baseToken"))
        terms = [(name, reads.add(abi_.read(comet, name))) for name in names]
        listing = reads.group(comet_listing(rewards, comet)) if rewards else None
        yield from reads.made()
        asset = abi_.one("baseToken", base.data)
        token = next((t for t in deployment.assets if t.address == asset), None)
        if token is None:
            raise MarketError(f"{deployment.name} lends {asset}, which is not among its assets in chains/*.toml")
        parts = tuple(abi_.one(name, term.data) for name, term in terms)
        paid: dict[str, Any] = {}
        if rewards is not None and listing is not None:
            paid = {"rewards": comet_listed(rewards, listing.data), "rewards_address": rewards}
        return (
            Market(
                id=MarketId(f"compound_v3/{evm_number(deployment.chain)}/{comet.lower()}"),
                protocol=self.protocol,
                kind=Kind.LENDING,
                chain=deployment.chain,
                name=deployment.name,
                asset=token,
                address=comet,
                params={"supply_curve": parts[:4], "borrow_curve": parts[4:], **paid},
            ),
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        comet, erc20, token = abi("compound_v3"), abi("erc20"), market.asset
        totals, balance, cash, *about = yield [
            comet.read(market.address, "totalsBasic"),
            comet.read(market.address, "balanceOf", owner),
            erc20.read(token.address, "balanceOf", market.address),
            *comet_reads(market, owner),
        ]
        supply, borrow = RateCurve.of(market.params["supply_curve"]), RateCurve.of(market.params["borrow_curve"])
        supply_index, borrow_index, _, _, supplied, borrowed, updated, paused = comet.one("totalsBasic", totals)
        stored = CometTotals(supply_index, borrow_index, supplied, borrowed, updated)
        now = stored.accrued(supply, borrow, block.timestamp)
        held = Amount(token, comet.one("balanceOf", balance))
        liquidity = Amount(token, erc20.one("balanceOf", cash))
        if paused & WITHDRAW_PAUSED:
            status = Status.PAUSED
        else:
            status = Status.FROZEN if paused & SUPPLY_PAUSED else Status.ACTIVE
        flags = {
            "above-kink": now.utilisation > supply.kink,
            str(status): status is not Status.ACTIVE,
            "thin-liquidity": liquidity.raw * THIN < now.supplied_raw,
        }
        doubts = backed(now.supplied_raw, liquidity.raw, now.borrowed_raw, token)
        rewards, unread = comet_rewards(market, about, now, held.raw, block.timestamp)
        return MarketState(
            market=market,
            block=block,
            held=held,
            shares=held.raw,
            share_token=None,
            liquidity=liquidity,
            capacity=None,
            supplied=Amount(token, now.supplied_raw),
            borrowed=Amount(token, now.borrowed_raw),
            status=status,
            curve=SupplyKinkedCurve(
                others=(now.supplied_raw - held.raw) / token.one,
                borrowed=now.borrowed_raw / token.one,
                points=_points(supply),
            ),
            quoted=Apr(supply.rate(stored.utilisation) * SECONDS_PER_YEAR / FACTOR_SCALE),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("compound_v3").deposit,
            gas_withdraw=leg_gas("compound_v3").withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *unread, *doubts),
            doubts=doubts,
            rewards=rewards,
            exit=Exit(cash=liquidity),
            index=now.supply_index / BASE_INDEX_SCALE,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("compound_v3").encode("supply", market.asset.address, amount.raw),
                value=0,
                description=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        raw, what = (MAX_UINT256, f"all ({state.held})") if amount is None else (amount.raw, str(amount))
        data = abi("compound_v3").encode("withdraw", market.asset.address, raw)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return comet_claim(state.market, reward, owner)

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        terms = market.params.get("rewards")
        return {terms["distributor"]: frozenset({abi("comet_rewards").selector("claim")})} if terms else {}

    def explain_revert(self, data: bytes) -> str | None:
        return explain("compound_v3", data) or explain("comet_rewards", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        comet = abi("compound_v3")
        return {market.address: frozenset({comet.selector("supply"), comet.selector("withdraw")})}


def _points(curve: RateCurve) -> tuple[tuple[float, float], ...]:
    """(utilisation, annual supply rate): the curve's points as fractions."""
    points = sorted({0, curve.kink, FACTOR_SCALE})
    return tuple((u / FACTOR_SCALE, curve.rate(u) * SECONDS_PER_YEAR / FACTOR_SCALE) for u in points)


ADAPTER = CompoundV3()
