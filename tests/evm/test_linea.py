"""Linea's fees on a real node behind a double of its sequencer (``tests/faults/linea.py``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.linea import LineaNode
from tests.faults.rollup import serving
from tests.kit.evm.rollups import RAW
from tests.kit.small_market import running
from yieldbot.chains.evm.check import _fee_kind
from yieldbot.chains.evm.execution.fees import fetch_fees
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.linea import LineaPricing
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.errors import PendingError, TransientError
from yieldbot.model.ids import ChainId
from yieldbot.model.known import MULTICALL3
from yieldbot.model.plan import Declined
from yieldbot.model.settings import FeeKind
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.artifacts import multicall3_bytecode

PRICES = LineaPricing(30_000_000, 50 * 10**9, 40_000_000)
"""Data is ten times as dear as it is on average, so that it decides."""


async def test_what_linea_takes_is_offered_call_by_call_and_never_above_the_ceiling(tmp_path: Path) -> None:
    async with running(tmp_path, more=("--base-fee", "7")) as market:
        with serving(LineaNode(market.url, PRICES)) as double, market.journal() as journal:
            assert isinstance(double, LineaNode)
            market = replace(market, url=double.url, fee_kind="linea")
            async with market.node() as node:
                account = market.account(node, journal)
                plan, work = await market.plan(node, market.deposit_leg(RAW)), market.deposit_work(RAW)
                code = "0x" + multicall3_bytecode()[len("61000080600a3d393df3") :]
                await node.request("anvil_setCode", [MULTICALL3, code])
                here = replace(account.settings, chain=ChainId("eip155:59144"))
                seen = await _fee_kind(node, here, await node.block())
                assert not seen.code and seen.result.startswith("linea, a gas costs at least 0."), seen
                poor = replace(account, settings=replace(account.settings, max_fee_gwei=0.03))
                dear = await fetch_fees(poor, await node.block())
                assert isinstance(dear, Declined) and dear.code == "FEE_ABOVE_CEILING"
                assert (await execute_leg(account, market.approval(plan), work)).done
                txs = journal.transactions()
                offered = [tx.signed.priority_fee_wei for tx in txs]
                assert len(txs) == len(double.demanded) == 2 and not double.refused
                assert all(demanded <= wei for demanded, wei in zip(double.demanded, offered, strict=True))
                assert len({*offered}) == 2 and max(offered) <= await fetch_tip(node, account.settings)
                for tx in txs:
                    assert isinstance(tx.outcome, Confirmed)
                    assert tx.outcome.gas_price_wei == tx.signed.priority_fee_wei + 7

                cheap = replace(account.settings, fee_kind=FeeKind.ETHEREUM, priority_fee_gwei=0.03)
                plain = replace(account, settings=replace(cheap, confirm_timeout_seconds=0.3))
                again = await market.plan(node, market.deposit_leg(RAW))
                with pytest.raises((PendingError, TransientError)):
                    await execute_leg(plain, market.approval(again), work)
                assert double.refused, "what any other chain takes is refused by the sequencer"
