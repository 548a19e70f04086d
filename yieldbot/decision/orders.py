"""A person's orders to leave markets: which ones stand, and what they mean for a market. Pure.

An order is an alarm in its markets: it stops new money, and every cycle goes on with the exit, until the order is
lifted.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from yieldbot.allocator.exit_swaps import Proceeds
from yieldbot.allocator.exits import ORDERED
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.journal.exit_proceeds import to_swap
from yieldbot.journal.fold import Record, fold_orders
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.families import token_key
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.market import Kind, Market, MarketState, Snapshot
from yieldbot.model.risk import Act, Alarm

ALL = "all"
"""The name that means every market of a job."""


def all_of(token: Token) -> str:
    """The name that an order for every market of an asset uses."""
    return f"{ALL}/{market_chain(token.chain)}/{token_key(token)}"


def order_of(orders: Mapping[str, ExitOrdered], market: Market) -> ExitOrdered | None:
    """The order that applies to a market: its own, else the one for all markets of its asset; None if none stands."""
    return orders.get(market.id) or orders.get(all_of(market.asset))


def with_orders(snapshot: Snapshot, records: Sequence[Record]) -> Snapshot:
    """The snapshot with an alarm in each market that an order of its account names; a market that has it already keeps
    it.

    Money in another market that ends up in the same pools may stay, but nothing goes in there either: a wrapper of the
    ordered market must not be a way around the order.
    """
    orders = fold_orders(records, snapshot.block.chain, snapshot.owner)
    if not orders:
        return snapshot
    changed = dict[MarketId, MarketState]()
    for state in snapshot.markets:
        order = order_of(orders, state.market)
        alarm = _alarm(order) if order is not None else _of_pools(snapshot, orders, state)
        if alarm is not None and not any(one.code == ORDERED for one in state.alarms):
            changed[state.market.id] = replace(state, alarms=(*state.alarms, alarm))
    return replace(snapshot, states=dict(snapshot.states) | changed)


def without_orders(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what orders say of its markets."""
    changed = {
        key: replace(state, alarms=tuple(one for one in state.alarms if one.code != ORDERED))
        for key, state in snapshot.states.items()
        if any(one.code == ORDERED for one in state.alarms)
    }
    return replace(snapshot, states=dict(snapshot.states) | changed)


def proceeds(snapshot: Snapshot, records: Sequence[Record]) -> list[Proceeds]:
    """What came out of markets whose orders name an asset to swap into, as far as it is in the wallet; one entry for
    each pair of assets."""
    orders = fold_orders(records, snapshot.block.chain, snapshot.owner)
    wallet = {state.market.asset: state.held.raw for state in snapshot.idle}
    tokens = {token.address: token for token in snapshot.assets}
    found = dict[tuple[Token, Token], Proceeds]()
    for key, order in orders.items():
        into = tokens.get(Address(order.into))
        if into is None:
            continue
        for token in snapshot.assets:
            if token == into or (key.startswith(f"{ALL}/") and key != all_of(token)):
                continue
            raw = min(wallet[token], to_swap(records, order, token, partial(_covers, key)))
            if raw > 0:
                wallet[token] -= raw
                before = found.get((token, into))
                names = order.name if before is None else f"{before.name}, {order.name}"
                whole = Amount(token, raw + (0 if before is None else before.given.raw))
                found[token, into] = Proceeds(whole, into, names)
    return list(found.values())


def _covers(order: str, market_id: str) -> bool:
    return order.startswith(f"{ALL}/") or order == market_id


def _of_pools(snapshot: Snapshot, orders: Mapping[str, ExitOrdered], state: MarketState) -> Alarm | None:
    """The alarm of a market that ends up in a pool which is to be left; None if it does not."""
    for market_id, order in orders.items():
        left = snapshot.states.get(MarketId(market_id))
        if left is not None and left.pools & state.pools:
            saw = f"it ends in the pool of {left.market.name}, whose exit you ordered"
            return Alarm(code=ORDERED, act=Act.STOP, saw=saw, since=order.time)
    return None


def _alarm(order: ExitOrdered) -> Alarm:
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(order.time))
    name = ALL if order.market_id.startswith(f"{ALL}/") else f'"{order.name}"'
    saw = f"you ordered the exit on {when} UTC (`yieldbot exit {name} --stop` lets money in again)"
    return Alarm(code=ORDERED, act=Act.LEAVE, saw=saw, since=order.time)


def only(snapshot: Snapshot, wanted: Collection[MarketId]) -> Snapshot:
    """The snapshot in which only these markets are to be left."""
    others = {
        key: replace(state, alarms=tuple(one for one in state.alarms if one.act is not Act.LEAVE))
        for key, state in snapshot.states.items()
        if state.leave and key not in wanted and state.market.kind is not Kind.IDLE
    }
    return replace(snapshot, states=dict(snapshot.states) | others) if others else snapshot
