"""Our integer arithmetic against the chain's own numbers, to the unit, after days in which nobody touched the pools."""

from tests.bench.accuracy import Accuracy
from yieldbot.model.ids import Address
from yieldbot.model.market import Market
from yieldbot.protocols.evm.aave_v3 import reserve, reserve_reads
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.morpho_blue import blue_market, blue_reads

NEEDS: tuple[str, ...] = ()
DAYS_17 = 17 * 86_400 + 4321
SELECTORS = {
    "totalSupply()": "18160ddd",
    "totalBorrow()": "8285ef40",
    "getUtilization()": "7eb71131",
    "getSupplyRate(uint256)": "d955759d",
    "accrueInterest((address,address,address,address,uint256))": "151c1ade",
}


async def number(chain: Accuracy, to: str, function: str, argument: int | None = None) -> int:
    data = bytes.fromhex(SELECTORS[function]) + (b"" if argument is None else argument.to_bytes(32, "big"))
    return int.from_bytes(await chain.node.call(Address(to), data), "big")


async def of(chain: Accuracy, protocol: str) -> list[Market]:
    return [m for m in await chain.markets() if m.protocol == protocol]


async def raw_reserve(chain: Accuracy, market: Market) -> tuple[list[bytes], int]:
    """What a reserve stores at the newest block, undecoded, and that block's time."""
    block = await chain.node.block()
    reads = reserve_reads(market.params, market.asset.address)
    return [await chain.node.call(r.to, r.data, block) for r in reads], block.timestamp


async def test_aave_totals_after_days_untouched(chain: Accuracy) -> None:
    await chain.wait(DAYS_17)
    for market in await of(chain, "aave_v3"):
        answers, now = await raw_reserve(chain, market)
        found = reserve(market.params, answers, now).indices
        assert found.supplied_raw == await number(chain, market.params["a_token"], "totalSupply()")
        assert found.debt_raw == await number(chain, market.params["debt_token"], "totalSupply()")


async def test_aave_stores_what_we_computed(chain: Accuracy) -> None:
    """Indices and unminted treasury fees, accrued to a transaction's second, are what that transaction then stores."""
    takers = [m for m in await of(chain, "aave_v3") if not {"at-cap", "frozen"} & {*(await chain.state(m)).flags}]
    assert takers
    for market in takers:
        await chain.wait(DAYS_17)
        answers, _ = await raw_reserve(chain, market)
        await chain.deposit(market, 10**6, chain.owner)
        stored, now = await raw_reserve(chain, market)
        ours, theirs = reserve(market.params, answers, now).indices, reserve(market.params, stored, now).indices
        assert ours.liquidity_index_ray == theirs.liquidity_index_ray > 10**27
        assert ours.borrow_index_ray == theirs.borrow_index_ray > 10**27
        assert ours.scaled_treasury_raw == theirs.scaled_treasury_raw > 0
        assert ours.debt_raw == theirs.debt_raw


async def test_comet_totals_after_days_untouched(chain: Accuracy) -> None:
    await chain.wait(DAYS_17)
    for market in await of(chain, "compound_v3"):
        state = await chain.state(market)
        assert state.borrowed is not None
        assert state.supplied.raw == await number(chain, market.address, "totalSupply()")
        assert state.borrowed.raw == await number(chain, market.address, "totalBorrow()")
        used = await number(chain, market.address, "getUtilization()")
        rate = await number(chain, market.address, "getSupplyRate(uint256)", used)
        assert state.quoted.value == rate * 31_536_000 / 10**18


async def test_morpho_stores_what_we_computed(chain: Accuracy) -> None:
    """Totals, shares and rate at target, accrued to a transaction's second, are what accrueInterest then stores."""
    from eth_abi.abi import encode

    await chain.wait(DAYS_17)
    for market in await of(chain, "morpho_blue"):
        stale = await chain.node.block()
        reads = blue_reads(market.address, market.params["irm"], bytes.fromhex(market.params["id"]))
        answers = [await chain.node.call(r.to, r.data, stale) for r in reads]
        terms = tuple(market.params[k] for k in ("loan", "collateral", "oracle", "irm", "lltv"))
        call = bytes.fromhex(SELECTORS["accrueInterest((address,address,address,address,uint256))"])
        await chain.send(market.address, call + encode(["(address,address,address,address,uint256)"], [terms]))
        block = await chain.node.block()
        ours = blue_market(answers, block.timestamp)
        stored = abi("morpho_blue").decode("market", await chain.node.call(reads[0].to, reads[0].data, block))
        assert ours.totals.last_update == stored[4] == block.timestamp
        assert (
            ours.totals.supply_assets,
            ours.totals.supply_shares,
            ours.totals.borrow_assets,
            ours.totals.borrow_shares,
        ) == stored[:4]
        rate = await chain.node.call(reads[1].to, reads[1].data, block)
        assert ours.rate_at_target == abi("morpho_blue").one("rateAtTarget", rate)
