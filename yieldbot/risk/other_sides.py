"""Components of a grade: oracle, asset, quality of the yield, track record, chain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from yieldbot.model.controls import Part
from yieldbot.model.look_through import Priced
from yieldbot.model.market import Kind, MarketState
from yieldbot.model.risk import Component, Evidence
from yieldbot.model.text import counted
from yieldbot.model.units import BPS
from yieldbot.risk.facts import Facts
from yieldbot.risk.issuance import grown, issued
from yieldbot.risk.loss import incidents
from yieldbot.risk.scales import Scales, score

NO_LOANS = (Kind.STAKING, Kind.LIQUIDITY)
"""Kinds of markets that make no loans, and so need no oracle."""
LISTS = "the list of scales"


def made(
    name: str, found: float, scales: Scales, seen: list[Evidence], missing: tuple[str, ...] | list[str] = ()
) -> Component:
    """A component with its score limited to 0 to 100; NaN counts as 0."""
    bounded = min(100.0, max(0.0, found)) if math.isfinite(found) else 0.0
    side = scales.sides[name]
    return Component(name=name, score=bounded, weight=side.weight, evidence=tuple(seen), missing=tuple(missing))


def oracle(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """Score of the price oracle: by the feeds that were read; else by an oracle that the market's parameters or
    contracts name; else as unknown; and by how its prices compare with other sources."""
    found = _named(state, facts, scales)
    if not facts.priced or state.market.kind in NO_LOANS:
        return found
    return _compared(found, facts.priced, scales.sections["oracle"])


def _compared(found: Component, priced: Sequence[Priced], of: Mapping[str, Any]) -> Component:
    """The component with its prices held against other sources: better where a second source confirms them, worse where
    they differ or never move."""
    score_of, seen, missing = found.score, list(found.evidence), list(found.missing)
    whole = sum(one.share for one in priced)
    same = sum(one.share for one in priced if one.off is not None and abs(one.off) <= of["agrees"])
    if whole > 0.0 and same / whole >= of["confirmed_share"] and score_of > of["doubted"]:
        score_of = max(score_of, float(of["confirmed"]))
    for one in priced:
        if one.constant_days is not None:
            score_of = min(score_of, float(of["constant"]))
            value = f"has not moved for {one.constant_days:z.0f} days"
            seen.append(Evidence(what=f"price of {one.symbol}", value=value, source=one.source))
        if one.off is None:
            missing.append(f"a second source of the price of {one.symbol}")
        else:
            score_of = min(score_of, score(of["off"], abs(one.off)))
            value = f"{one.off:+z.2%} from {one.by}"
            seen.append(Evidence(what=f"price of {one.symbol}", value=value, source=one.source))
    return replace(found, score=score_of, evidence=tuple(seen), missing=tuple(missing))


def _named(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """Score of the oracle by what was read of it alone."""
    name, of, params, block = "oracle", scales.sections["oracle"], state.market.params, state.block.height
    doubt = next((one for one in state.doubts if "oracle" in one or "price" in one), None)
    if doubt is not None:
        return made(name, of["doubted"], scales, [read_at("price", doubt, state.market.address, block)])
    if state.market.kind in NO_LOANS:
        return made(name, of["none"], scales, [read_at("lends", "nothing", state.market.address, block)])
    if feeds := params.get("feeds"):
        return made(name, of["feeds"], scales, [read_at("feeds", f"{len(feeds)}, fresh", str(params["oracle"]), block)])
    if oracles := params.get("oracles"):
        return made(name, of["named"], scales, [read_at("oracles", f"{len(oracles)}", state.market.address, block)],
                     ["feeds of its oracles"])  # fmt: skip
    if named := params.get("oracle"):
        return made(name, of["named"], scales, [read_at("oracle", str(named), state.market.address, block)],
                     ["feeds of its oracle"])  # fmt: skip
    found = [one for one in facts.controls.contracts if one.part is Part.ORACLE] if facts.controls else []
    if any(one.code_hash for one in found):
        seen = [read_at(one.name or "oracle", "there", str(one.address), one.block) for one in found if one.code_hash]
        return made(name, of["named"], scales, seen, ["feeds of its oracle"])
    return made(name, of["unknown"], scales, [], ["oracle"])


def asset(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """min(score of the asset's kind, score of its distance from its peg by each source, score of who may mint it)."""
    name, of = "asset", scales.sections["asset"]
    symbol, around = state.market.asset.symbol, facts.around
    known = of["kinds"].get(symbol)
    seen, missing = list[Evidence](), list[str]()
    found = float(of["unknown"]) if known is None else float(known[0])
    if known is None:
        missing.append(f"what {symbol} is")
    else:
        seen.append(Evidence(what=symbol, value=known[1], source=LISTS))
    if around.pegged:
        if around.usd is None:
            missing.append("price of a pegged asset")
            found = min(found, float(of["unpriced"]))
        else:
            for usd, source in ((around.usd, "its feed"), (around.traded_usd, "its pools")):
                if usd is None:
                    missing.append(f"a second source of its price ({source})")
                    continue
                off = abs(usd - 1.0) * BPS
                seen.append(
                    Evidence(what="off its peg", value=f"{off:z.0f} bp", source=source, block=state.block.height)
                )
                found = min(found, score(of["peg_bps"], off))
    by, proof, unknown = issued(facts, Part.ASSET, str(state.market.asset.address), symbol, scales)
    return made(name, min(found, by), scales, [*seen, *proof], [*missing, *unknown])


def yield_quality(state: MarketState, facts: Facts, scales: Scales, reward_share: float) -> Component:
    """Mean of the scores of: the fraction paid in incentives; variation of the rate over 30 days; quote over its
    7-day mean; quote over its peers; and, if known, the days until its reward programmes end (weighted by their
    fraction of the yield) and the growth of its asset's supply. reward_share: fraction of the yield that comes from
    incentives, 0 to 1."""
    name, of, past, quote = "yield_quality", scales.sections["yield_quality"], facts.statistics, state.quoted.value
    seen = [Evidence(what="paid in incentives", value=f"{reward_share:z.0%}", source="the market's own contracts",
                     block=state.block.height)]  # fmt: skip
    missing, parts = list[str](), [score(of["rewards"], reward_share)]
    if past is not None and past.month_mean and past.month_deviation is not None:
        cv = past.month_deviation / abs(past.month_mean)
        parts.append(score(of["variation"], cv))
        seen.append(Evidence(what="variation over 30 days", value=f"{cv:z.2f} of its mean", source="history"))
    else:
        missing.append("30 days of rates")
        parts.append(0.0)
    if past is not None and past.week_mean:
        parts.append(score(of["spike"], quote / past.week_mean))
        seen.append(
            Evidence(what="quote over its 7-day mean", value=f"{quote / past.week_mean:z.2f}", source="history")
        )
    else:
        missing.append("7 days of rates")
        parts.append(0.0)
    if facts.around.peers_rate:
        parts.append(score(of["peers"], quote / facts.around.peers_rate))
        seen.append(Evidence(what="quote over its peers", value=f"{quote / facts.around.peers_rate:z.2f}",
                             source="the markets of its asset", block=state.block.height))  # fmt: skip
    if reward_share > 0.0 and state.rewards:
        found = _rewards(state, facts, scales, seen, missing)
        parts.append((1.0 - reward_share) * 100.0 + reward_share * found)
    if facts.reward_ends:
        parts.append(_uncounted(state, facts, of, seen, missing))
    if past is not None and past.supply_growth is not None:
        parts.append(score(of["supply_growth"], past.supply_growth))
        seen.append(Evidence(what=f"supply of {state.market.asset.symbol} over 30 days",
                             value=f"{past.supply_growth:+z.1%}", source="history"))  # fmt: skip
    return made(name, sum(parts) / len(parts), scales, seen, missing)


def _rewards(state: MarketState, facts: Facts, scales: Scales, seen: list[Evidence], missing: list[str]) -> float:
    """Score of the reward programmes: of the days until the first one ends, and of the growth of their tokens'
    supplies."""
    of, found = scales.sections["yield_quality"], 100.0
    for reward in state.rewards:
        symbol, where = reward.token.symbol, str(reward.distributor)
        if reward.raw_per_second <= 0.0:
            continue
        seasoned, proof, unknown = grown(facts, str(reward.token.address), symbol, scales)
        found = min(found, seasoned)
        seen += proof
        missing += unknown
        if reward.ends_at is None:
            missing.append(f"when rewards in {symbol} end")
            found = min(found, float(of["reward_end_unknown"]))
            continue
        days = max(0.0, (reward.ends_at - state.block.timestamp) / 86_400)
        seen.append(read_at(f"rewards in {symbol} end", f"in {counted(round(days), 'day')}", where, state.block.height))
        found = min(found, score(of["reward_days"], days))
    return found


def _uncounted(
    state: MarketState, facts: Facts, of: Mapping[str, Any], seen: list[Evidence], missing: list[str]
) -> float:
    """Score of the days until the first of those reward programmes ends that are not part of the yield, since
    depositors who came for them leave then."""
    found = 100.0
    for token, at in facts.reward_ends:
        if at is None:
            missing.append(f"when rewards in {token} end")
            found = min(found, float(of["reward_end_unknown"]))
            continue
        days = max(0.0, (at - state.block.timestamp) / 86_400)
        value = f"in {counted(round(days), 'day')} (not counted in the yield)"
        seen.append(read_at(f"rewards in {token} end", value, str(state.market.address), state.block.height))
        found = min(found, score(of["reward_days"], days))
    return found


def track(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """Mean of the scores of: days that it is known to exist; dollars supplied; days since its protocol's last
    incident. Realised bad debt caps it."""
    name, of, now = "track", scales.sections["track"], state.block.timestamp
    seen, missing, parts = list[Evidence](), list[str](), list[float]()
    there = facts.controls.contracts if facts.controls else ()
    born = [since for one in there if (since := one.created_at or one.there_since)]
    days = max((now - min(born)) / 86_400 if born else 0.0, facts.statistics.days if facts.statistics else 0.0)
    if days:
        seen.append(Evidence(what="known to live", value=f"{days:z,.0f} days", source="chain" if born else "history"))
    else:
        missing.append("days alive")
    parts.append(score(of["days"], days))
    usd = facts.around.usd if facts.around.usd is not None else (1.0 if facts.around.pegged else None)
    if usd is None:
        missing.append("what is in it, in dollars")
        parts.append(score(of["supplied_usd"], 0.0))
    else:
        held = float(state.supplied) * usd
        seen.append(Evidence(what="supplied", value=f"${held:z,.0f}", source="the market's own contracts",
                             block=state.block.height))  # fmt: skip
        parts.append(score(of["supplied_usd"], held))
    names = {state.market.protocol, str(state.market.params.get("flavour") or "")}
    today = datetime.fromtimestamp(now, UTC).date()
    last = [one for one in incidents() if names & set(one.protocols) and one.date <= today]
    if last:
        since = (today - last[-1].date).days
        parts.append(score(of["incident_days"], since))
        seen.append(Evidence(what=f"{since} days since", value=last[-1].name, source=last[-1].source))
    else:
        parts.append(100.0)
    found = sum(parts) / len(parts)
    supplied, where = float(state.supplied), str(state.market.address)
    uncovered = state.backing.lost / state.market.asset.one if state.backing is not None else 0.0
    debts = {
        "bad debt": max(float(getattr(state.curve, "deficit", 0.0)), uncovered),
        "bad debt that was realised": facts.lost,
    }
    for what, debt in debts.items():
        if debt > 0.0:
            share = debt / supplied if supplied > 0.0 else 1.0
            seen.append(read_at(what, f"{share:z.3%} of what is supplied", where, state.block.height))
            found = min(found, score(of["bad_debt"], share))
    return made(name, found, scales, seen, missing)


def chain(state: MarketState, scales: Scales) -> Component:
    """Score of the chain, by the list of chains in ``scales.toml``."""
    of, wanted = scales.sections["chain"], str(state.market.chain)
    known = of["kinds"].get(wanted) or of["kinds"].get(wanted.split(":", 1)[0])
    if known is None:
        return made("chain", of["unknown"], scales, [], [f"what chain {wanted} is"])
    return made("chain", known[0], scales, [Evidence(what=wanted, value=known[1], source=LISTS)])


def read_at(what: str, value: str, source: str, block: int) -> Evidence:
    """Evidence read from a contract at a block."""
    return Evidence(what=what, value=value, source=str(source), block=block)
