"""Vetoes in force against a pool to which a person wants to add liquidity: orders to leave it, alarms in the journal,
and the blacklist. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.decision.orders import order_of
from yieldbot.journal.fold import Record, fold_orders
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.market import Market
from yieldbot.model.names import named, of_table, pool_named
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Policy
from yieldbot.risk.latches import journalled
from yieldbot.risk.look_through import same


def pool_vetoed(
    pool: Pool, sides: Sequence[Market], owner: Address, records: Sequence[Record], policy: Policy
) -> Declined | None:
    """Why no new money may go into a pool, whoever asks; None where no veto is in force.

    sides: the pool as a market, once for each of its tokens.
    """
    found, chain = list[str](), pool.token0.chain
    orders = fold_orders(records, chain, owner)
    if any(order_of(orders, market) is not None for market in sides):
        found.append("you ordered its exit (`yieldbot exit --list`; `exit MARKET --stop` lets money in again)")
    latches = journalled(records, str(owner))
    for market in sides[:1]:
        off = {*policy.alarms.off, *of_table(policy.alarms.off_for, market, ())}
        standing = latches.get((str(chain), str(market.id)), {})
        found += [f"alarm {code}: {latch.saw}" for (code, _), latch in standing.items() if code not in off]
    addresses = {same(one.address) for one in (pool.token0, pool.token1)}
    for (where, _), standing in latches.items():
        about = [(code, one) for (code, _), one in standing.items() if one.about and same(one.about) in addresses]
        found += [
            f"alarm {code}: {one.saw}" for code, one in about if where == str(chain) and code not in policy.alarms.off
        ]
    tokens = {text.lower() for one in (pool.token0, pool.token1) for text in (one.symbol, one.address)}
    for name in policy.blacklist:
        if name.strip().lower() in tokens or pool_named(pool, (name,)) or any(named(one, (name,)) for one in sides):
            found.append(f"{name} is on the blacklist")
    if not found:
        return None
    return Declined("MARKET_VETOED", f"{pool.name} gets no new money now: {'; '.join(dict.fromkeys(found))}")
