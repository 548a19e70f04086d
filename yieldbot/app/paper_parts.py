"""The part of documents about a paper wallet."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.app.formatting import number
from yieldbot.app.paper_documents import PaperLedger, PaperPosition, PaperWallet
from yieldbot.app.paper_state import PaperState
from yieldbot.app.parts import Money
from yieldbot.app.plan_parts import Quarantined, plan_or_hold
from yieldbot.history.holdings import UnreadHolding
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.settings import Job


def wallet_part(
    name: str,
    state: PaperState | None,
    job: Job,
    *,
    outcome: Plan | Hold | None = None,
    unread: Sequence[UnreadHolding] = (),
    contradicted: Sequence[str] = (),
    begun: bool = False,
    known: bool = False,
    skipped: str | None = None,
) -> PaperWallet:
    """The wallet after a call. known: there was no newer block; skipped: why its chain was not served."""
    return PaperWallet(
        name=name,
        wealth=state.wealth if state else "",
        coin=state.coin if state else job.asset.symbol,
        chain=job.chain.name,
        owner=state.owner if state else None,
        assets=tuple(token.symbol for token in job.assets),
        step="skipped" if skipped is not None else "known" if known else "begun" if begun else "stepped",
        skipped=skipped,
        began=state.began if state else None,
        time=state.time if state else None,
        height=state.height if state else None,
        did=state.did if state else "",
        plan=None if outcome is None else plan_or_hold(outcome),
        quarantined=Quarantined.of(unread),
        contradicted=tuple(contradicted),
        ledger=None if state is None else ledger_part(state),
    )


def ledger_part(state: PaperState) -> PaperLedger:
    sums = state.totals
    return PaperLedger(
        value=state.value,
        idle=tuple(Money.of(Amount(token, raw)) for token, raw in state.holdings.idle.items()),
        positions=tuple(_position(state, market_id) for market_id in state.in_markets),
        earned=sums.earned,
        earned_by_quotes=sums.by_quotes,
        expected=sums.expected,
        rewards=sums.rewards,
        gas=sums.gas,
        swapped=sums.swapped,
        entered=sums.entered,
        fees=sums.fees,
        sold=sums.sold,
        unsold=state.unsold,
        repriced=sums.repriced,
        plans=sums.plans,
        failed=sums.failed,
        steps=sums.steps,
    )


def _position(state: PaperState, key: MarketId) -> PaperPosition:
    token, asked = state.tokens[state.asset_of[key]], state.holdings.asked.get(key)
    known = state.positions.get(key)
    return PaperPosition(
        market_id=key,
        name=state.names[key],
        amount=Money.of(Amount(token, state.in_markets[key])),
        leaving=None if asked is None else Money.of(Amount(token, asked.raw)),
        since=None if known is None else known.since,
        expected_apr=None if known is None else number(known.expected),
    )
