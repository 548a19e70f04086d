"""Two readings of one thing: where they contradict each other no new money goes in, and both numbers are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.bench.accuracy import DAY, Accuracy
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.evm.abi import abi
from yieldbot.sandbox.evm.traps import deploy_trap

NEEDS: tuple[str, ...] = ("compound_v2",)
USDC = 10**6
Change = Callable[[int], int]


async def market_of(chain: Accuracy, protocol: str, flavour: str = "") -> Market:
    await chain.history()
    found = [m for m in await chain.markets() if m.protocol == protocol and m.params.get("flavour", "") == flavour]
    return found[0]


async def altered(chain: Accuracy, market: Market, changes: Mapping[tuple[str, bytes], Change]) -> MarketState:
    """The market as its adapter reads it when some answers are others: by whom is asked, and the first bytes asked."""
    block = await chain.node.block()

    def flow() -> Flow[MarketState]:
        inner, answers = chain.adapters[market.protocol].observe(market, chain.owner, block), None
        while True:
            try:
                reads = next(inner) if answers is None else inner.send(answers)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            got = yield reads
            answers = []
            for read, answer in zip(reads, got, strict=True):
                assert isinstance(read, EthCall)
                for (to, start), change in changes.items():
                    if read.to.lower() == to.lower() and read.data.startswith(start):
                        answer = change(int.from_bytes(answer[:32], "big")).to_bytes(32, "big") + answer[32:]
                answers.append(answer)

    (state,) = await chain.node.run([flow()], block)
    assert isinstance(state, MarketState), state
    return state


async def test_nothing_contradicts_itself_as_deployed(chain: Accuracy) -> None:
    await chain.wait(15 * DAY)
    await chain.history()
    for market in await chain.markets():
        assert (await chain.state(market)).doubts == (), market.name


async def test_what_suppliers_are_owed_against_cash_and_debts(chain: Accuracy) -> None:
    aave = await market_of(chain, "aave_v3")
    cash = (aave.address, abi("aave_v3").selector("getVirtualUnderlyingBalance"))
    (doubt,) = (await altered(chain, aave, {cash: lambda raw: raw - 100_000 * USDC})).doubts
    assert "suppliers are owed" in doubt and "cash and debts are" in doubt
    assert (await altered(chain, aave, {cash: lambda raw: raw + 100_000 * USDC})).doubts == ()
    comet = await market_of(chain, "compound_v3")
    lies = (comet.asset.address, abi("erc20").selector("balanceOf"))
    state = await altered(chain, comet, {lies: lambda raw: raw // 2})
    assert "suppliers are owed" in state.doubts[0] and state.doubts[0] in state.flags


async def test_morphos_own_balance_against_what_a_market_may_pay(chain: Accuracy) -> None:
    blue = await market_of(chain, "morpho_blue")
    lies = (blue.asset.address, abi("erc20").selector("balanceOf"))
    (doubt,) = (await altered(chain, blue, {lies: lambda raw: 7 * USDC})).doubts
    assert "its account holds 7 USDC" in doubt


async def test_a_vaults_markets_against_its_total(chain: Accuracy) -> None:
    """MetaMorpho v1.1: totalAssets holds on to what a market lost, and lostAssets says it."""
    vault = await market_of(chain, "erc4626", "metamorpho")
    total = (vault.address, abi("erc4626").selector("totalAssets"))
    (doubt,) = (await altered(chain, vault, {total: lambda raw: raw + 5_000 * USDC})).doubts
    honest = await chain.state(vault)
    assert doubt.startswith("its markets hold ") and doubt.endswith("of which 0 USDC are lost")
    assert f"totalAssets says {vault.asset.amount(honest.supplied.raw + 5_000 * USDC)}" in doubt
    state = await altered(chain, vault, {total: lambda raw: raw + 5_000 * USDC})
    assert doubt in state.flags


async def test_what_a_vault_says_that_it_has_lost(chain: Accuracy) -> None:
    """MetaMorpho v1.1 adds lostAssets to the sum over its markets and calls that totalAssets: both answers are altered
    as it would give them after a loss. A loss that the slack of the sums would hide counts too, as does one that is
    larger than what is left."""
    vault = await market_of(chain, "erc4626", "metamorpho")
    honest = await chain.state(vault)
    total, lost = ((vault.address, abi("erc4626").selector(name)) for name in ("totalAssets", "lostAssets"))
    held = vault.asset.amount(honest.supplied.raw)
    for loss_raw in (1, 5_000 * USDC, 3 * honest.supplied.raw):
        state = await altered(
            chain, vault, {total: lambda raw, more=loss_raw: raw + more, lost: lambda _, more=loss_raw: more}
        )
        said, gone = (vault.asset.amount(raw) for raw in (honest.supplied.raw + loss_raw, loss_raw))
        assert state.doubts == (f"its markets hold {held}, totalAssets says {said}, of which {gone} are lost",)
        assert state.doubts[0] in state.flags
    assert (await altered(chain, vault, {lost: lambda _: 0})).doubts == ()


@pytest.mark.parametrize("fault", ["zero", "reverts", "old"])
async def test_a_collateral_without_a_price(chain: Accuracy, fault: str) -> None:
    """A market that is lent against it gets no new money, nor does a vault that puts money there."""
    blue = await market_of(chain, "morpho_blue")
    oracle, price = Address(blue.params["oracle"]), 3000 * 10**24
    if fault == "zero":
        await chain.send(oracle, bytes.fromhex("91b7f5ed") + bytes(32))  # setPrice(uint256)
        words = "answers 0"
    elif fault == "reverts":
        await chain.node.request("anvil_setCode", [oracle, "0xfe"])
        words = "answers nothing"
    else:
        _, aged = await deploy_trap(chain.node, "AgedOracle", None, price, history=False)
        await chain.wait(20 * DAY)
        code = (await chain.node.code(aged.address)).hex()
        await chain.node.request("anvil_setCode", [oracle, "0x" + code])
        assert (await chain.state(await market_of(chain, "morpho_blue"))).doubts == ()
        await chain.wait(2 * 365 * DAY)
        words = "days ago"
    for market in (await market_of(chain, "morpho_blue"), await market_of(chain, "erc4626", "metamorpho")):
        state = await chain.state(market)
        assert state.doubts and all(words in doubt and doubt in state.flags for doubt in state.doubts)
