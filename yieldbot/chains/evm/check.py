"""``yieldbot check`` for an EVM chain: whether its endpoints, contracts, tokens, feeds and markets are as its file
says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.chains.evm.check_exchanges import exchanges
from yieldbot.chains.evm.check_feeds import feeds, growths
from yieldbot.chains.evm.check_registries import check_registries
from yieldbot.chains.evm.check_tables import fault_of
from yieldbot.chains.evm.erc20 import DECIMALS, SYMBOL, text_of
from yieldbot.chains.evm.execution.abi_calls import addresses_in
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.rollups import kind_fault, typical_fee
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.chains.findings import FAILED, MISCONFIGURED, Finding, Steps, why_not
from yieldbot.chains.readings import row_by_row
from yieldbot.errors import MarketError, YieldbotError
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.native import native_token
from yieldbot.model.numbers import significant
from yieldbot.model.settings import FeeKind
from yieldbot.model.text import counted
from yieldbot.model.units import GWEI
from yieldbot.protocols import adapters

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.chains.evm.node.quorum import Quorum
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.deployment import Deployment
    from yieldbot.model.settings import ChainSettings

OP_STACK = "0x42000000000000000000000000000000"
"""With what the addresses begin of contracts that every OP Stack chain has from its first block."""
MOST_ASKED = 50
"""Most contracts that are looked for before a chain is taken for another one."""


async def findings(chain: ChainSettings) -> list[Finding]:
    """Checks the chain, its contracts, tokens, feeds, markets and exchanges. Goes on after a fault where it can."""
    what = f"chain {chain.name}"
    try:
        async with connect(chain) as node:
            faults = await _endpoints(node, chain)
            if any(finding.code == MISCONFIGURED for finding in faults) or len(chain.rpc_urls) == len(faults):
                return faults
            block = await node.block()
            steps = Steps(chain.name, chain.rpc_env, node.block)
            some = len(chain.rpc_urls)
            agree = f"; {node.quorum} of {some} must agree" if some > 1 else "; one endpoint alone is believed"
            steps.add(Finding(what, f"{node.host} answers, block {block.height:,}{agree}"), *faults)
            steps.add(
                *(
                    Finding(f"{what}: {host}", why, f"check it, or replace it in {chain.rpc_env} in .env", FAILED)
                    for host, why in node.left_out
                    if not any(finding.what.endswith(host) for finding in faults)
                )
            )
            if (another := await _another_chain(node, chain, block)) is not None:
                steps.add(another)
                return steps.found
            await _contracts(steps, node, chain, block)
            return steps.found
    except (YieldbotError, ValueError, TypeError) as failure:
        return [Finding(what, *why_not(failure, chain.rpc_env), FAILED)]


async def _contracts(steps: Steps, node: Quorum, chain: ChainSettings, block: BlockRef) -> None:
    multicall = f"{chain.name} Multicall3"
    await steps.take(multicall, _coded(node, multicall, chain.multicall3, block, "multicall3"))
    await steps.take(f"{chain.name} fee_kind", _fee_kind(node, chain, block))
    for token in chain.tokens.values():
        await steps.take(f"{chain.name} token {token.symbol}", _token(node, chain, token, block))
    steps.add(
        *(
            Finding(f"{chain.name} {row}", f"in no public list: {source}")
            for row, source in sorted(chain.unlisted.items())
        )
    )
    await feeds(steps, node, chain, block)
    await growths(steps, node, chain, block)
    for deployment in chain.deployments:
        await steps.take(f"{chain.name} {deployment.name}", _markets(node, chain, deployment, block))
    await exchanges(steps, node, chain, block)
    await check_registries(steps, node, chain, block)


async def _another_chain(node: Node, chain: ChainSettings, block: BlockRef) -> Finding | None:
    """A fault if none of the tokens' and protocols' contracts is there: another chain may have the same id, such as a
    test network or a node that was started anew. Multicall3 and what every OP Stack chain has prove nothing."""
    named = (address for table in chain.deployments for address in addresses_in(list(table.params.values())))
    contracts = dict.fromkeys([*(token.address for token in chain.tokens.values()), *named])
    telling = [address for address in contracts if not address.startswith(OP_STACK)][:MOST_ASKED]
    for address in telling:
        if await node.code(address, block):
            return None
    if not telling:
        return None
    number, count = evm_number(chain.chain), len(telling)
    result = f"{node.host} says that it serves chain {number}, but none of {count} contracts of its file is there"
    remedy = f"it is another chain with the same id, such as a test network: correct {chain.rpc_env} in .env"
    return Finding(f"chain {chain.name}", result, remedy, MISCONFIGURED)


async def _endpoints(node: Quorum, chain: ChainSettings) -> list[Finding]:
    """A finding for each endpoint with a fault, including endpoints that only receive signed transactions."""
    several = len(node.endpoints) > 1
    found: list[Finding] = []
    for endpoint in (*node.endpoints, *node.submission.private):
        name = chain.submit_rpc_env if endpoint in node.submission.private else chain.rpc_env
        what = f"chain {chain.name}: {endpoint.host}" if several or name != chain.rpc_env else f"chain {chain.name}"
        try:
            number = int(await endpoint.request("eth_chainId", []), 16)
        except (YieldbotError, ValueError, TypeError) as failure:
            found.append(Finding(what, *why_not(failure, name or chain.rpc_env), FAILED))
        else:
            if number != evm_number(chain.chain):
                result = f"{endpoint.host} serves chain {number}, not {evm_number(chain.chain)}"
                found.append(Finding(what, result, f"correct {name} in .env", MISCONFIGURED))
    return found


async def _fee_kind(node: Node, chain: ChainSettings, block: BlockRef) -> Finding:
    """Whether ``fee_kind`` is right, and roughly how much a transaction pays for its L1 data now (on Linea: the
    priority fee that it must offer)."""
    what = f"{chain.name} fee_kind"
    (fee,) = await node.run([typical_fee()], block)
    if isinstance(fee, MarketError):
        return Finding(what, str(fee), f"check the connection and {chain.rpc_env} in .env", FAILED)
    if (fault := kind_fault(chain, fee.kind)) is not None:
        return Finding(what, *fault, MISCONFIGURED)
    if chain.fee_kind is FeeKind.LINEA:
        tip_wei = await fetch_tip(node, chain)
        return Finding(
            what, f"{chain.fee_kind}, a gas costs at least {significant(tip_wei / GWEI, 4)} gwei beside the base fee"
        )
    paid = f", a transaction pays about {Amount(native_token(chain), fee.tx_wei)} for its data on L1"
    return Finding(what, f"{chain.fee_kind}{paid if fee.tx_wei else ''}")


async def _token(node: Node, chain: ChainSettings, token: Token, block: BlockRef) -> Finding:
    """Whether the token's contract exists and has the configured decimals and symbol."""
    what = f"{chain.name} token {token.symbol}"
    file = f"chains/{chain.name}.toml"
    if not await node.code(token.address, block):
        return Finding(what, f"no contract at {token.address}", f"correct it in {file}", MISCONFIGURED)
    decimals = int.from_bytes((await node.call(token.address, DECIMALS, block))[-32:], "big")
    symbol = text_of(await node.call(token.address, SYMBOL, block))
    if decimals != token.decimals:
        remedy = f"correct decimals in {file}"
        return Finding(what, f"the chain says {decimals} decimals, not {token.decimals}", remedy, MISCONFIGURED)
    if symbol not in chain.symbols.get(token.address, {token.symbol}):
        remedy = f"correct the address in {file}; if it is the right one, add symbols = [{symbol!r}] to its table"
        return Finding(what, f"the chain calls {token.address} {symbol!r}", remedy, MISCONFIGURED)
    return Finding(what, f"{token.address}, {decimals} decimals")


async def _markets(node: Node, chain: ChainSettings, deployment: Deployment, block: BlockRef) -> list[Finding]:
    """Whether a configured deployment can be listed, its markets' contracts exist, and each market can be observed."""
    known = adapters()
    what = f"{chain.name} {deployment.name}"
    remedy = f"correct its table in chains/{chain.name}.toml, or remove it"
    discover = known[deployment.protocol].discover
    (listed,) = await node.run([discover(deployment)], block)
    rows = await row_by_row(node, [(deployment, listed)], discover, block)
    if lost := [(table, answer) for table, answer in rows if isinstance(answer, MarketError)]:
        return [Finding(f"{what} {table.entry}".strip(), str(one), remedy, MISCONFIGURED) for table, one in lost]
    markets = [market for _, answer in rows if not isinstance(answer, MarketError) for market in answer]
    missing = [m for m in markets if not await node.code(m.address, block)]
    if missing or not markets:
        result = f"no contract at {missing[0].address}" if missing else "it lists no market for its assets"
        return [Finding(what, result, f"correct its table in chains/{chain.name}.toml", MISCONFIGURED)]
    if (fault := await fault_of(node, deployment, block)) is not None:
        key = f"correct {fault[1]} of its table in chains/{chain.name}.toml"
        return [Finding(what, fault[0], key, MISCONFIGURED)]
    flows = [known[m.protocol].observe(m, Address("0x" + "11" * 20), block) for m in markets]
    bad = [
        (market, answer)
        for market, answer in zip(markets, await node.run(flows, block), strict=True)
        if isinstance(answer, MarketError)
    ]
    if not bad:
        return [Finding(what, counted(len(markets), "market"))]
    return [
        Finding(f"{chain.name} {market.name}", str(answer), f"it is left out until it answers: {remedy}", FAILED)
        for market, answer in bad
    ]


async def _coded(node: Node, what: str, address: Address, block: BlockRef, key: str) -> Finding:
    """Whether there is a contract at the address. key: its key in the chain's file."""
    if await node.code(address, block):
        return Finding(what, address)
    return Finding(what, f"no contract at {address}", f"correct {key} in the chain's file", MISCONFIGURED)
