"""Euler v2's credit vaults (EVK): deposits are lent to borrowers whose collateral lies in other vaults.

A vault's stated totals include interest up to the block. Its rate model is asked for the rate at several utilisations;
the rate between two uses of a vault is the one that was set at the first of them, whatever the model says since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curves import Points
from yieldbot.math.euler import EVEN, RAY, WHOLE, VaultTotals, cap_of, points_of, rate_at, with_kink, worth
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, ChainId, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import SECONDS_PER_YEAR, WAD
from yieldbot.protocols.doubts import backed, in_vault
from yieldbot.protocols.evm.abi import abi, checksum, label, short
from yieldbot.protocols.evm.share_calls import ShareCalls
from yieldbot.protocols.reads import ReadHandle, Reads

OP_DEPOSIT, OP_WITHDRAW, OP_REDEEM, OP_STATUS = 1, 1 << 2, 1 << 3, 1 << 14
"""Bits of hooked operations (Constants.sol)."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
HEADROOM_SECONDS = 3600
"""An hour of interest, which counts against a cap, is deducted from its headroom."""
AGREE = 0.25
"""The rate in force and a linear model's present rate must agree to this part of it, plus ``LEAST_APR``: utilisation
has risen since the vault was used last, by the interest."""
LEAST_APR = 0.005
TOTALS = ("cash", "totalBorrows", "totalAssets", "totalSupply", "interestRate", "interestFee", "interestRateModel")
LINEAR = ("baseRate", "slope1", "slope2", "kink")
ADAPTIVE = ("TARGET_UTILIZATION", "CURVE_STEEPNESS")
HEAD = ("asset", "symbol", "decimals")
OWN = ("interestRateModel", "oracle", "EVC", "LTVList")
MOST_LISTED = 64
"""Most collaterals of one vault whose contracts are looked at."""


class EulerParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    vaults: list[str] = Field(min_length=1)
    """Addresses of credit vaults."""


def pool_key(chain: ChainId, vault: str) -> str:
    """The key of a vault's borrowers, and the id of its market."""
    return f"euler/{evm_number(chain)}/{vault.lower()}"


@dataclass(frozen=True, slots=True)
class VaultReads:
    """The reads of one vault's state, made together with others."""

    asset: Token
    """Its asset."""
    model: Address
    """The rate model that it had when it was found; the zero address: it has none."""
    totals: dict[str, ReadHandle]
    """The totals, by function."""
    caps: ReadHandle
    """Its caps."""
    hooks: ReadHandle
    """Its hooked operations."""
    balance: ReadHandle
    """The asset's balance of the vault."""
    terms: dict[str, ReadHandle]
    """What shows which rate model it is, by function; empty: it has none."""
    rates: tuple[ReadHandle, ...]
    """Its model's rates at ``EVEN``."""

    @classmethod
    def added(cls, at: Address, asset: Token, model: Address, reads: Reads) -> VaultReads:
        """Adds the reads to a round."""
        euler, asked = abi("euler"), bool(int(model, 16))
        return cls(
            asset,
            model,
            {name: reads.add(euler.read(at, name)) for name in TOTALS},
            reads.add(euler.read(at, "caps")),
            reads.add(euler.read(at, "hookConfig")),
            reads.add(abi("erc20").read(asset.address, "balanceOf", at)),
            {name: reads.add(euler.read(model, name, optional=True)) for name in (*LINEAR, *ADAPTIVE) if asked},
            tuple(
                reads.add(euler.read(model, "computeInterestRateView", at, WHOLE - u, u, optional=True))
                for u in EVEN
                if asked
            ),
        )

    def view(self) -> VaultView:
        """What was read, once the round is made. Raises MarketError if the model was exchanged since."""
        euler = abi("euler")
        read: dict[str, Any] = {name: euler.one(name, handle.data) for name, handle in self.totals.items()}
        if read["interestRateModel"] != self.model:
            raise MarketError("its interest rate model has just been exchanged for another one")
        kind, points = self._line(read["interestRate"])
        target, hooked = euler.decode("hookConfig", self.hooks.data)
        cap = cap_of(euler.decode("caps", self.caps.data)[0])
        return VaultView(
            totals=VaultTotals(
                cash_raw=read["cash"],
                borrowed_raw=read["totalBorrows"],
                assets_raw=read["totalAssets"],
                supply=read["totalSupply"],
                fee=read["interestFee"],
                points=points,
            ),
            asset=self.asset,
            rate=read["interestRate"] * SECONDS_PER_YEAR / RAY,
            kind=kind,
            cap_raw=cap,
            hooked=hooked,
            hook=checksum(target),
            balance_raw=abi("erc20").one("balanceOf", self.balance.data),
        )

    def _line(self, rate: int) -> tuple[str, Points]:
        """(kind of the rate model, its line). rate: the rate in force, which stays where the model does not answer."""
        euler = abi("euler")
        rates = [euler.one("computeInterestRateView", one.data) for one in self.rates if len(one.data) >= 32]
        if not rates or len(rates) < len(EVEN):
            return "none", points_of((0, WHOLE), (rate, rate))
        said = {name: euler.one(name, one.data) for name, one in self.terms.items() if len(one.data) >= 32}
        if all(name in said for name in LINEAR):
            base, below, above, kink = (said[name] for name in LINEAR)
            if 0 < kink < WHOLE:
                there = base + kink * below
                return "linear", points_of((0, kink, WHOLE), (base, there, there + (WHOLE - kink) * above))
        if all(name in said for name in ADAPTIVE):
            return "adaptive", with_kink(points_of(EVEN, rates), said["TARGET_UTILIZATION"] / WAD)
        return "sampled", points_of(EVEN, rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultView:
    """What was read of a vault."""

    totals: VaultTotals
    """Its totals."""
    asset: Token
    """Its asset."""
    rate: float
    """The annual borrow rate in force, before compounding."""
    kind: str
    """Its rate model's kind; none: it has none."""
    cap_raw: int | None
    """Supply cap; None: none."""
    hooked: int
    """Bits of the operations that call its hook, and are closed if it has none."""
    hook: Address
    """The hook's contract, or the zero address."""
    balance_raw: int
    """The asset's balance of the vault."""

    def closed(self, operations: int) -> bool:
        """Whether one of the operations is switched off."""
        return bool(self.hooked & operations) and not int(self.hook, 16)

    @property
    def status(self) -> Status:
        """What the vault allows."""
        if self.closed(OP_WITHDRAW | OP_REDEEM | OP_STATUS):
            return Status.PAUSED
        return Status.FROZEN if self.closed(OP_DEPOSIT) else Status.ACTIVE

    @property
    def cash_raw(self) -> int:
        """What can be withdrawn: its cash, if it is there."""
        return min(self.totals.cash_raw, self.balance_raw)

    @property
    def capacity_raw(self) -> int | None:
        """What the vault still takes; an hour of interest is left out, since a cap counts it."""
        if self.cap_raw is None:
            return None
        hour = self.totals.borrowed_raw * self.rate * HEADROOM_SECONDS / SECONDS_PER_YEAR
        return max(0, self.cap_raw - self.totals.assets_raw - int(hour) - 1)

    @property
    def quoted(self) -> Apr:
        """The supply rate in force, before compounding."""
        return Apr(self.rate * self.totals.utilisation * self.totals.keep)

    def doubts(self) -> tuple[str, ...]:
        """Readings that contradict each other, and further reasons against new money."""
        stored, found = self.totals, []
        if not stored.supply:
            found.append("no share of it is out")
        found += backed(stored.assets_raw, stored.cash_raw, stored.borrowed_raw, self.asset)
        found += in_vault(stored.cash_raw, self.balance_raw, self.asset)
        computed = rate_at(stored.points, stored.utilisation)
        if self.kind in ("linear", "none") and abs(self.rate - computed) > AGREE * computed + LEAST_APR:
            found.append(f"borrowers pay {self.rate:z.6%} a year, its rate model says {computed:z.6%}")
        if self.hooked & (OP_WITHDRAW | OP_REDEEM | OP_STATUS) and int(self.hook, 16):
            found.append(f"a contract of its governor's, {short(self.hook)}, decides on each withdrawal")
        return tuple(found)

    def flags(self) -> tuple[str, ...]:
        """Unusual facts about it."""
        stored, capacity, kink = self.totals, self.capacity_raw, _last_kink(self.totals.points)
        flags = {
            "above-kink": stored.utilisation > kink,
            "at-cap": capacity is not None and capacity <= stored.assets_raw // FULL,
            str(self.status): self.status is not Status.ACTIVE,
            "thin-liquidity": self.cash_raw * THIN < stored.assets_raw,
            "rate-adapts": self.kind == "adaptive",
            "rate-model-unknown": self.kind == "sampled",
            "hooked-deposits": bool(self.hooked & OP_DEPOSIT) and bool(int(self.hook, 16)),
        }
        return tuple(flag for flag, is_set in flags.items() if is_set)


def _last_kink(points: Sequence[tuple[float, float]]) -> float:
    """The last utilisation below 1 at which the rate's slope changes."""
    inner = [u for u, _ in points[1:-1]]
    return inner[-1] if inner else 1.0


class Euler(ShareCalls):
    """Deposit to a credit vault; the position is its shares."""

    protocol: ClassVar[str] = "euler"
    params: ClassVar[type[BaseModel]] = EulerParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        listed = [checksum(text) for text in deployment.params["vaults"]]
        reads = Reads()
        heads = {at: head_reads(at, reads) for at in listed}
        yield from reads.made()
        return tuple(_market(deployment, at, heads[at]) for at in listed)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token = market.params, market.asset
        if "unfit" in where:
            raise MarketError(where["unfit"])
        reads = Reads()
        stored = VaultReads.added(market.address, token, where["model"], reads)
        ours = reads.add(abi("erc4626").read(market.address, "balanceOf", owner))
        yield from reads.made()
        view = stored.view()
        totals, shares = view.totals, abi("erc4626").one("balanceOf", ours.data)
        held_raw = worth(shares, totals.assets_raw, totals.supply)
        doubts, gas = view.doubts(), leg_gas(self.protocol)
        cash, capacity = Amount(token, view.cash_raw), view.capacity_raw
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held_raw),
            shares=shares,
            share_token=Token(token.chain, market.address, where["symbol"], where["share_decimals"]),
            liquidity=cash,
            capacity=None if capacity is None else Amount(token, capacity),
            supplied=Amount(token, totals.assets_raw),
            borrowed=Amount(token, totals.borrowed_raw),
            status=view.status,
            curve=totals.curve(token.one, held_raw),
            quoted=view.quoted,
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*view.flags(), *doubts),
            doubts=doubts,
            exit=Exit(cash=cash),
            index=worth(RAY, totals.assets_raw, totals.supply) / RAY,
        )


def head_reads(at: Address, reads: Reads) -> dict[str, ReadHandle]:
    """Reads of what a vault is, added to a round."""
    vault, euler = abi("erc4626"), abi("euler")
    found = {name: reads.add(vault.read(at, name, optional=True)) for name in HEAD}
    return found | {name: reads.add(euler.read(at, name, optional=True)) for name in OWN}


def is_vault(head: Mapping[str, ReadHandle]) -> bool:
    """Whether a contract answers as a credit vault does."""
    return all(len(head[name].data) >= 32 for name in (*HEAD, *OWN))


def _market(
    deployment: Deployment,
    at: Address,
    head: Mapping[str, ReadHandle],
) -> Market:
    """One vault; a fault is kept as ``unfit``, and quarantines only this market when it is observed."""
    vault, euler = abi("erc4626"), abi("euler")
    token, symbol, params = deployment.assets[0], short(at), dict[str, Any]()
    if not is_vault(head):
        params["unfit"] = f"{at} does not answer as a credit vault of Euler v2 does"
    else:
        asset, symbol = vault.one("asset", head["asset"].data), label(head["symbol"].data) or symbol
        match = next((one for one in deployment.assets if one.address == asset), None)
        if match is None:
            params["unfit"] = f"{at} lends {asset}, which is not among {deployment.name}'s assets in chains/*.toml"
        else:
            token = match
            params |= {"model": euler.one("interestRateModel", head["interestRateModel"].data), "symbol": symbol}
            params["share_decimals"] = vault.one("decimals", head["decimals"].data)
            params["router"], params["evc"] = (euler.one(name, head[name].data) for name in ("oracle", "EVC"))
            lent_on = euler.decode("LTVList", head["LTVList"].data)[0][:MOST_LISTED]
            params["backers"] = tuple(checksum(one) for one in lent_on)
    return Market(
        id=MarketId(pool_key(deployment.chain, at)),
        protocol=Euler.protocol,
        kind=Kind.LENDING,
        chain=deployment.chain,
        name=f"{deployment.name} {symbol}",
        asset=token,
        address=at,
        params=params,
    )


ADAPTER = Euler()
