"""Markets with less cash than we hold, from the decision to what landed: what is there comes out, the rest later."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.kit.solana.programs import put
from tests.kit.solana.world import for_sol, wealth, world
from yieldbot.app import cycle
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.math.kamino import ONE as SF
from yieldbot.math.marginfi import ONE as I80F48
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.plan import LegKind
from yieldbot.model.tx import Confirmed
from yieldbot.model.units import WAD
from yieldbot.protocols.solana.layout import layout, rent_exempt
from yieldbot.protocols.solana.spl_stake_pool import STAKE_ACCOUNT_BYTES
from yieldbot.sandbox.solana.node import SvmSandbox

HELD_TO_CASH = 20 / 42


@pytest.fixture
def sandbox(solana_sandbox: SvmSandbox) -> SvmSandbox:
    return solana_sandbox


def image(sandbox: SvmSandbox, address: str) -> AccountImage:
    told = sandbox.rpc("getAccountInfo", address, {"encoding": "base64"})["value"]
    return AccountImage(told["lamports"], told["owner"], base64.b64decode(told["data"][0]))


def written(sandbox: SvmSandbox, address: str, at: int, raw: bytes) -> None:
    before = image(sandbox, address)
    data = bytearray(before.data)
    data[at : at + len(raw)] = raw
    put(sandbox, address, replace(before, data=bytes(data)))


def vault(sandbox: SvmSandbox, address: Address, cash: int) -> None:
    written(sandbox, address, 64, struct.pack("<Q", cash))


def save(sandbox: SvmSandbox, state: MarketState, cash: int) -> None:
    """As if others had borrowed all but ``cash``; below, the same of the other programs."""
    fields = layout("save").decode("Reserve", image(sandbox, state.market.address).data)
    lent = fields["borrowed_amount_wads"] + (fields["available_amount"] - cash) * WAD
    written(sandbox, state.market.address, 171, struct.pack("<Q", cash) + lent.to_bytes(16, "little"))
    written(sandbox, state.market.address, 471, struct.pack("<Q", 60))  # the highest rate: no reason to stay
    vault(sandbox, state.market.params["liquidity_supply"], cash)


def kamino_lend(sandbox: SvmSandbox, state: MarketState, cash: int) -> None:
    fields = layout("kamino_lend").decode("Reserve", image(sandbox, state.market.address).data)
    lent = fields["borrowed_amount_sf"] + (fields["available_amount"] - cash) * SF
    written(sandbox, state.market.address, 224, struct.pack("<Q", cash) + lent.to_bytes(16, "little"))
    vault(sandbox, state.market.params["supply_vault"], cash)


def marginfi(sandbox: SvmSandbox, state: MarketState, cash: int) -> None:
    fields = layout("marginfi").decode("Bank", image(sandbox, state.market.address).data)
    assets = fields["asset_shares"] * fields["asset_share_value"] // I80F48
    shares = (assets - cash * I80F48) * I80F48 // fields["liability_share_value"]
    written(sandbox, state.market.address, 256, shares.to_bytes(16, "little"))
    vault(sandbox, state.market.params["liquidity_vault"], cash)


def spl_stake_pool(sandbox: SvmSandbox, state: MarketState, cash: int) -> None:
    reserve = state.market.params["reserve_stake"]
    put(sandbox, reserve, replace(image(sandbox, reserve), lamports=rent_exempt(STAKE_ACCOUNT_BYTES) + cash))


DRAINS: dict[str, Callable[[SvmSandbox, MarketState, int], None]] = {
    "save": save,
    "kamino_lend": kamino_lend,
    "marginfi": marginfi,
    "spl_stake_pool": spl_stake_pool,
}


@pytest.mark.parametrize(
    ("asset", "kinds"), [("USDC", {"save", "kamino_lend", "marginfi"}), ("SOL", {"spl_stake_pool", "save"})]
)
async def test_what_is_there_comes_out_and_the_rest_in_a_later_cycle(
    sandbox: SvmSandbox, asset: str, kinds: set[str]
) -> None:
    if asset == "SOL":
        sandbox.config.write_text(for_sol(sandbox) + "spl_stake_pool = 10\n")
    with world(sandbox) as w:
        first = await cycle.run_job(w, w.settings.jobs[0])
        assert first.after is not None and first.declined is None
        held = {s.market.id: s for s in first.after.markets if s.held.raw}
        assert {s.market.protocol for s in held.values()} == kinds
        whole = wealth(first)
    lossy = r"^(save|kamino_lend|marginfi|spl_stake_pool) = \d+$"
    sandbox.config.write_text(re.sub(lossy, r"\1 = 10000", sandbox.config.read_text(), flags=re.M))
    cash = {market_id: int(state.held.raw * HELD_TO_CASH) for market_id, state in held.items()}
    for market_id, state in held.items():
        DRAINS[state.market.protocol](sandbox, state, cash[market_id])
    with world(sandbox) as w:
        second = await cycle.run_job(w, w.settings.jobs[0])
        assert second.declined is None and second.after is not None, second.declined
        assert {leg.market_id for leg, _ in second.outcomes} == set(held)
        for leg, outcome in second.outcomes:
            assert leg.kind is LegKind.WITHDRAW and isinstance(outcome, Confirmed), (leg, outcome)
            left = second.after.of(leg.market_id)
            assert left.held.raw == pytest.approx(held[leg.market_id].held.raw - cash[leg.market_id], rel=1e-3)
            assert left.liquidity.raw <= cash[leg.market_id] * 1e-3 + 10
    for state in held.values():
        DRAINS[state.market.protocol](sandbox, state, 2 * state.held.raw)
    with world(sandbox) as w:
        third = await cycle.run_job(w, w.settings.jobs[0])
        assert third.declined is None and third.after is not None
        assert all(isinstance(outcome, Confirmed) for _, outcome in third.outcomes)
        assert not any(state.held.raw for state in third.after.markets)
        assert wealth(third) == pytest.approx(whole, rel=1e-3)
