"""Balancer v3's boosted pools: stable pools of ERC-4626 shares, for swaps of what the shares wrap.

Source: balancer/balancer-v3-monorepo 0a5890a (Vault, VaultAdmin, VaultExtension, BatchRouter). One call of the
BatchRouter wraps what goes in, swaps the shares in the pool, and unwraps what comes out. The Vault wraps through a
buffer of both, or by the ERC-4626 vault itself where the buffer has too little; the output is the same. A coin without
a buffer stays as it is. The BatchRouter of December 2024 (74d7068) takes the same path; it names no Vault, so that only
a rehearsal shows a wrong one. Rates are read from the ERC-4626 vaults' own previews, and compared with them at other
amounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.balancer_stable import BalancerPool, BalancerVenue
from yieldbot.math.wrapping import LARGE, BoostedVenue, Wrapping, converted, most_in
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, Venue, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall, Onward
from yieldbot.model.units import WAD
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum, explain
from yieldbot.protocols.evm.balancer_v3 import PROBES, REVERTS, BalancerV3, coins_of, listed_pools, state_of
from yieldbot.protocols.evm.swap_calls import router_of
from yieldbot.protocols.evm.uniswap_v4 import PERMIT2
from yieldbot.protocols.reads import Reads

SWAP = "swapExactIn"
NOBODY = "0x" + 40 * "0"
PREVIEWS = ("previewDeposit", "previewRedeem")
OTHERS = {
    "WrapAmountTooSmall": "the Vault wraps no amount so small",
    "VaultBuffersArePaused": "the Vault's buffers are paused",
    "NotEnoughUnderlying": "an ERC-4626 vault gave less of its asset than it said",
    "NotEnoughWrapped": "an ERC-4626 vault gave fewer shares than it said",
}

Wrapper = tuple[Wrapping, Wrapping]
"""(into an ERC-4626 vault's shares, out of them)."""


class BoostedParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    vault: str
    """Balancer's Vault."""
    pools: list[str] = Field(min_length=1)
    """Addresses of stable pools of ERC-4626 shares."""
    router: str | None = None
    """Balancer's BatchRouter of that Vault; None: pools are read, and nothing is swapped there."""
    permit2: str = PERMIT2
    """Permit2, through which the BatchRouter takes tokens."""


class BalancerBoosted:
    """Boosted pools of one Vault."""

    protocol: ClassVar[str] = "balancer_boosted"
    params: ClassVar[type[BaseModel]] = BoostedParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, vault = abi(self.protocol), checksum(deployment.params["vault"])
        coins = yield from coins_of(deployment)
        every = list(dict.fromkeys(coin for one in coins.values() for coin in one))
        answers = yield [codec.read(vault, "getERC4626BufferAsset", coin) for coin in every]
        assets = {}
        for coin, data in zip(every, answers, strict=True):
            asset = codec.one("getERC4626BufferAsset", data)
            assets[coin] = coin if asset == NOBODY else asset
        ends = {at: tuple(assets[coin] for coin in one) for at, one in coins.items()}
        own = lambda at: {"coins": coins[at], "underlying": ends[at]}  # noqa: E731
        return listed_pools(self.protocol, deployment, pairs, ends, own)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        ends = pool.params["underlying"]
        i, j = (ends.index(token.address) for token in (pool.token0, pool.token1))
        state = yield from state_of(pool, i, j)
        wrappers = yield from _wrappers(pool, state, (i, j))
        zero, one = (_venue(state, wrappers, a, b) for a, b in ((i, j), (j, i)))
        return PoolState(pool, zero, one, SWAPS[self.protocol])

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """What its shares are worth, in base units of what they wrap."""
        codec, coins, ends = abi(BalancerV3.protocol), pool.params["coins"], pool.params["underlying"]
        places = [ends.index(token.address) for token in (pool.token0, pool.token1)]
        (answer,) = yield [codec.read(pool.params["vault"], "getPoolTokenInfo", pool.address)]
        shares = [codec.decode("getPoolTokenInfo", answer)[2][place] for place in places]
        own, reads = abi(self.protocol), Reads()
        worth = [
            reads.add(own.read(coins[place], "previewRedeem", raw)) if coins[place] != ends[place] else None
            for place, raw in zip(places, shares, strict=True)
        ]
        yield from reads.made()
        zero, one = (
            raw if row is None else own.one("previewRedeem", row.data) for raw, row in zip(shares, worth, strict=True)
        )
        return zero, one

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        (pool,), router = self._one(pools), router_of(pools)
        tokens_along(pools, given.token, least.token)
        coins, ends = pool.params["coins"], pool.params["underlying"]
        i, j = (ends.index(amount.token.address) for amount in (given, least))
        steps = [(coins[i], coins[i], True)] if coins[i] != ends[i] else []
        steps += [(pool.address, coins[j], False)]
        steps += [(coins[j], ends[j], True)] if coins[j] != ends[j] else []
        path = (given.token.address, steps, given.raw, least.raw)
        data = abi(self.protocol).encode(SWAP, [path], deadline, False, b"")
        allowance = Allowance(given.token, checksum(pool.params["permit2"]), given.raw, Onward(router, deadline))
        return (EvmCall(router, data, 0, swap_description(pools, given, least), allowance, least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(self._one(pools)): frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return router_of(self._one(pools)), checksum(pools[0].params["permit2"])

    def explain_revert(self, data: bytes) -> str | None:
        message = explain(self.protocol, data)
        return (REVERTS | OTHERS).get(message.partition("(")[0], message) if message is not None else None

    def _one(self, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        if len(pools) != 1:
            raise MarketError("Balancer's boosted pools are swapped in one at a time")
        return pools


def _venue(state: BalancerPool, wrappers: dict[int, Wrapper], i: int, j: int) -> Venue:
    into, out_of = (wrappers[k][way] if k in wrappers else None for k, way in ((i, 0), (j, 1)))
    return BoostedVenue(into, BalancerVenue(state, i, j), out_of)


def _wrappers(pool: Pool, state: BalancerPool, places: tuple[int, int]) -> Flow[dict[int, Wrapper]]:
    """What wraps each of the coins that has a buffer, compared with the ERC-4626 vault's own previews."""
    codec, vault, coins = abi(BalancerBoosted.protocol), pool.params["vault"], pool.params["coins"]
    boosted = [k for k in places if coins[k] != pool.params["underlying"][k]]
    reads = Reads()
    paused, least = (reads.add(codec.read(vault, name)) for name in ("areBuffersPaused", "getMinimumWrapAmount"))
    held = {k: reads.add(codec.read(vault, "getBufferBalance", coins[k])) for k in boosted}
    previews = {k: reads.group(codec.read(coins[k], name, LARGE, optional=True) for name in PREVIEWS) for k in boosted}
    ready = {k: reads.group(codec.read(coins[k], n, vault) for n in ("maxDeposit", "maxRedeem")) for k in boosted}
    sizes = {k: state.balances[k] * WAD // (state.scaling[k] * state.rates[k]) for k in boosted}
    probes = [(k, name, sizes[k] // part) for k in boosted for name in PREVIEWS for part in PROBES]
    asked = reads.group(codec.read(coins[k], name, raw, optional=True) for k, name, raw in probes)
    yield from reads.made()
    if boosted and codec.one("areBuffersPaused", paused.data):
        raise MarketError(f"{pool.name} ({pool.address}): the Vault's buffers are paused")
    found, rates = dict[int, Wrapper](), dict[tuple[int, str], int]()
    for k in boosted:
        if not all(previews[k].data):
            raise MarketError(f"{pool.name} ({pool.address}): {coins[k]} quotes no large amounts")
        into, out_of = (codec.one(name, data) for name, data in zip(PREVIEWS, previews[k].data, strict=True))
        taken, paid = (codec.one(n, data) for n, data in zip(("maxDeposit", "maxRedeem"), ready[k].data, strict=True))
        assets, shares = codec.decode("getBufferBalance", held[k].data)
        smallest = codec.one("getMinimumWrapAmount", least.data)
        found[k] = (
            Wrapping(into, smallest, most_in(into, shares, taken, assets)),
            Wrapping(out_of, smallest, most_in(out_of, assets, paid, shares)),
        )
        rates |= {(k, "previewDeposit"): into, (k, "previewRedeem"): out_of}
    for (k, name, raw), data in zip(probes, asked.data, strict=True):
        if not data or codec.one(name, data) != converted(raw, rates[k, name]):
            raise MarketError(f"{pool.name} ({pool.address}): {coins[k]} has no single rate: it quotes otherwise")
    return found


EXCHANGE = BalancerBoosted()
