"""A world in which nobody acts but ourselves: pools, vaults that lend into them, and what a plan does to both.

Everything follows from totals: what others lend and borrow, what each vault holds where, what is ours. Nothing accrues.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.kit.market_builder import market, snapshot, usdc
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.math.curves import AdaptiveCurve, KinkedCurve, LookThroughCurve, SupplyKinkedCurve, VaultSlot
from yieldbot.math.slots import SlotCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.policy import Policy

NOW = 1_800_000_000
H = 30 * 86_400.0
FAMILIES = ("aave", "comet", "morpho", "save", "kamino")


@dataclass
class Pool:
    """others: what lenders that are no vault of ours here lend; rates: of its family."""

    name: str
    family: str
    others: float
    borrowed: float
    low: float
    high: float
    ours: float = 0.0

    @property
    def kink(self) -> float:
        return 0.9 if self.family in ("morpho", "comet") else 0.8

    def curve(self, others: float) -> YieldCurve:
        points = ((0.0, 0.0), (self.kink, self.low), (1.0, self.low + self.high))
        match self.family:
            case "morpho":
                return AdaptiveCurve(others, self.borrowed, 0.0, self.low)
            case "comet":
                return SupplyKinkedCurve(others, self.borrowed, points)
            case "aave":
                return KinkedCurve(others, self.borrowed, points, 0.9)
        return SlotCurve(others, self.borrowed, points, 0.9, 0.4, self.family == "save")

    def lasting(self, supplied: float) -> float:
        """The rate at a total supply, no more than at the kink."""
        return min(self.curve(0.0).apr(supplied, H), self.curve(0.0).apr(self.borrowed / self.kink, H))


@dataclass
class Vault:
    """others: what of it belongs to others; there: what it holds in each pool, in the order in which it supplies."""

    name: str
    others: float
    there: dict[str, float]
    caps: dict[str, float]
    fee: float = 0.1
    ours: float = 0.0


@dataclass
class World:
    pools: dict[str, Pool]
    vaults: list[Vault]
    idle: float
    gwei: float = 1.0

    def supplied(self, name: str) -> float:
        pool = self.pools[name]
        return pool.others + pool.ours + sum(vault.there.get(name, 0.0) for vault in self.vaults)

    def cash(self, name: str) -> float:
        return max(0.0, self.supplied(name) - self.pools[name].borrowed)

    def look(self) -> Snapshot:
        return snapshot(
            self.idle, *map(self._pool, self.pools.values()), *map(self._vault, self.vaults), gwei=self.gwei
        )

    def _pool(self, pool: Pool) -> MarketState:
        supplied = self.supplied(pool.name)
        return replace(
            market(pool.name, pool.curve(supplied - pool.ours), held=pool.ours, liquidity=self.cash(pool.name)),
            supplied=usdc(supplied),
            borrowed=usdc(pool.borrowed),
        )

    def _vault(self, vault: Vault) -> MarketState:
        slots = tuple(
            VaultSlot(
                self.pools[name].curve(self.supplied(name) - held),
                held,
                max(0.0, vault.caps[name] - held),
                self.cash(name),
                name,
            )
            for name, held in vault.there.items()
        )
        order = tuple(reversed(range(len(slots))))
        curve = LookThroughCurve(vault.others, vault.ours, vault.fee, slots, order)
        used = sum(slot.held * self.pools[slot.pool].borrowed / self.supplied(slot.pool) for slot in slots)
        seen = market(
            vault.name,
            curve,
            held=vault.ours,
            liquidity=sum(min(slot.held, slot.liquidity) for slot in slots),
            capacity=sum(slot.room for slot in slots),
            pools=frozenset(vault.there),
        )
        return replace(seen, supplied=usdc(vault.others + vault.ours), borrowed=usdc(used))

    def decide(self, policy: Policy) -> Plan | Hold:
        seen = self.look()
        return make_plan(seen, allocate(seen, assess(seen, policy), policy), policy, NOW)

    def apply(self, plan: Plan) -> None:
        """As the contracts would: a vault fills its pools in order, and takes from them in the other."""
        for leg in plan.legs:
            name, amount = leg.market_id.rpartition("/")[2], float(leg.amount)
            change = amount if leg.kind is LegKind.DEPOSIT else -amount
            self.idle -= change
            if name in self.pools:
                self.pools[name].ours = 0.0 if leg.all else self.pools[name].ours + change
                continue
            vault = next(one for one in self.vaults if one.name == name)
            vault.ours = 0.0 if leg.all else vault.ours + change
            for pool in vault.there if change > 0.0 else reversed(list(vault.there)):
                most = vault.caps[pool] - vault.there[pool] if change > 0.0 else vault.there[pool]
                part = min(abs(change), max(0.0, most if change > 0.0 else min(most, self.cash(pool))))
                vault.there[pool] += part if change > 0.0 else -part
                change -= part if change > 0.0 else -part

    def income(self) -> float:
        """What all that is ours earns a year, at no more than each pool's rate at its kink."""
        rates = {name: pool.lasting(self.supplied(name)) for name, pool in self.pools.items()}
        found = sum(pool.ours * rates[name] for name, pool in self.pools.items())
        for vault in self.vaults:
            if whole := vault.others + vault.ours:
                earned = sum(held * rates[name] for name, held in vault.there.items())
                found += earned * (1.0 - vault.fee) * vault.ours / whole
        return found


def drawn(seed: int, shared: bool) -> World:
    """Two to four pools around their kinks, and vaults over them where pools are to be shared; money in any of them."""
    draw = random.Random(seed)
    pools = {}
    for number in range(draw.randint(2, 4)):
        others = 10 ** draw.uniform(5.3, 6.7)
        name = f"m{number}"
        family = "morpho" if shared else draw.choice(FAMILIES)
        used = draw.uniform(0.6, 0.99)
        pools[name] = Pool(name, family, others, 0.0, draw.uniform(0.02, 0.08), draw.uniform(0.3, 3.0))
        pools[name].borrowed = others * used
        pools[name].ours = draw.choice([0.0, 0.0, 0.1]) * others
    vaults = []
    for number in range(draw.randint(1, 2) if shared else 0):
        under = draw.sample(sorted(pools), draw.randint(1, len(pools)))
        there = {name: draw.uniform(0.05, 0.4) * pools[name].others for name in under}
        caps = {name: held * draw.choice([1.0, 1.2, 100.0]) for name, held in there.items()}
        ours = draw.choice([0.0, 0.2, 0.6]) * sum(there.values())
        vaults.append(Vault(f"v{number}", sum(there.values()) - ours, there, caps, draw.choice([0.0, 0.1]), ours))
    world = World(pools, vaults, draw.choice([1_000.0, 100_000.0, 300_000.0]), draw.choice([0.05, 1.0]))
    for pool in pools.values():  # vaults lend beside the others: what is used stays what was drawn
        pool.borrowed *= world.supplied(pool.name) / pool.others
    return world
