"""Incentives on a sandbox: Aave's real RewardsController, emission manager and transfer strategy paying for aUSDC, and
the doubles of CometRewards and Merkl's Distributor; with a token of 18 decimals that has a feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eth_utils import keccak, to_checksum_address

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.settings import ChainSettings
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import compiled, own, packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer

ONE = 10**18
AAVE_PER_SECOND = 3 * 10**15
"""Base units a second: about 94,600 tokens a year."""
COMET_SPEED = 2 * 10**12
"""Comet's tracking speed, in units of 1e-15 tokens a second: about 63,000 tokens a year."""


@dataclass(frozen=True, slots=True)
class Incentives:
    """The deployed contracts. ends_at: end of Aave's distribution, in unix seconds."""

    d: Deployer
    token: Contract
    feed: Contract
    controller: Address
    comet_rewards: Contract
    distributor: Contract
    ends_at: int

    def chain(self, settings: ChainSettings, *, priced: bool = True) -> ChainSettings:
        """The chain's settings with the incentives configured."""
        token = Token(settings.chain, self.token.address, "RWD", 18)
        keys = {
            "aave_v3": {"rewards_controller": self.controller},
            "compound_v3": {"rewards": self.comet_rewards.address},
        }
        return replace(
            settings,
            tokens={**settings.tokens, "RWD": token},
            feeds=settings.feeds | ({self.token.address: self.feed.address} if priced else {}),
            deployments=tuple(
                replace(d, params={**d.params, **keys.get(d.protocol, {})})
                if d.name in ("Aave v3", "Compound v3 (double)")
                else d
                for d in settings.deployments
            ),
        )


async def pay_in_weth(node: Node, addresses: Mapping[str, str]) -> None:
    """Let Aave's controller pay 0.01 WETH an hour for aUSDC, a reward that the sandbox's exchange trades."""
    aave = compiled()["aave"]
    d = Deployer(node, [Address(to_checksum_address(a)) for a in await node.request("eth_accounts", [])])
    vault, controller = d.accounts[7], Address(addresses["aave_rewards"])
    weth = Contract(addresses["weth"], packaged("@uniswap/v2-periphery/build/WETH9.json").abi)
    await d.send(weth, "deposit", sender=vault, value_wei=50 * ONE)
    strategy = await d.deploy(aave["PullRewardsTransferStrategy"], controller, d.me, vault)
    await d.send(weth, "approve", strategy.address, MAX_UINT256, sender=vault)
    emissions = Contract(addresses["aave_emissions"], aave["EmissionManager"].abi)
    await d.send(emissions, "setEmissionAdmin", weth.address, d.me)
    pool = Contract(addresses["aave_pool"], aave["PoolInstance"].abi)
    a_token = to_checksum_address(await d.read_address(pool, "getReserveAToken", addresses["usdc"]))
    ends_at = (await node.block()).timestamp + 90 * 86_400
    config = (ONE // 100 // 3600, 0, ends_at, a_token, weth.address, strategy.address, addresses["weth_feed"])
    await d.send(emissions, "configureAssets", [config])


async def deploy(node: Node, addresses: Mapping[str, str], days: int = 90, usd: float = 2.0) -> Incentives:
    """Deploy and fund all distributors; Aave's pays for ``days``, Comet's without end."""
    ours, aave = own(), compiled()["aave"]
    d = Deployer(node, [Address(to_checksum_address(a)) for a in await node.request("eth_accounts", [])])
    token = await d.deploy(ours["TestToken"], "Reward", "RWD", 18)
    feed = await d.deploy(ours["PriceFeed"], "RWD / USD", int(usd * 10**8))
    vault = d.accounts[8]
    await d.send(token, "mint", vault, 10**7 * ONE)
    controller = Address(addresses["aave_rewards"])
    strategy = await d.deploy(aave["PullRewardsTransferStrategy"], controller, d.me, vault)
    await d.send(token, "approve", strategy.address, MAX_UINT256, sender=vault)
    emissions = Contract(addresses["aave_emissions"], aave["EmissionManager"].abi)
    await d.send(emissions, "setEmissionAdmin", token.address, d.me)
    pool = Contract(addresses["aave_pool"], aave["PoolInstance"].abi)
    a_token = to_checksum_address(await d.read_address(pool, "getReserveAToken", addresses["usdc"]))
    ends_at = (await node.block()).timestamp + days * 86_400
    await d.send(
        emissions,
        "configureAssets",
        [(AAVE_PER_SECOND, 0, ends_at, a_token, token.address, strategy.address, feed.address)],
    )
    comet = Contract(addresses["comet"], ours["CometDouble"].abi)
    comet_rewards = await d.deploy(ours["CometRewardsDouble"])
    await d.send(comet_rewards, "setRewardConfig", comet.address, token.address)
    await d.send(token, "mint", comet_rewards.address, 10**7 * ONE)
    await d.send(comet, "setTracking", COMET_SPEED, 10**12)
    distributor = await d.deploy(ours["MerklDistributorDouble"])
    await d.send(token, "mint", distributor.address, 10**6 * ONE)
    return Incentives(d, token, feed, controller, comet_rewards, distributor, ends_at)


def leaf(user: str, token: str, total_raw: int) -> bytes:
    """A leaf of Merkl's tree: keccak256(abi.encode(user, token, amount))."""
    words = (bytes(12) + bytes.fromhex(user[2:]), bytes(12) + bytes.fromhex(token[2:]), total_raw.to_bytes(32, "big"))
    return bytes(keccak(b"".join(words)))


def tree(leaves: list[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """(the Merkle root, each leaf's siblings); pairs are hashed in ascending order, an odd node is carried up."""
    proofs: list[list[bytes]] = [[] for _ in leaves]
    level: list[tuple[bytes, list[int]]] = [(node, [i]) for i, node in enumerate(leaves)]
    while len(level) > 1:
        above = []
        for (left, mine), *rest in (level[i : i + 2] for i in range(0, len(level), 2)):
            if not rest:
                above.append((left, mine))
                continue
            right, theirs = rest[0]
            for i in mine:
                proofs[i].append(right)
            for i in theirs:
                proofs[i].append(left)
            above.append((bytes(keccak(b"".join(sorted((left, right))))), mine + theirs))
        level = above
    return level[0][0], proofs


def answer(chain: int, rewards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An answer of Merkl's API (v4 users/{address}/rewards), built from its documentation."""
    return [{"chain": {"id": chain, "name": "sandbox"}, "rewards": rewards}]
