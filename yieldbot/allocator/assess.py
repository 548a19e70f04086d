"""Each market's risk as the policy sees it: haircuts, limits and vetoes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.allocator.convert import price_refusal
from yieldbot.allocator.market_curve import curve_of
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.families import family_of
from yieldbot.model.market import ExitKind, Kind, MarketState, Snapshot, Status
from yieldbot.model.names import named, of_table
from yieldbot.model.plan import EXCLUDED, SHARE_BOUND, Assessment, Declined
from yieldbot.model.policy import Base, Policy
from yieldbot.risk.prices import depegged, stale


def assess(
    snapshot: Snapshot, policy: Policy, wealth: Amount | None = None, base: Base | None = None
) -> tuple[Assessment, ...]:
    """One assessment for each market, in the snapshot's order: its haircut in bp a year by the policy, the largest
    holding in base units of its asset, and vetoes. A vetoed market gets no new money; money that is there may leave.

    max_exposure is the policy's fraction of our wealth (or of ``wealth``, a what-if). With ``min_liquidity_multiple`` m
    it is at most 1/m of the cash that the market had before our deposit, what our other wallets hold there or would put
    in before us included; our own deposit does not count as cash of an opaque vault, and unknown cash counts as 0.
    base: the unit that several assets are held for. An asset whose price cannot be trusted, or that is depegged, gets
    no new money.
    """
    wealths = wealths_of(snapshot, wealth)
    reasons = {token: price_veto(snapshot, token, policy, base) for token in wealths}
    vetoes = {token: () if why is None else (why.reason,) for token, why in reasons.items()}
    return tuple(
        _assess(state, policy, wealths[state.market.asset], _of_tokens(state, vetoes))
        for state in snapshot.states.values()
    )


def wealths_of(snapshot: Snapshot, wealth: Amount | None) -> dict[Token, int]:
    """Our wealth (or ``wealth``, in the first asset) in base units of each asset of a market."""
    first = snapshot.assets[0] if snapshot.assets else None
    found: dict[Token, int] = {}
    for token in dict.fromkeys(state.market.asset for state in snapshot.states.values()):
        if wealth is None or first is None:
            found[token] = snapshot.wealth(token).raw
        elif token == first:
            found[token] = wealth.raw
        else:
            found[token] = int(float(wealth) / snapshot.price(token) * token.one)
    return found


def price_veto(snapshot: Snapshot, token: Token, policy: Policy, base: Base | None) -> Declined | None:
    """Why an asset's price forbids new money in its markets; None if it allows it. A pegged asset needs a fresh feed
    that confirms the peg, even when it is the only asset."""
    now = snapshot.block.timestamp
    if base is not None and snapshot.exchange is not None:
        if (why := price_refusal(snapshot.exchange, token, base, now)) is not None:
            return why
        if base.unit == "USD" and token.symbol in base.shares:
            return None
    if token not in snapshot.pegs:
        return None
    price = snapshot.pegs[token]
    if price is None:
        return depegged((token,), {}, (token.address,), policy.max_depeg_bps)
    most_seconds = family_of(token.chain).feed_age_seconds(policy.max_feed_age_seconds)
    late = stale({token.symbol: price.updated_at}, now, most_seconds)
    return late or depegged((token,), {token: price.usd}, (token.address,), policy.max_depeg_bps)


def no_new_money(snapshot: Snapshot, policy: Policy, base: Base | None) -> str | None:
    """Why the prices of all of our assets forbid new money; None if at least one of them allows it."""
    found = [price_veto(snapshot, token, policy, base) for token in snapshot.assets]
    reasons = [why.reason for why in found if why is not None]
    return "; ".join(reasons) if reasons and len(reasons) == len(found) else None


def _of_tokens(state: MarketState, vetoes: Mapping[Token, tuple[str, ...]]) -> tuple[str, ...]:
    """Vetoes on the market's asset and, for a pool, on its other token."""
    of_other = vetoes.get(state.liquidity_market.other, ()) if state.liquidity_market else ()
    return (*vetoes.get(state.market.asset, ()), *of_other)


def haircut_bps(state: MarketState, policy: Policy) -> float:
    """Expected loss that is deducted from a market's yield, in bp a year: the policy's figure for the most specific
    name that covers the market; where the policy has none, the figure for the market's grade, if it was graded."""
    graded = state.grade.loss_bps if state.grade is not None else 0.0
    return of_table(policy.haircut_bps, state.market, graded)


def net_income(state: MarketState, tokens: float, policy: Policy, *, ignore_withdrawals: bool = False) -> float:
    """Whole tokens a year that holding ``tokens`` earns over the policy's horizon, net of the haircut, rewards
    included.

    ignore_withdrawals: see ``market_curve.curve_of``.
    """
    apr = curve_of(state, policy, ignore_withdrawals=ignore_withdrawals).apr(tokens, policy.horizon_seconds)
    return tokens * (apr - haircut_bps(state, policy) / 10_000)


def _assess(state: MarketState, policy: Policy, wealth_raw: int, vetoes: tuple[str, ...]) -> Assessment:
    market = state.market
    if market.kind is Kind.IDLE:
        return Assessment(market.id, 0.0, None, ())
    share = of_table(policy.max_share_markets, market, policy.max_share_market)
    by_share = limit_raw = int(share * wealth_raw)
    others_raw = state.others_held + state.others_coming
    if state.opaque and state.exit.cash is not None and policy.min_liquidity_multiple > 0.0:
        limit_raw = min(limit_raw, max(0, int(state.exit.cash.raw / policy.min_liquidity_multiple) - others_raw))
    elif policy.min_liquidity_multiple > 1.0 and not state.opaque:
        # Our own deposit is cash too until somebody borrows it, so m - 1 times our holding must be there in addition:
        # L - held + x >= m x. What we hold already is in L; counted as others' cash it would let the holding creep up.
        # So it is with our other wallets, whose exit needs the same cash.
        beside_raw = max(0, state.liquidity.raw - state.held.raw - state.others_held)
        limit_raw = min(limit_raw, max(0, int(beside_raw / (policy.min_liquidity_multiple - 1.0)) - others_raw))
    all_vetoes = (*vetoes, *_vetoes(state, policy))
    bound = SHARE_BOUND if limit_raw == by_share else "policy.min_liquidity_multiple"
    return Assessment(market.id, haircut_bps(state, policy), Amount(market.asset, limit_raw), all_vetoes, bound)


def _vetoes(state: MarketState, policy: Policy) -> tuple[str, ...]:
    market, found = state.market, []
    if named(market, policy.exclude):
        found.append(EXCLUDED)
    if state.no_way_out:
        found.append(f"no way out: {state.no_way_out}")
    if state.stuck:
        found.append(f"what is held there cannot be taken out now: {state.stuck}")
    found += [f"alarm {alarm.code}: {alarm.saw}" for alarm in state.alarms]
    if state.status is not Status.ACTIVE:
        found.append(str(state.status))
    if state.leaving is not None:
        way = "in" if state.leaving.entering == state.leaving.whole.raw else "out"
        found.append(f"{state.leaving.whole} of ours are on their way {way}")
    served = by_request(state, policy)
    if state.enters_by_request and not served:
        found.append("deposits are requests that somebody else serves (EIP-7540): policy.by_request does not name it")
    if state.exit.hours > policy.max_exit_hours and not served:
        found.append(f"its way out is by {state.exit.words}, above max_exit_hours {policy.max_exit_hours:g}")
    if state.opaque and state.exit.cash is None and policy.min_liquidity_multiple > 0.0 and not served:
        found.append("its cash is not known, which min_liquidity_multiple asks for")
    found += state.doubts
    if state.liquidity_market is not None:
        found += state.liquidity_market.history.missing
    found += _by_grade(state, policy)
    utilisation = state.utilisation
    if utilisation is not None and utilisation > policy.max_utilisation_entry:
        found.append(f"utilisation {utilisation:z.1%} is above {policy.max_utilisation_entry:z.0%}")
    return tuple(found)


def by_request(state: MarketState, policy: Policy) -> bool:
    """Whether the policy trusts that somebody serves the market's requests (``by_request``)."""
    return state.exit.kind is ExitKind.REQUEST and named(state.market, policy.by_request)


def _by_grade(state: MarketState, policy: Policy) -> list[str]:
    """The policy's objections to a market's grade; a market that was not graded counts as one with the lowest grade."""
    found = []
    if policy.min_safety:
        safety = 0 if state.grade is None else state.grade.safety
        if safety < policy.min_safety:
            found.append(f"its safety is {safety}, below min_safety {policy.min_safety}")
    most = policy.max_expected_loss_bps
    if most is not None and (loss := haircut_bps(state, policy)) > most:
        found.append(f"it is expected to lose {loss:z.0f} bp a year, above max_expected_loss_bps {most:g}")
    return found
