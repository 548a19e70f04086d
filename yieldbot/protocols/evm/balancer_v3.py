"""Balancer v3's stable pools without hooks, named one by one in the chain's file, swapped in through Balancer's Router.

Source: balancer/balancer-v3-monorepo 0a5890a (Vault, VaultExtension, Router, StablePool). The Vault holds the tokens of
all pools. Rates come from each token's rate provider; they, the live balances and the fee are read with the pool at one
block, and our arithmetic is compared with the pool's own ``onSwap``. The Router takes tokens through Permit2, and pays
whoever calls it.

A pool of wrapped tokens (a boosted pool: ERC-4626 shares of what it is named after) is read as what it is, a pool of
those shares; balancer_boosted.py trades what they wrap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.balancer_stable import AMP_ONE, BalancerPool, BalancerVenue, curve_output
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall, Onward
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum, explain
from yieldbot.protocols.evm.swap_calls import router_of
from yieldbot.protocols.evm.uniswap_v4 import PERMIT2
from yieldbot.protocols.reads import Reads

SWAP = "swapSingleTokenExactIn"
EXACT_IN, NOBODY = 0, "0x" + 40 * "0"
OF_POOL = (
    *("getPoolTokenRates", "getCurrentLiveBalances", "getStaticSwapFeePercentage"),
    *("getHooksConfig", "isPoolPaused"),
)
OF_VAULT = ("isVaultPaused", "getMinimumTradeAmount")
"""What the Vault is asked about a pool, and about itself."""
PROBES = (10, 1000, 100_000)
"""Parts of a token's balance for which our arithmetic is compared with the pool's own."""
OF_SWAPS = slice(3, 6)
"""Places in HooksConfig of what is called in a swap: a fee of its own, before it, after it."""
REVERTS = {
    "SwapLimit": "the swap would give less than the least that was named",
    "SwapDeadline": "the swap's deadline is over",
    "PoolPaused": "the pool is paused",
    "VaultPaused": "Balancer's Vault is paused",
    "TradeAmountTooSmall": "the Vault refuses so little",
    "MaxImbalanceRatioExceeded": "the pool would be too uneven",
    "AllowanceExpired": "what Permit2 was allowed to let the router take is over",
    "InsufficientAllowance": "Permit2 is not allowed to let the router take so much",
}


class BalancerParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")

    vault: str
    """Balancer's Vault."""
    pools: list[str] = Field(min_length=1)
    """Addresses of stable pools."""
    router: str | None = None
    """Balancer's Router of that Vault (one that names it, as those of 2025 do); None: pools are read, and nothing is
    swapped there."""
    permit2: str = PERMIT2
    """Permit2, through which the Router takes tokens."""


def coins_of(deployment: Deployment) -> Flow[dict[Address, tuple[Address, ...]]]:
    """The coins of each listed pool, by its address. Raises MarketError for one that is no pool of the Vault."""
    codec, vault = abi(BalancerV3.protocol), checksum(deployment.params["vault"])
    addresses = [checksum(text) for text in deployment.params["pools"]]
    answers = yield [codec.read(vault, "getPoolTokens", at, optional=True) for at in addresses]
    found = {}
    for at, data in zip(addresses, answers, strict=True):
        if not data:
            raise MarketError(f"{deployment.name}: {at} is no pool of the Vault {vault}")
        found[at] = tuple(checksum(one) for one in codec.decode("getPoolTokens", data)[0])
    return found


def listed_pools(
    protocol: str,
    deployment: Deployment,
    pairs: Sequence[tuple[Token, Token]],
    ends: Mapping[Address, tuple[Address, ...]],
    own: Callable[[Address], Mapping[str, Any]],
) -> tuple[Pool, ...]:
    """A pool for each wanted pair of the tokens that each of a Vault's pools swaps (ends); a token that stands twice
    in one is left out. own: the adapter's parameters of an address."""
    listed = {token.address: token for pair in pairs for token in pair}
    wanted, found = {frozenset(pair) for pair in pairs}, list[Pool]()
    for at, tokens in ends.items():
        name = " ".join([deployment.name, "/".join(listed[c].symbol if c in listed else "?" for c in tokens)])
        params = {
            **{"vault": checksum(deployment.params["vault"]), "pool": at, "alone": True},
            "router": deployment.params.get("router"),
            "permit2": deployment.params.get("permit2") or PERMIT2,
            **own(at),
        }
        known = [listed[one] for one in tokens if one in listed and tokens.count(one) == 1]
        found += [Pool(protocol, name, at, a, b, params) for a, b in combinations(known, 2) if {a, b} in wanted]
    return tuple(found)


class BalancerV3:
    """Stable pools of one Vault."""

    protocol: ClassVar[str] = "balancer_v3"
    params: ClassVar[type[BaseModel]] = BalancerParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        coins = yield from coins_of(deployment)
        return listed_pools(self.protocol, deployment, pairs, coins, lambda at: {"coins": coins[at]})

    def observe(self, pool: Pool) -> Flow[PoolState]:
        i, j = (pool.params["coins"].index(token.address) for token in (pool.token0, pool.token1))
        state = yield from state_of(pool, i, j)
        return PoolState(pool, BalancerVenue(state, i, j), BalancerVenue(state, j, i), SWAPS[self.protocol])

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """Its balances by the Vault's accounts."""
        codec, coins = abi(self.protocol), pool.params["coins"]
        (answer,) = yield [codec.read(pool.params["vault"], "getPoolTokenInfo", pool.address)]
        balances = codec.decode("getPoolTokenInfo", answer)[2]
        zero, one = (balances[coins.index(token.address)] for token in (pool.token0, pool.token1))
        return zero, one

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        (pool,), router = self._one(pools), router_of(pools)
        tokens_along(pools, given.token, least.token)
        ends = (pool.address, given.token.address, least.token.address)
        data = abi(self.protocol).encode(SWAP, *ends, given.raw, least.raw, deadline, False, b"")
        allowance = Allowance(given.token, checksum(pool.params["permit2"]), given.raw, Onward(router, deadline))
        return (EvmCall(router, data, 0, swap_description(pools, given, least), allowance, least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(self._one(pools)): frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return router_of(self._one(pools)), checksum(pools[0].params["permit2"])

    def explain_revert(self, data: bytes) -> str | None:
        message = explain(self.protocol, data)
        return REVERTS.get(message.partition("(")[0], message) if message is not None else None

    def _one(self, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        if len(pools) != 1:
            raise MarketError("Balancer's pools are swapped in one at a time: its Router takes one")
        return pools


def state_of(pool: Pool, i: int, j: int) -> Flow[BalancerPool]:
    """The state of a pool without hooks, compared with the pool's own ``onSwap`` of its coins i and j."""
    codec, at, vault, coins = abi(BalancerV3.protocol), pool.address, pool.params["vault"], pool.params["coins"]
    reads = Reads()
    rows = {name: reads.add(codec.read(vault, name, at)) for name in OF_POOL}
    rows |= {name: reads.add(codec.read(vault, name)) for name in OF_VAULT}
    rows["getAmplificationParameter"] = reads.add(codec.read(at, "getAmplificationParameter"))
    yield from reads.made()
    answers = {name: codec.decode(name, one.data) for name, one in rows.items()}
    (hooks,), (amp, changing, precision) = answers["getHooksConfig"], answers["getAmplificationParameter"]
    if any(hooks[OF_SWAPS]):
        raise MarketError(f"{pool.name} ({at}) has a hook ({checksum(hooks[-1])}) that its swaps depend on")
    if answers["isPoolPaused"][0] or answers["isVaultPaused"][0]:
        raise MarketError(f"{pool.name} ({at}) is paused")
    if changing or precision != AMP_ONE:
        raise MarketError(f"{pool.name} ({at}): its amplification is being changed")
    scaling, rates = answers["getPoolTokenRates"]
    state = BalancerPool(
        balances=tuple(answers["getCurrentLiveBalances"][0]),
        scaling=tuple(scaling),
        rates=tuple(rates),
        amp=amp,
        fee=answers["getStaticSwapFeePercentage"][0],
        least=answers["getMinimumTradeAmount"][0],
    )
    if not len(coins) == len(state.balances) == len(state.rates) or not all((*state.balances, *state.rates, amp)):
        raise MarketError(f"{pool.name} ({at}) is empty")
    yield from _compared(pool, state, i, j)
    return state


def _compared(pool: Pool, state: BalancerPool, i: int, j: int) -> Flow[None]:
    """Raise MarketError if the pool's own ``onSwap`` differs from ours."""
    codec, balances = abi(BalancerV3.protocol), list(state.balances)
    probes = [(a, b, balances[a] // part) for a, b in ((i, j), (j, i)) for part in PROBES]
    answers = yield [
        codec.read(pool.address, "onSwap", (EXACT_IN, added, balances, a, b, NOBODY, b""), optional=True)
        for a, b, added in probes
    ]
    for (a, b, added), data in zip(probes, answers, strict=True):
        try:
            ours = curve_output(state, a, b, added)
        except Unswappable:
            ours = None
        if not data or codec.one("onSwap", data) != ours:
            raise MarketError(f"{pool.name} ({pool.address}) is no stable pool of Balancer v3: it computes otherwise")


EXCHANGE = BalancerV3()
