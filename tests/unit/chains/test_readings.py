"""What flows answered becomes states and quarantined markets, the same for both families."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.handles import answered
from tests.kit.market_builder import CHAIN, USDC, kinked, market, usdc
from tests.kit.risk.protections import JOB
from yieldbot.chains.readings import listed_markets, states_of
from yieldbot.errors import MarketError
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.rpc.flows import Handle

GOOD = market("good", kinked(1e6, 8e5), held=5, borrowed=8e5)
ODD = replace(market("odd", kinked(1e6, 8e5)), held=usdc(-5))


def test_what_cannot_be_read_or_contradicts_itself_is_quarantined_with_the_reason() -> None:
    lost: Handle[MarketState] = answered(MarketError("it reverts"))
    gone = market("gone", kinked(1e6, 8e5)).market
    states, bad = states_of([(GOOD.market, answered(GOOD)), (gone, lost), (ODD.market, answered(ODD))])
    assert states == {GOOD.market.id: GOOD}
    assert [one.market for one in bad] == [gone, ODD.market]
    assert bad[0].reason == "it reverts" and bad[1].reason


def test_markets_of_the_jobs_assets_are_named_after_their_deployment() -> None:
    where, unlisted = (Deployment(name, CHAIN, title, {}, (USDC,)) for name, title in (("lend", "L"), ("other", "O")))
    foreign = replace(GOOD.market, asset=replace(USDC, address=Address("0x" + "99" * 20), symbol="OTHER"))
    lost = MarketError("no such registry")
    found, bad = listed_markets([(where, (GOOD.market, foreign)), (unlisted, lost)], JOB)
    assert found == [replace(GOOD.market, deployment=where.name)]
    (one,) = bad
    assert (one.market.id, one.market.deployment, one.reason) == ("other/1/?", unlisted.name, "no such registry")
