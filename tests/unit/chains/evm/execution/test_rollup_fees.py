"""What a transaction pays for its data on L1: asked for its very bytes, bounded, and never left out. On a double."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from tests.kit.chain_double import GWEI, SETTINGS, ChainDouble, account_of, node_of, open_journal, settings
from tests.kit.evm.leg import SET, living
from tests.kit.evm.rollup_fees import ARBITRUM, L1, OP, OPERATOR, ORACLE, UNITS, asked_of, rollup, word
from tests.kit.wiring import APPROVAL, BLOCK, OWNER, POOL, RAW, plan, supply_tx, work
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.rollup import (
    charge,
    cost_above_gain,
    fetch_rollup_fee,
    node_gas,
    rehearsed_gas,
    short_of_native,
)
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.rollups import (
    ARB_GAS_INFO,
    BY_CHAIN,
    GAS_PRICE_ORACLE,
    MOST_WEI,
    NODE_INTERFACE,
    SCROLL_ORACLE,
    TYPICAL,
    TYPICAL_BYTES,
    TypicalFee,
    checked_fee,
    fee_of_receipt,
    kind_fault,
    l1_component_call,
    l1_fee_call,
    operator_fee_call,
    typical_fee,
    wei_of,
)
from yieldbot.chains.evm.signing.sign import payload
from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.journal.journal_entries import PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.native import native_token
from yieldbot.model.plan import Declined
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import NO_ROLLUP_FEE, RollupFee, SimulatedTx

LIMIT = 60_000 * 125 // 100


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        opened.append(PlanWritten(plan()))
        yield opened


async def test_the_chains_own_oracle_is_asked_for_the_very_bytes(journal: Journal) -> None:
    chain = rollup(ChainDouble())
    account = account_of(chain, journal, settings=OP)
    assert await fetch_rollup_fee(account, account.node, supply_tx()) == RollupFee(l1_wei=L1, operator_wei=OPERATOR)
    wanted = [l1_fee_call(payload(supply_tx())), operator_fee_call(300_000)]
    assert sorted(asked_of(chain, ORACLE)) == sorted("0x" + one.hex() for one in wanted)
    arbitrum = account_of(chain, journal, settings=ARBITRUM)
    assert await fetch_rollup_fee(arbitrum, arbitrum.node, supply_tx()) == RollupFee(l1_gas=UNITS)
    assert asked_of(chain, NODE_INTERFACE) == ["0x" + l1_component_call(POOL, supply_tx().data).hex()]
    plain = account_of(ChainDouble(), journal)
    assert await fetch_rollup_fee(plain, plain.node, supply_tx()) == NO_ROLLUP_FEE


async def test_an_oracle_of_before_isthmus_has_no_operator_fee_and_one_that_fails_is_no_zero(journal: Journal) -> None:
    chain = rollup(ChainDouble())
    account = account_of(chain, journal, settings=OP)
    real = chain.make_request

    async def refused(method: str, params: list[Any]) -> Any:
        if method == "eth_call" and params[0]["data"].startswith("0x275aedd2"):
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted", "data": data}}
        return await real(method, params)

    chain.make_request = refused  # type: ignore[method-assign]
    data = "0x"
    assert await fetch_rollup_fee(account, account.node, supply_tx()) == RollupFee(l1_wei=L1)
    data = "0x08c379a0"
    with pytest.raises(TransientError, match=r"cannot be read \(fee_kind of chains/base.toml is op-stack\)"):
        await fetch_rollup_fee(account, account.node, supply_tx())
    for made in (OP, ARBITRUM):
        broken = account_of(ChainDouble(), journal, settings=made)
        with pytest.raises(TransientError, match="the fee for data on L1 cannot be read"):
            await fetch_rollup_fee(broken, broken.node, supply_tx())


async def test_a_gas_limit_leaves_room_for_what_data_takes_inside_the_gas(journal: Journal) -> None:
    chain = rollup(ChainDouble())
    call, fees = work().calls[0], Fees(2 * GWEI, 1)
    for made, wanted in (
        (settings(), (LIMIT, NO_ROLLUP_FEE)),
        (OP, (LIMIT, RollupFee(L1, OPERATOR))),
        (ARBITRUM, (LIMIT + 2 * UNITS, RollupFee(l1_gas=UNITS))),
    ):
        account = account_of(chain, journal, settings=made)
        assert await rehearsed_gas(account, account.node, call, 60_000, fees) == wanted
        safe = replace(account, pays_gas=False)
        assert await rehearsed_gas(safe, account.node, call, 60_000, None) == (LIMIT, NO_ROLLUP_FEE)
    assert await node_gas(account_of(chain, journal, settings=ARBITRUM), call, 5) == LIMIT
    assert await node_gas(account_of(chain, journal, settings=ARBITRUM), call, LIMIT + 1) == LIMIT + 1
    assert await node_gas(account_of(chain, journal, settings=OP), call, 5) == 5
    assert chain.asked[-1] == (
        "eth_estimateGas",
        [{"from": OWNER, "to": POOL, "data": "0x" + call.data.hex(), "value": "0x0"}],
    )
    chain.refuses = {"eth_estimateGas": "execution reverted"}
    assert await node_gas(account_of(chain, journal, settings=ARBITRUM), call, 5) == 5 + 2 * UNITS
    chain.refuses = {}
    chain._eth_estimateGas = lambda _: None  # type: ignore[method-assign,assign]
    with pytest.raises(TransientError, match="no number"):
        await node_gas(account_of(chain, journal, settings=ARBITRUM), call, 5)


async def test_the_wallet_must_hold_gas_and_twice_the_fee_beside_it(journal: Journal) -> None:
    chain = ChainDouble(native_wei=1_000)
    account, node = account_of(chain, journal), node_of(chain)
    native = native_token(SETTINGS)
    assert await short_of_native(account, node, 1_000) is None
    assert await short_of_native(account, node, 980, RollupFee(6, 4)) is None
    found = await short_of_native(account, node, 981, RollupFee(6, 4))
    assert found is not None and found.code == "INSUFFICIENT_NATIVE"
    assert f"up to {Amount(native, 981)} and its data on L1 {Amount(native, 20)}, the wallet holds" in found.reason
    bare = await short_of_native(account, node, 1_001, RollupFee(l1_gas=5))
    assert bare is not None and "data on L1" not in bare.reason
    await charge(account, node, RollupFee(100, 50, 3), 10)
    assert chain.native_wei == 1_000 - 150 - 30
    await charge(account, node, RollupFee(10**9), 1)
    assert chain.native_wei == 0
    asked = len(chain.asked)
    await charge(account, node, NO_ROLLUP_FEE, 10)
    assert len(chain.asked) == asked


def test_cost_is_gas_and_the_fee_beside_it_to_the_wei(journal: Journal) -> None:
    account = account_of(ChainDouble(), journal, max_cost_wei=100)
    fee = RollupFee(6, 4, 10**9)
    assert cost_above_gain(account, "x", 90, fee) is cost_above_gain(account, "x", 100) is None
    found = cost_above_gain(account, "x", 91, fee)
    assert found is not None and found.code == "COST_ABOVE_GAIN" and "its gas with its data on L1 costs" in found.reason
    bare = cost_above_gain(account, "x", 101)
    assert bare is not None and "its gas costs more than the gain allows, 0.0000000000000001 ETH" in bare.reason
    assert cost_above_gain(replace(account, max_cost_wei=None), "x", 10**30, fee) is None
    assert RollupFee(1, 2, 3) + RollupFee(10, 20, 30) == RollupFee(11, 22, 33)


async def test_a_rehearsal_pays_the_fee_call_by_call_and_tells_it(journal: Journal) -> None:
    price = 2 * GWEI + GWEI // 10
    first = LIMIT * price + 2 * (L1 + OPERATOR)
    for wei, wanted in (
        (first + L1 + OPERATOR, None),
        (first + L1 + OPERATOR - 1, "INSUFFICIENT_NATIVE"),
        (first - 1, "INSUFFICIENT_NATIVE"),
    ):
        chain = rollup(living(journal))
        chain.native_wei = wei
        found = await rehearse(account_of(chain, journal, settings=OP), (work(),), BLOCK)
        assert (found.code if isinstance(found, Declined) else None) == wanted
        if isinstance(found, Rehearsal):
            assert found.rollup == RollupFee(2 * L1, 2 * OPERATOR) and found.native_symbol == "ETH"
    chain = rollup(living(journal))
    found = await rehearse(account_of(chain, journal, settings=ARBITRUM), (work(),), BLOCK)
    assert isinstance(found, Rehearsal) and found.rollup == RollupFee(l1_gas=2 * UNITS)
    assert [tx.gas_limit for tx in found.legs[0].txs] == [LIMIT + 2 * UNITS] * 2


async def test_a_simulation_tells_the_fee_of_its_bytes_and_whether_the_wallet_holds_it(journal: Journal) -> None:
    tx = supply_tx()
    for short in (0, 1):
        chain = rollup(living(journal))
        chain.allowed[SET] = RAW
        chain.native_wei = tx.gas * tx.max_fee_wei + 2 * (L1 + OPERATOR) - short
        found = await simulate_tx(account_of(chain, journal, settings=OP), tx, work())
        if short:
            assert isinstance(found, Declined) and found.code == "INSUFFICIENT_NATIVE"
        else:
            assert isinstance(found, SimulatedTx) and found.rollup == RollupFee(L1, OPERATOR)


async def test_what_a_leg_costs_counts_the_fee_before_anything_is_signed(journal: Journal) -> None:
    chain = rollup(living(journal))
    most = LIMIT * (GWEI + GWEI // 10) + L1 + OPERATOR
    refused = await execute_leg(account_of(chain, journal, settings=OP, max_cost_wei=most - 1), APPROVAL, work())
    assert refused.declined is not None and refused.declined.code == "COST_ABOVE_GAIN" and not chain.sent
    assert "with its data on L1" in refused.declined.reason
    done = await execute_leg(account_of(chain, journal, settings=OP, max_cost_wei=most), APPROVAL, work())
    assert done.done, done
    chain = rollup(living(journal))
    chain.nonce = 9
    result = await execute_leg(account_of(chain, journal, settings=ARBITRUM), APPROVAL, work())
    assert result.done and [tx.signed.gas for tx in journal.transactions()][-2:] == [LIMIT + 2 * UNITS] * 2
    chain = rollup(living(journal), units=1)
    chain.nonce = 11
    dear = account_of(chain, journal, settings=ARBITRUM)
    chain._eth_estimateGas = lambda _: hex(100_000)  # type: ignore[method-assign]
    result = await execute_leg(dear, APPROVAL, work())
    assert result.done and journal.transactions()[-1].signed.gas == 125_000 + 2


# Formulas.


def told(*answers: bytes) -> TypicalFee:
    flow = typical_fee()
    reads = list(next(flow))
    asked = [GAS_PRICE_ORACLE] * 3 + [ARB_GAS_INFO] + [GAS_PRICE_ORACLE] * 3 + [SCROLL_ORACLE]
    assert [call.to for call in reads] == asked  # type: ignore[attr-defined]
    assert all(call.optional for call in reads)  # type: ignore[attr-defined]
    fixed, sample = (operator_fee_call(gas) for gas in (0, 10**6))
    assert [call.data for call in reads[1:3]] == [fixed, sample]  # type: ignore[attr-defined]
    with pytest.raises(StopIteration) as ended:
        flow.send((*answers, *[b""] * (len(asked) - len(answers))))
    value: TypicalFee = ended.value.value
    return value


def test_what_a_chain_is_is_told_by_its_contracts() -> None:
    prices = b"".join(word(n) for n in (1, 20, 3, 4, 5, 6))
    assert told(word(100), word(7), word(7 + 2 * 10**6), b"") == TypicalFee(FeeKind.OP_STACK, 107, 2.0)
    assert told(word(100), b"", b"", prices) == TypicalFee(FeeKind.OP_STACK, 100, 0.0)
    assert told(word(100), word(7), word(5), b"") == TypicalFee(FeeKind.OP_STACK, 107, 0.0)
    assert told(b"", b"", b"", prices) == TypicalFee(FeeKind.ARBITRUM, 20 * TYPICAL_BYTES)
    mantle = (word(3_789), word(10**8), word(9))
    assert told(word(100), word(7), word(8), b"", *mantle) == TypicalFee(FeeKind.MANTLE, 378_909, 10.0**10)
    assert told(b"", b"", b"", b"", b"", b"", b"", word(5)) == TypicalFee(FeeKind.SCROLL, 5)
    assert told(b"", b"", b"", prices[:-1]) == told(b"\1", b"", b"", b"") == TypicalFee()


def test_a_wrong_kind_is_said_with_what_to_write() -> None:
    for kind in FeeKind:
        by_chain = next((chain for chain, known in BY_CHAIN.items() if known is kind), settings().chain)
        found = FeeKind.ETHEREUM if kind in BY_CHAIN.values() else kind
        assert kind_fault(settings(fee_kind=kind, chain=by_chain), found) is None
        plain = kind_fault(settings(chain=by_chain), found)
        assert kind is FeeKind.ETHEREUM or (plain and f'write fee_kind = "{kind}" into' in plain[1])
        other = kind_fault(settings(fee_kind=kind), FeeKind.ETHEREUM)
        assert kind is FeeKind.ETHEREUM or (other and 'write fee_kind = "ethereum" into' in other[1])
    assert kind_fault(settings(), FeeKind.OP_STACK) == (
        f'fee_kind is "ethereum", but GasPriceOracle answers at {GAS_PRICE_ORACLE}',
        'write fee_kind = "op-stack" into chains/base.toml',
    )
    assert f"but ArbGasInfo answers at {ARB_GAS_INFO}" in str(kind_fault(OP, FeeKind.ARBITRUM))
    for made, place in ((OP, GAS_PRICE_ORACLE), (ARBITRUM, ARB_GAS_INFO)):
        what, remedy = kind_fault(made, FeeKind.ETHEREUM) or ("", "")
        assert what.endswith(f"answers at {place}") and "but no " in what and "takes no such fee" in remedy


def test_a_chain_of_another_kind_or_that_cannot_be_read_is_not_served() -> None:
    right = TypicalFee(FeeKind.OP_STACK, 107, 2.0)
    assert checked_fee(OP, "host", right) is right
    with pytest.raises(ConfigError, match='fee_kind is "ethereum", but GasPriceOracle answers'):
        checked_fee(settings(), "host", right)
    with pytest.raises(TransientError, match="host: the chain's fees for data on L1 cannot be read: why"):
        checked_fee(OP, "host", MarketError("why"))


def test_calls_are_exact_encodings() -> None:
    for data in (b"", b"\1", TYPICAL, bytes(64)):
        assert l1_fee_call(data) == bytes.fromhex("49948e0e") + encode(["bytes"], [data])
        component = encode(["address", "bool", "bytes"], [POOL, False, data])
        assert l1_component_call(POOL, data) == bytes.fromhex("77d488a2") + component
    assert operator_fee_call(5) == bytes.fromhex("275aedd2") + word(5)


def test_a_fee_is_bounded_and_of_a_whole_word() -> None:
    assert wei_of(word(5)) == wei_of(word(5) + word(9)) == 5 and wei_of(word(MOST_WEI)) == MOST_WEI
    for none, why in ((b"", "0 bytes"), (word(5)[:-1], "31 bytes is no fee"), (word(MOST_WEI + 1), "cannot be")):
        with pytest.raises(MarketError, match=why):
            wei_of(none)


def test_what_a_receipt_says_that_it_cost() -> None:
    plain = {"gasUsed": "0x10", "effectiveGasPrice": "0x3"}
    assert fee_of_receipt(plain) == 48 and fee_of_receipt(plain | {"l1Fee": "0x5"}) == 53
    operator = plain | {"operatorFeeScalar": hex(2 * 10**6), "operatorFeeConstant": "0x7"}
    assert fee_of_receipt(operator) == 48 + 32 + 7
    assert fee_of_receipt(operator | {"daFootprintGasScalar": "0x0"}) == 48 + 16 * 2 * 10**6 * 100 + 7
    for none in ({}, {"gasUsed": "0x10"}, plain | {"l1Fee": "x"}, plain | {"gasUsed": None}):
        assert fee_of_receipt(none) is None
