"""``yieldbot check`` of a Solana cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yieldbot.chains.findings import FAILED, MISCONFIGURED, Finding, Steps
from yieldbot.chains.readings import row_by_row
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.prices import feed_price
from yieldbot.chains.solana.swap_pools import add_listings, add_states
from yieldbot.errors import ConfigError, HttpRefused, MarketError, NodeRefused, TransientError
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.numbers import significant
from yieldbot.model.text import counted
from yieldbot.protocols import svm_adapters
from yieldbot.protocols.solana.idle import mint_of
from yieldbot.rpc.flows import Flows, Handle

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.deployment import Deployment
    from yieldbot.model.exchange import Pool
    from yieldbot.model.ids import Address
    from yieldbot.model.settings import ChainSettings


async def findings(chain: ChainSettings) -> list[Finding]:
    """Checks that each node serves the cluster, and that the first working one can read mints, price accounts,
    deployments and exchanges."""
    what = f"chain {chain.name}"
    async with connect(chain) as nodes:
        found: list[Finding] = []
        sound: list[Node] = []
        some = len(nodes.nodes)
        agree = f"; {nodes.quorum} of {some} must agree" if some > 1 else "; one endpoint alone is believed"
        for node in nodes.nodes:
            try:
                await node.verify_chain()
                block = await node.block()
                sound.append(node)
                found.append(Finding(what, f"{node.host} answers, slot {block.height:,}{agree}"))
            except ConfigError as wrong:
                result, _, remedy = str(wrong).partition(": ")
                found.append(Finding(f"{what}: {node.host}", result, remedy, MISCONFIGURED))
            except TransientError as failure:
                message = failure.remedy if isinstance(failure, HttpRefused | NodeRefused) else ""
                remedy = message or f"check the connection and {chain.rpc_env} in .env; another provider may help"
                message = failure.what if isinstance(failure, HttpRefused | NodeRefused) else str(failure)
                result = message.removeprefix(f"{node.host} ")  # most of them begin with who failed
                found.append(Finding(f"{what}: {node.host}", result, remedy, FAILED))
        if len(sound) < nodes.quorum:
            return found
        node = sound[0]
        block = await node.block()
        steps = Steps(chain.name, chain.rpc_env, node.block)
        steps.add(*found)
        for token in chain.tokens.values():
            await steps.take(f"{chain.name} {token.symbol}", _token(node, chain, token, block))
        await _feeds(steps, node, chain, block)
        for deployment in chain.deployments:
            await steps.take(f"{chain.name} {deployment.name}", _deployment(node, chain, deployment, block))
        await steps.take(f"{chain.name} exchanges", _exchanges(node, chain, block))
        return steps.found


async def _token(node: Node, chain: ChainSettings, token: Token, block: BlockRef) -> Finding:
    """Whether the mint exists and has the configured decimals."""
    what, key = f"{chain.name} {token.symbol}", f"chains/{chain.name}.toml: tokens.{token.symbol}"
    (answer,) = await node.run([mint_of(token.address)], block)
    if isinstance(answer, MarketError):
        return Finding(what, str(answer), f"correct {key}.address", MISCONFIGURED)
    if answer.decimals != token.decimals:
        return Finding(what, f"the mint has {answer.decimals} decimals", f"correct {key}.decimals", MISCONFIGURED)
    return Finding(what, f"a mint of {answer.decimals} decimals")


async def _feeds(steps: Steps, node: Node, chain: ChainSettings, block: BlockRef) -> None:
    """Whether each token's price account can be read."""
    feeds = {"[native] feed": chain.native_feed} | {
        f"feed of {token.symbol}": chain.feeds.get(token.address)
        for token in chain.tokens.values()
        if token.address != WRAPPED_SOL
    }
    for key, feed in feeds.items():
        what = f"{chain.name} {key}"
        if feed is None:
            remedy = f"name a Pyth price account in chains/{chain.name}.toml: without it fees have no price"
            steps.add(Finding(what, "is not named", remedy, MISCONFIGURED))
        else:
            await steps.take(what, _feed(node, chain, what, feed, block))


async def _feed(node: Node, chain: ChainSettings, what: str, feed: Address, block: BlockRef) -> Finding:
    (answer,) = await node.run([feed_price(feed, block.timestamp)], block)
    if isinstance(answer, MarketError):
        return Finding(what, str(answer), f"correct it in chains/{chain.name}.toml", MISCONFIGURED)
    return Finding(what, f"${answer.usd:z,.4f}")


async def _deployment(node: Node, chain: ChainSettings, deployment: Deployment, block: BlockRef) -> list[Finding]:
    """Whether the deployment's markets can be listed."""
    what = f"{chain.name} {deployment.name}"
    discover: Any = svm_adapters()[deployment.protocol].discover
    (listed,) = await node.run([discover(deployment)], block)
    rows = await row_by_row(node, [(deployment, listed)], discover, block)
    if lost := [(table, answer) for table, answer in rows if isinstance(answer, MarketError)]:
        remedy = f"correct its row in chains/{chain.name}.toml"
        return [Finding(f"{what} {table.entry}".strip(), str(one), remedy, MISCONFIGURED) for table, one in lost]
    return [
        Finding(
            what, counted(len([one for _, answer in rows if isinstance(answer, tuple) for one in answer]), "market")
        )
    ]


async def _exchanges(node: Node, chain: ChainSettings, block: BlockRef) -> list[Finding]:
    """Whether each exchange and price oracle can be listed, each pool can be swapped in, and each oracle has a
    price."""
    flows = Flows()
    listed = add_listings(flows, chain)
    if not flows.handles:
        return []
    await flows.run(node, block)
    found = []
    for row, listing in (*listed.exchanges, *listed.oracles):
        if isinstance(listing.answer, MarketError):
            remedy = f"correct its row in chains/{chain.name}.toml"
            found.append(Finding(f"{chain.name} {row.name}", str(listing.answer), remedy, MISCONFIGURED))
    flows = Flows()
    pools = add_states(flows, listed.found, chain.tokens.values(), block)
    await flows.run(node, block)
    read: list[tuple[Pool, Handle[Any]]] = [*pools.states, *pools.prices]
    for pool, handle in read:
        what, answer = f"{chain.name} {pool.name} {pool.token0.symbol}/{pool.token1.symbol}", handle.answer
        if isinstance(answer, MarketError):
            found.append(Finding(what, str(answer), "no swap uses its price while that lasts", FAILED))
        elif isinstance(answer, tuple):
            message, price = answer
            words = (
                f"{significant(price, 6)} {pool.token1.symbol} a {pool.token0.symbol} by its {message.params['says']}"
            )
            found.append(Finding(what, words))
        else:
            found.append(Finding(what, "can be swapped in"))
    return found
