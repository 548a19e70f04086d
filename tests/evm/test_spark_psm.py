"""Spark's PSM3 as an exchange: our integers against its double's, what the signer takes, and a job that swaps there.

The double's arithmetic is the real PSM3's (docs/protocols.md says what it was held against)."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import pytest
from eth_abi.abi import encode

from tests.kit.contracts import send
from tests.kit.evm.several_assets import BASE
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.chains.evm.check_tables import fault_of
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.calldata_rules import objection
from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import PoolState, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.reads import EthCall
from yieldbot.model.tx import Confirmed
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.abi import abi, selector_of
from yieldbot.resources import folder
from yieldbot.sandbox.evm.node import Sandbox, sandboxed

PSM = exchanges()["spark_psm"]
QUESTIONS = 40
"""Of each direction of each pair."""
STRANGER = Address("0x" + "77" * 20)


def asked(given: Token, wanted: Token, raw: int) -> bytes:
    values = encode(["address", "address", "uint256"], [given.address, wanted.address, raw])
    return selector_of("previewSwapExactIn(address,address,uint256)") + values


async def test_quotes_are_the_psms_to_the_unit_and_a_job_swaps_there(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, exchanges=("spark_psm",)) as sandbox:
        await _quotes(sandbox)
        await _swapped(sandbox)


async def _quotes(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
    draw, chain = random.Random(7), job.chain
    at = checksummed(sandbox.addresses["spark_psm_susds"])
    susds = Token(chain.chain, at, "sUSDS", 18)
    tokens = (chain.tokens["USDC"], chain.tokens["DAI"], susds)
    (row,) = (one for one in chain.exchanges if one.protocol == "spark_psm")
    async with sandbox.node() as node:
        block = await node.block()
        (pools,) = await node.run([PSM.pools(row, list(combinations(tokens, 2)))], block)
        assert not isinstance(pools, MarketError) and len(pools) == 3
        (few,) = await node.run([PSM.pools(row, [tokens[:2]])], block)
        assert [pool.name for pool in few] == ["Spark PSM (double) USDC/DAI"]  # type: ignore[union-attr]
        states = await node.run([PSM.observe(pool) for pool in pools], block)
        calls: list[EthCall] = []
        wanted: list[int] = []
        psm = row.params["psm"]
        for state in states:
            assert isinstance(state, PoolState), state
            for given, taken in permutations((state.pool.token0, state.pool.token1)):
                venue = state.venue(given)
                assert venue.cash in (450_000 * 10**6, 500_000 * 10**18), "USDC as far as its pocket lets it go"  # type: ignore[attr-defined]
                for _ in range(QUESTIONS):
                    raw = int(10 ** draw.uniform(0, given.decimals + 5.6))
                    calls.append(EthCall(psm, asked(given, taken, raw)))
                    wanted.append(venue.quote_exact_in(raw)[0])
                    out = 1 + draw.randrange(venue.cash)  # type: ignore[attr-defined]
                    least = venue.quote_exact_out(out)
                    assert venue.quote_exact_in(least)[0] >= out > venue.quote_exact_in(least - 1)[0]
                most = venue.amount_until_price(1e-30)
                venue.quote_exact_in(most)
                with pytest.raises(Unswappable):
                    venue.quote_exact_in(most + venue.off(most))
                assert venue.amount_until_price(1e30) == 0
        (answers,) = await node.run([_ask(calls)], block)
        assert [int.from_bytes(answer, "big") for answer in answers] == wanted and len(wanted) == 6 * QUESTIONS
        assert await fault_of(node, row, block) is None
        other = replace(row, params={"psm": sandbox.addresses["usdc"]})
        wrong = await fault_of(node, other, block)
        assert wrong is not None and "names no USDC, USDS and sUSDS: it is no PSM3" in wrong[0]
        bare = await fault_of(node, replace(row, assets=tokens[:1]), block)
        assert bare is not None and "of which the file's tokens are not two" in bare[0]
    _judged(pools[0].token0, pools[0].token1, SwapTerms((pools[0],), *_terms(pools[0].token0, pools[0].token1)))
    with pytest.raises(MarketError, match="one pair at a time"):
        PSM.spenders((pools[0], pools[1]))


def _ask(calls: list[EthCall]):  # type: ignore[no-untyped-def]
    answers = yield calls
    return answers


def _terms(given: Token, wanted: Token) -> tuple[Amount, Amount]:
    return Amount(given, 1_000 * given.one), Amount(wanted, 999 * wanted.one)


def _judged(given: Token, wanted: Token, terms: SwapTerms) -> None:
    """The signer takes the swap that was approved, for us, and no other."""
    owner = Address("0x" + "11" * 20)
    (call,) = PSM.swap(terms.pools, terms.given, terms.least, owner, 0)
    known = abi_functions(folder("abis"))
    assert PSM.targets(terms.pools) == {terms.pools[0].address: frozenset({call.data[:4]})}

    def refused(*values: object) -> str | None:
        data = abi("spark_psm").encode("swapExactIn", *values)
        found = objection(known[data[:4]], data, owner, frozenset(), None, terms, 0)
        return found[0] if found else None

    good = (given.address, wanted.address, terms.given.raw, terms.least.raw, owner, 0)
    assert refused(*good) is None and abi("spark_psm").encode("swapExactIn", *good) == call.data
    for place, value, why in (
        (0, wanted.address, "PATH_NOT_PLANNED"),
        (1, STRANGER, "PATH_NOT_PLANNED"),
        (2, terms.given.raw + 1, "AMOUNT_ABOVE_PLAN"),
        (2, terms.given.raw - 1, "AMOUNT_NOT_EXACT"),
        (3, terms.least.raw - 1, "LEAST_BELOW_PLAN"),
        (4, STRANGER, "RECIPIENT_NOT_SELF"),
        (5, 1, "ARGUMENT_NOT_KNOWN"),
    ):
        assert refused(*good[:place], value, *good[place + 1 :]) == why
    elsewhere = replace(terms, pools=(replace(terms.pools[0], protocol="uniswap_v3"),))
    assert objection(known[call.data[:4]], call.data, owner, frozenset(), None, elsewhere, 0) is not None


async def _swapped(sandbox: Sandbox) -> None:
    """Half of the money goes where DAI pays more, through the PSM: at par, where pools would take a fee."""
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert report.declined is None and report.decision is not None and not report.failed
        plan = report.decision.outcome
        assert isinstance(plan, Plan)
        (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
        changes = [
            {delta.token.symbol: delta.raw for delta in outcome.deltas}
            for leg, outcome in report.outcomes
            if leg.kind is LegKind.SWAP and isinstance(outcome, Confirmed)
        ]
        assert changes[-1]["USDC"] == -swap.amount.raw and changes[-1]["DAI"] == swap.amount.raw * 10**12
        assert w.journal.verify() > 0
    owner, spender = sandbox.wallet, sandbox.addresses["spark_psm"]
    left = selector_of("allowance(address,address)") + encode(["address", "address"], [owner, spender])
    assert int(sandbox.rpc("eth_call", {"to": sandbox.addresses["usdc"], "data": "0x" + left.hex()}, "latest"), 16) == 0
    nothing = encode(["address", "address", "uint256"], [sandbox.addresses["usdc"], spender, 0])
    send(sandbox, sandbox.addresses["spark_psm_pocket"], selector_of("allow(address,address,uint256)") + nothing)
    async with sandbox.node() as node:
        block, usdc, dai = await node.block(), job.chain.tokens["USDC"], job.chain.tokens["DAI"]
        (row,) = (one for one in job.chain.exchanges if one.protocol == "spark_psm")
        (pools,) = await node.run([PSM.pools(row, [(usdc, dai)])], block)
        (state,) = await node.run([PSM.observe(pools[0])], block)  # type: ignore[index]
        assert isinstance(state, PoolState) and state.venue(dai).amount_until_price(1e-30) == 0
        with pytest.raises(Unswappable):
            state.venue(dai).quote_exact_in(dai.one)
