"""What a rollup tells of its own fees, on real nodes: in every era, and by nodes that refuse or estimate nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.rollup import ArbitrumNode, OpNode, Refused, serving
from tests.kit import op_fees
from tests.kit.evm.rollups import DEAR, RAW, oracle
from tests.kit.small_market import MULTICALL3, SmallMarket
from yieldbot.chains.evm.execution.build import Fees, TxContext, unsigned
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rollup import fetch_rollup_fee
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import (
    GAS_PRICE_ORACLE,
    GET_OPERATOR_FEE,
    MOST_WEI,
    NODE_INTERFACE,
    NOTHING_BESIDE,
    TYPICAL,
    TypicalFee,
    checked_fee,
    typical_fee,
)
from yieldbot.chains.evm.signing.sign import payload, unsigned_of
from yieldbot.errors import ConfigError, TransientError
from yieldbot.journal.journal_entries import TxSigned
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import Confirmed, EvmCall, RollupFee
from yieldbot.sandbox.evm.artifacts import Artifact, multicall3_bytecode
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.rollup import Era, L1Fees, put_arbitrum, put_op_stack


def unsigned_call(signed: TxSigned) -> EvmCall:
    tx = unsigned_of(signed, 0, 0)
    return EvmCall(tx.to, tx.data, tx.value, tx.description)


async def put_multicall3(node: Node) -> None:
    accounts = [Address(account) for account in await node.request("eth_accounts", [])]
    made = await Deployer(node, accounts).deploy(Artifact([], multicall3_bytecode(), {}))
    await node.request("anvil_setCode", [MULTICALL3, "0x" + (await node.code(made.address)).hex()])


async def test_the_fee_is_the_oracles_word_for_the_very_bytes_in_every_era(market: SmallMarket) -> None:
    async with market.node() as node:
        await put_multicall3(node)
        for era in Era:
            await _words_agree(market, node, era)


async def _words_agree(market: SmallMarket, node: Node, era: Era) -> None:
    operator = {Era.ISTHMUS: 2_500_000, Era.JOVIAN: 25}.get(era, 0)
    fees = replace(L1Fees(), operator_constant_wei=7 if operator else 0, operator_scalar=operator)
    market = replace(market, fee_kind="op-stack")
    await put_op_stack(node, era, fees)
    with market.journal() as journal:
        account = market.account(node, journal)
        context = TxContext(account.settings.chain, account.owner, "p", 0, MarketId("m"))
        seen = set()
        for length in range(0, 1_600, 200):
            gas = 21_000 + 977 * length
            data = bytes((7 * n * n) % 256 if n % 3 else 0 for n in range(length))
            call = EvmCall(market.market.address, data, 0, "a call")
            tx = unsigned(call, context, length, gas, Fees(3 * 10**9, 10**9))
            fee = await fetch_rollup_fee(account, node, tx)
            assert fee.l1_wei == await oracle(node, "getL1Fee", "bytes", payload(tx)) > 0 == fee.l1_gas
            assert fee.l1_wei == op_fees.l1_fee(era, fees, payload(tx))
            assert fee.operator_wei == op_fees.operator_fee(era, fees, gas)
            if operator:
                assert fee.operator_wei == await oracle(node, "getOperatorFee", "uint256", gas)
            seen.add(fee.l1_wei)
        assert len(seen) > 5  # by the bytes, not a constant
    (told,) = await node.run([typical_fee()], await node.block())
    constant = 7 if operator else 0
    assert isinstance(told, TypicalFee) and told.kind is FeeKind.OP_STACK
    assert told.tx_wei == await oracle(node, "getL1Fee", "bytes", TYPICAL) + constant
    by_gas = {Era.ISTHMUS: 2.5, Era.JOVIAN: 2_500.0}.get(era, 0.0)
    assert told.unit_wei == pytest.approx(by_gas)


def saying(word: int) -> str:
    """Code that answers every call with one word."""
    return f"0x7f{word:064x}60005260206000f3"


@pytest.mark.parametrize("kind", ["op-stack", "arbitrum"])
async def test_an_oracle_that_reverts_or_answers_nonsense_lets_nothing_be_signed(
    market: SmallMarket, kind: str
) -> None:
    market = replace(market, fee_kind=kind)
    places = {"op-stack": GAS_PRICE_ORACLE, "arbitrum": NODE_INTERFACE}
    async with market.node() as node:
        await put_multicall3(node)
        with market.journal() as journal:
            account = market.account(node, journal)
            context = TxContext(account.settings.chain, account.owner, "p", 0, MarketId("m"))
            tx = unsigned(EvmCall(market.market.address, b"1", 0, "a call"), context, 0, 50_000, Fees(3, 1))
            plan = await market.plan(node, market.deposit_leg(RAW))
            codes = {
                "nobody": "0x",
                "reverts": "0x60006000fd",
                "a byte": "0x60016000f3",
                "all ones": saying(2**256 - 1),
            }
            for name, code in {**codes, "more than can be": saying(MOST_WEI + 1)}.items():
                await node.request("anvil_setCode", [places[kind], code])
                with pytest.raises(TransientError, match=f"fee_kind of chains/local.toml is {kind}"):
                    await fetch_rollup_fee(account, node, tx)
                with pytest.raises(TransientError, match="fee for data on L1 cannot be read"):
                    await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
                if kind == "op-stack":
                    (told,) = await node.run([typical_fee()], await node.block())
                    if name in codes and name != "all ones":
                        assert told == NOTHING_BESIDE
                        with pytest.raises(
                            ConfigError, match=r"no GasPriceOracle answers .* if the chain takes no such fee"
                        ):
                            checked_fee(account.settings, node.host, told)
                    else:
                        with pytest.raises(TransientError, match="cannot be read: a fee of"):
                            checked_fee(account.settings, node.host, told)
            assert not journal.transactions(), "nothing was signed"
            for word in (0, MOST_WEI):  # dear, but a fee
                await node.request("anvil_setCode", [places[kind], saying(word)])
                fee = await fetch_rollup_fee(account, node, tx)
                assert fee == (RollupFee(word, word) if kind == "op-stack" else RollupFee(l1_gas=word))
            done = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            code = "INSUFFICIENT_NATIVE" if kind == "op-stack" else "GAS_ABOVE_LIMIT"
            assert isinstance(done.declined, Declined) and done.declined.code == code
            assert not journal.transactions()


class Sparing(OpNode):
    """A provider that does not let the operator fee be asked for."""

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_call" and params[0]["data"].startswith("0x" + GET_OPERATOR_FEE.hex()):
            raise Refused("daily request count exceeded")
        return await super().answer(method, params)


async def test_a_fee_that_a_provider_refuses_to_tell_is_none_of_zero(market: SmallMarket) -> None:
    async with market.node() as node:
        await put_op_stack(node, Era.FJORD, DEAR)
    with serving(Sparing(market.url, DEAR)) as double, market.journal() as journal:
        market = replace(market, url=double.url, fee_kind="op-stack")
        async with market.node() as node:
            account = market.account(node, journal)
            context = TxContext(account.settings.chain, account.owner, "p", 0, MarketId("m"))
            tx = unsigned(EvmCall(market.market.address, b"1", 0, "a call"), context, 0, 50_000, Fees(3, 1))
            with pytest.raises(TransientError, match="daily request count exceeded"):
                await fetch_rollup_fee(account, node, tx)


class Mute(ArbitrumNode):
    """One that makes no estimates."""

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        if method == "eth_estimateGas":
            raise Refused("the method eth_estimateGas is not available")
        return await super().answer(method, params)


async def test_without_estimates_the_interface_tells_the_gas(market: SmallMarket) -> None:
    async with market.node() as node:
        await put_arbitrum(node)
    with serving(Mute(market.url)) as double, market.journal() as journal:
        market = replace(market, url=double.url, fee_kind="arbitrum")
        async with market.node() as node:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            late = replace(account, now=lambda: plan.expires_at if journal.transactions() else 0)
            ended = await execute_leg(late, market.approval(plan), market.deposit_work(RAW))
            assert [type(outcome) for outcome in ended.outcomes] == [Confirmed, Confirmed], "given, and taken back"
            short = unsigned(
                unsigned_call(journal.transactions()[0].signed),
                TxContext(account.settings.chain, account.owner, "p", 0, MarketId("m")),
                2,
                120_000,
                Fees(2 * 10**9, 10**9),
            )
            seen = await simulate_tx(account, short, market.deposit_work(RAW))
            assert isinstance(seen, Declined) and "gas with its data on L1, its limit is 120000" in seen.reason
