"""Plans of deposits and withdrawals that were carried out as planned: once they are old, no decision about their
account depends on them. The accounting does, and has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from yieldbot.journal.rows import Row
from yieldbot.model.json_text import loads

NEWEST = 7
"""So many of these plans count for each market and direction, however old: gas is learnt from them
(``decision/gas_learned.py``), and the last one ends a row of withdrawals that reverted."""
SIGNS = {"deposit": -1, "withdraw": 1}
"""Kinds of legs, with the sign that the change of our wallet must have."""
GOES_ON = ("proposed", "queued", "approved")
SHORT = 12
"""Last characters of a transaction's hash that are kept: a row that may be about it is noticed by them."""

Done = dict[str, Any]
"""A plan as it is kept in the checkpoint."""


class DonePlans:
    """The numbers of such plans' rows, grown row by row."""

    def __init__(self, state: Mapping[str, dict[str, Any]]) -> None:
        """state: of the checkpoint; its members "going", "done", "unseen" and "orders" are kept here."""
        self._going: dict[str, Done] = state["going"]
        self._done: dict[str, dict[str, Done]] = state["done"]
        self._unseen: dict[str, dict[str, list[str]]] = state["unseen"]
        self._orders: dict[str, dict[str, int]] = state["orders"]

    def written(self, row: Row, account: str) -> None:
        """A plan that the journal did not have before."""
        legs = [[leg["kind"], leg["market_id"], leg["amount"]["token"]] for leg in loads(row[7])["plan"]["legs"]]
        if legs and all(kind in SIGNS for kind, _, _ in legs):
            self._going[row[5]] = {"account": account, "legs": legs, "rows": [row[0]], "sent": {}, "went": []}

    def marked(self, row: Row, status: str) -> None:
        """A plan's new status."""
        one = self._going.get(row[5])
        if one is None:
            return
        one["rows"].append(row[0])
        if status in GOES_ON:
            return
        del self._going[row[5]]
        sent, account = one["sent"], one["account"]
        if status == "executed" and all(settled for _, settled, _ in sent.values()) and _every_leg(one):
            self._done.setdefault(account, {})[row[5]] = {
                "at": row[1],
                "rows": sorted([*one["rows"], *(seq for two in sent.values() for seq in two[:2])]),
                "of": [[kind, market] for kind, market, _ in one["legs"]],
                "assets": sorted({token["address"] for _, _, token in one["legs"]}),
                "hashes": sorted(tx_hash[-SHORT:] for tx_hash in sent),
            }
            self._unseen.setdefault(account, {})[row[5]] = sorted({market for _, market, _ in one["legs"]})

    def odd(self, plan_id: str) -> None:
        """Something happened to a plan that is not part of the usual way: all of it counts from now on."""
        self._going.pop(plan_id, None)
        for plans in self._done.values():
            plans.pop(plan_id, None)

    def stray(self, tx_hash: str, account: str) -> None:
        """A row about a transaction that is settled, or was never signed."""
        done = self._done.get(account, {})
        names = [name for name, one in done.items() if tx_hash[-SHORT:] in one["hashes"]]
        for plan_id in (*names, *(name for name, one in self._going.items() if tx_hash in one["sent"])):
            self.odd(plan_id)

    def signed(self, row: Row, account: str, doc: Mapping[str, Any]) -> None:
        """A transaction of a plan."""
        one, leg = self._going.get(row[5]), doc["leg"]
        usual = one is not None and one["account"] == account and row[6] not in one["sent"]
        if one is not None and usual and (leg, doc["market_id"]) in ((i, of[1]) for i, of in enumerate(one["legs"])):
            one["sent"][row[6]] = [row[0], 0, leg]
        else:
            self.odd(row[5])

    def settled(self, row: Row, plan_id: str, outcome: Mapping[str, Any]) -> None:
        """The outcome of a transaction of a plan."""
        one = self._going.get(plan_id)
        if one is None or row[6] not in one["sent"] or outcome["result"] != "confirmed" or "request_id" in outcome:
            self.odd(plan_id)
            return
        one["sent"][row[6]][1] = row[0]
        kind, _, token = one["legs"][leg := one["sent"][row[6]][2]]
        if any(delta["token"] == token and int(delta["raw"]) * SIGNS[kind] > 0 for delta in outcome["deltas"]):
            one["went"] = sorted({*one["went"], leg})

    def observed(self, account: str, markets: Iterable[str]) -> None:
        """An account's holdings in these markets were observed."""
        if waiting := self._unseen.get(account):
            seen = set(markets)
            rest = {name: [market for market in of if market not in seen] for name, of in waiting.items()}
            self._unseen[account] = {name: of for name, of in rest.items() if of}

    def ordered(self, row: Row, account: str) -> None:
        """An order to leave a market is given or lifted: what comes out while it stands may have to be swapped."""
        orders, market = self._orders.setdefault(account, {}), loads(row[7])["market_id"]
        if row[2] == "exit.lifted":
            orders.pop(market, None)
        else:
            orders.setdefault(market, row[0])

    def old(
        self, account: str, since: int, looks: Mapping[str, Mapping[str, Any]], anchors: Mapping[str, list[list[int]]]
    ) -> set[int]:
        """The rows of an account's plans that ended before ``since`` (unix seconds), apart from those that still count:
        the NEWEST; those from which a present holding is measured, or that were not observed since; those before the
        first observation, and while an order to leave stands. looks, anchors: as in ``Relevant``."""
        found, counts = set[int](), dict[tuple[str, str], int]()
        unseen = self._unseen.get(account, {})
        first_order = min(self._orders.get(account, {}).values(), default=None)
        done = self._done.get(account, {}).items()
        for name, one in sorted(done, key=lambda item: item[1]["rows"][-1], reverse=True):
            of, newest = [(kind, market) for kind, market in one["of"]], False
            for key in of:
                newest |= counts.get(key, 0) < NEWEST
                counts[key] = counts.get(key, 0) + 1
            begin, end = one["rows"][0], one["rows"][-1]
            if newest or name in unseen or one["at"] >= since or (first_order is not None and end > first_order):
                continue
            firsts = [looks.get(f"{account}|{asset}", {}).get("first", begin) for asset in one["assets"]]
            if max(firsts) < begin and all(end < _measured_from(anchors.get(market)) for _, market in of):
                found.update(one["rows"])
        return found


def _every_leg(one: Done) -> bool:
    return len(one["went"]) == len(one["legs"])


def _measured_from(anchor: list[list[int]] | None) -> int:
    """The first row from which a market's present holding is measured, or the one before it was gone."""
    since_change, since_cleared, gone = anchor or ([], [], [])
    return min([*since_change, *since_cleared] if since_change else gone, default=0)
