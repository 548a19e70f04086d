"""``yieldbot check``: is everything there that a run needs? One line each, with the remedy where it is not.

Exit codes: 0 all is well; 1 something cannot be reached now; 2 something is configured wrongly (2 wins over 1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from yieldbot.cli import documents as docs
from yieldbot.cli.check_exchanges import exchanges
from yieldbot.cli.check_exits import no_way_out
from yieldbot.cli.check_leftovers import left_over
from yieldbot.cli.check_svm import svm_chain
from yieldbot.cli.findings import FAILED, MISCONFIGURED, Finding
from yieldbot.cli.halt import stopped_accounts
from yieldbot.cli.wiring import OPENING, keyed_urls_in_env, passphrases_in_env, signers
from yieldbot.erc20 import DECIMALS, SYMBOL, text_of
from yieldbot.errors import ConfigError, HttpRefused, MarketError, NodeRefused, YieldbotError
from yieldbot.execution.account import native_token
from yieldbot.execution.halt import halted
from yieldbot.execution.keystore import KeystoreSigner, is_given, passphrase
from yieldbot.execution.safe import state_of
from yieldbot.execution.svm.keystore import SvmKeySigner
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.policy import SafeOwner
from yieldbot.protocols import adapters
from yieldbot.rollups import kind_fault, typical_fee
from yieldbot.rpc.anvil import find_anvil
from yieldbot.rpc.connect import connect

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.context import Context
    from yieldbot.cli.main import Listed
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.policy import ChainSettings, Wallet
    from yieldbot.rpc.evm import EvmNode
    from yieldbot.rpc.quorum import QuorumNode


def register(listed: Listed) -> None:
    parser = listed.add_parser("check")
    parser.set_defaults(command="check", handler=check)


def check(args: argparse.Namespace, context: Context) -> int:
    settings = context.settings
    found = [Finding(str(settings.source), f"{len(settings.wallets)} wallets, {len(settings.jobs)} jobs")]
    found += [Finding("yieldbot.toml", said, "take it out unless the market is meant") for said in settings.warnings]
    if not settings.jobs:
        found.append(Finding("jobs", "there is none", "add a [[jobs]] table: wallet, chain, asset", MISCONFIGURED))
    found.append(_anvil(context))
    found += _stops(context)
    found += no_way_out(context)
    found += _env(context)
    found += [_wallet(context, wallet) for wallet in settings.wallets.values()]
    found += asyncio.run(_chains(settings.chains.values()))
    found += asyncio.run(_safes(context))
    found += asyncio.run(left_over(context))
    code = max(finding.code for finding in found)
    rows = [{"what": f.what, "ok": f.code == 0, "said": f.said, "remedy": f.remedy or None} for f in found]
    context.show(docs.document("check", ok=code == 0, exit_code=code, checks=rows), lambda: _lines(found))
    return code


def _lines(found: list[Finding]) -> Any:
    lines = Text()
    for finding in found:
        lines.append("ok    " if finding.code == 0 else "FAIL  ", style="green" if finding.code == 0 else "bold red")
        lines.append(f"{finding.what}: {finding.said}")
        lines.append(f"; {finding.remedy}\n" if finding.remedy else "\n")
    lines.rstrip()
    return lines


def _anvil(context: Context) -> Finding:
    try:
        return Finding("anvil", str(find_anvil(context.settings.anvil)))
    except ConfigError as missing:
        return Finding("anvil", "no rehearsal is possible", str(missing), MISCONFIGURED)


def _stops(context: Context) -> list[Finding]:
    """What keeps the bot from signing although all is configured well: a halt, stopped accounts, a damaged journal."""
    found = []
    if (reason := halted(context.settings.data_dir)) is not None:
        found.append(Finding("halt", f"nothing is signed or sent ({reason})", "`yieldbot resume` lifts it", FAILED))
    try:
        stopped = stopped_accounts(context)
    except YieldbotError as fault:
        return [*found, Finding("journal", str(fault), "nothing is signed meanwhile", FAILED)]
    clear = "look at it, then `yieldbot resume --clear`"
    found += [
        Finding(f"account {owner} on {chain}", f"it is stopped: {why}", clear, FAILED)
        for (chain, owner), why in stopped.items()
    ]
    return found


def _env(context: Context) -> list[Finding]:
    """.env, where it holds a passphrase, or an RPC URL with a provider's key in it."""
    holds = "a passphrase"
    try:
        file = passphrases_in_env(context)
        if file is None:
            holds = "an RPC URL with a key"
            file = keyed_urls_in_env(context)
    except ConfigError as fault:
        return [Finding(".env", f"it holds {holds}", str(fault), MISCONFIGURED)]
    return [Finding(str(file), f"it holds {holds} and is private")] if file else []


def _wallet(context: Context, wallet: Wallet) -> Finding:
    """The wallet's key can be used and is of its address: the keystore, AWS KMS or the Ledger is asked."""
    if wallet.kind == "safe":
        return Finding(f"wallet {wallet.name}", f"{wallet.address}, a Safe: looked at with its chain")
    return _keystore(context, wallet) if wallet.held is None else _held(context, wallet)


def _held(context: Context, wallet: Wallet) -> Finding:
    """AWS KMS, or the Ledger, has the key, and it is of the wallet's address."""
    what = f"wallet {wallet.name}"
    context.say(f"{OPENING[wallet.kind]} of {what}")
    try:
        signers(context)(wallet).open()
    except YieldbotError as fault:
        said, _, remedy = str(fault).partition(": ")
        return Finding(what, said, remedy, MISCONFIGURED if isinstance(fault, ConfigError) else FAILED)
    where = "AWS KMS has its key" if wallet.kind == "kms" else "the Ledger has its key and signs contract calls"
    return Finding(what, f"{wallet.address}, {where}")


def _keystore(context: Context, wallet: Wallet) -> Finding:
    """The keystore is there, private, of the wallet's address, and opens with the passphrase where one is given."""
    what = f"wallet {wallet.name}"
    environment = context.environment
    assert wallet.keystore is not None  # the configuration sees to it
    try:
        kind = SvmKeySigner if wallet.is_svm else KeystoreSigner
        signer = kind(wallet.keystore, passphrase(wallet, environment, None))
        if signer.address != wallet.address:
            remedy = f"correct address in yieldbot.toml, or name the keystore of {wallet.address}"
            return Finding(what, f"{wallet.keystore} is of {signer.address}", remedy, MISCONFIGURED)
        found = f"{signer.address}, {wallet.keystore} is private"
        if is_given(wallet, environment):
            context.say(f"opening the keystore of {what} (takes a second)")
            signer.open()
            return Finding(what, f"{found} and its passphrase opens it")
    except ConfigError as fault:
        return Finding(what, "its keystore cannot be used", str(fault), MISCONFIGURED)
    if wallet.passphrase_env is not None:
        remedy = f"set it in .env (mode 600), or remove passphrase_env of {what} to be asked for the passphrase"
        return Finding(what, f"passphrase_env: {wallet.passphrase_env} is not set", remedy, MISCONFIGURED)
    return Finding(what, f"{found}; its passphrase is asked for")


async def _safes(context: Context) -> list[Finding]:
    """Each Safe on each chain of its jobs: it is there, and the wallet that is to sign for it is an owner."""
    found: list[Finding] = []
    for job in context.settings.jobs:
        if not isinstance(job.wallet.held, SafeOwner) or not job.chain.rpc_urls:
            continue
        what = f"wallet {job.wallet.name} on {job.chain.name}"
        signer = context.settings.wallets[job.wallet.held.wallet].address
        try:
            async with connect(job.chain) as node:
                owners, threshold, _ = await state_of(node, job.wallet.address)
                batches = await node.code(job.chain.safe_multisend)
        except (NodeRefused, ValueError) as wrong:
            if isinstance(wrong, NodeRefused) and wrong.by_provider:
                found.append(Finding(what, wrong.what, wrong.remedy, FAILED))
                continue
            remedy = f"correct address of wallet {job.wallet.name}: a Safe's on this chain"
            found.append(Finding(what, f"{job.wallet.address} does not answer as a Safe", remedy, MISCONFIGURED))
            continue
        except YieldbotError as failure:
            found.append(Finding(what, str(failure), "see the chain's own line", FAILED))
            continue
        if signer not in owners:
            remedy = f"name an owner's wallet, one of {', '.join(owners)}"
            found.append(Finding(what, f"{signer} is no owner of it", remedy, MISCONFIGURED))
        elif not batches:
            remedy = f"correct safe_multisend in chains/{job.chain.name}.toml"
            found.append(Finding(what, f"no MultiSendCallOnly at {job.chain.safe_multisend}", remedy, MISCONFIGURED))
        else:
            found.append(Finding(what, f"a Safe: {threshold} of {len(owners)} owners must sign, {signer} is one"))
    return found


async def _chains(chains: Iterable[ChainSettings]) -> list[Finding]:
    found = await asyncio.gather(*(_chain(chain) for chain in chains))
    return [finding for findings in found for finding in findings]


async def _chain(chain: ChainSettings) -> list[Finding]:
    what = f"chain {chain.name}"
    if not chain.rpc_urls:
        remedy = f"put the RPC URL of {chain.name} into .env as {chain.rpc_env}"
        return [Finding(what, f"{chain.rpc_env} is not set", remedy, MISCONFIGURED)]
    if chain.svm is not None:
        return await svm_chain(chain)
    try:
        async with connect(chain) as node:
            faults = await _endpoints(node, chain)
            if any(finding.code == MISCONFIGURED for finding in faults) or len(chain.rpc_urls) == len(faults):
                return faults
            block = await node.block()
            some = len(chain.rpc_urls)
            agree = f"; {node.quorum} of {some} must agree" if some > 1 else "; one endpoint alone is believed"
            found = [Finding(what, f"{node.host} answers, block {block.height:,}{agree}"), *faults]
            found += [
                Finding(f"{what}: {host}", why, f"check it, or replace it in {chain.rpc_env} in .env", FAILED)
                for host, why in node.left_out
                if not any(finding.what.endswith(host) for finding in faults)
            ]
            found.append(await _coded(node, f"{chain.name} Multicall3", chain.multicall3, block, "multicall3"))
            found.append(await _fee_kind(node, chain, block))
            found += [await _token(node, chain, token, block) for token in chain.tokens.values()]
            feeds = {"[native] feed": chain.native_feed} | {
                f"feed of {token.symbol}": chain.feeds.get(token.address) for token in chain.tokens.values()
            }
            for key, feed in feeds.items():
                if feed is None:
                    remedy = f"name it in chains/{chain.name}.toml: gas cannot be weighed without"
                    found.append(Finding(f"{chain.name} {key}", "is not named", remedy, MISCONFIGURED))
                else:
                    found.append(await _coded(node, f"{chain.name} {key}", feed, block, key))
            return found + await _markets(node, chain, block) + await exchanges(node, chain, block)
    except HttpRefused as refusal:
        return [Finding(what, refusal.what, refusal.remedy, FAILED)]
    except NodeRefused as refused:
        remedy = refused.remedy or f"another provider in {chain.rpc_env} in .env may serve it"
        return [Finding(what, refused.what, remedy, FAILED)]
    except (YieldbotError, ValueError, TypeError) as failure:
        remedy = f"check the connection and {chain.rpc_env} in .env; another provider may help"
        said = str(failure) if isinstance(failure, YieldbotError) else "the node answers nonsense"
        return [Finding(what, said, remedy, FAILED)]


async def _endpoints(node: QuorumNode, chain: ChainSettings) -> list[Finding]:
    """What is wrong with each endpoint by itself, those that are only submitted to included."""
    several = len(node.endpoints) > 1
    found: list[Finding] = []
    for endpoint in (*node.endpoints, *node.submission.private):
        name = chain.submit_rpc_env if endpoint in node.submission.private else chain.rpc_env
        what = f"chain {chain.name}: {endpoint.host}" if several or name != chain.rpc_env else f"chain {chain.name}"
        try:
            number = int(await endpoint.request("eth_chainId", []), 16)
        except HttpRefused as refusal:
            found.append(Finding(what, refusal.what, refusal.remedy, FAILED))
        except NodeRefused as refused:
            remedy = refused.remedy or f"another provider in {name} in .env may serve it"
            found.append(Finding(what, refused.what, remedy, FAILED))
        except (YieldbotError, ValueError, TypeError) as failure:
            remedy = f"check the connection and {name} in .env; another provider may help"
            said = str(failure) if isinstance(failure, YieldbotError) else "the node answers nonsense"
            found.append(Finding(what, said, remedy, FAILED))
        else:
            if number != evm_number(chain.chain):
                said = f"{endpoint.host} serves chain {number}, not {evm_number(chain.chain)}"
                found.append(Finding(what, said, f"correct {name} in .env", MISCONFIGURED))
    return found


async def _fee_kind(node: EvmNode, chain: ChainSettings, block: BlockRef) -> Finding:
    """Whether the chain takes what its file says beside the gas, and about how much that is now."""
    what = f"{chain.name} fee_kind"
    (told,) = await node.run([typical_fee()], block)
    if isinstance(told, MarketError):
        return Finding(what, str(told), f"check the connection and {chain.rpc_env} in .env", FAILED)
    if (fault := kind_fault(chain, told.kind)) is not None:
        return Finding(what, *fault, MISCONFIGURED)
    paid = f", a transaction pays about {Amount(native_token(chain), told.tx_wei)} for its data on L1"
    return Finding(what, f"{chain.fee_kind}{paid if told.tx_wei else ''}")


async def _token(node: EvmNode, chain: ChainSettings, token: Token, block: BlockRef) -> Finding:
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


async def _markets(node: EvmNode, chain: ChainSettings, block: BlockRef) -> list[Finding]:
    """Every configured deployment can be listed, each of its markets' contracts is there, and each can be observed."""
    known = adapters()
    lists = await node.run([known[d.protocol].discover(d) for d in chain.deployments], block)
    found: list[Finding] = []
    for deployment, markets in zip(chain.deployments, lists, strict=True):
        what = f"{chain.name} {deployment.name}"
        remedy = f"correct its table in chains/{chain.name}.toml, or remove it"
        if isinstance(markets, MarketError):
            found.append(Finding(what, str(markets), remedy, MISCONFIGURED))
            continue
        missing = [m for m in markets if not await node.code(m.address, block)]
        if missing or not markets:
            said = f"no contract at {missing[0].address}" if missing else "it lists no market for its assets"
            found.append(Finding(what, said, f"correct its table in chains/{chain.name}.toml", MISCONFIGURED))
            continue
        flows = [known[m.protocol].observe(m, Address("0x" + "11" * 20), block) for m in markets]
        bad = [
            (market, answer)
            for market, answer in zip(markets, await node.run(flows, block), strict=True)
            if isinstance(answer, MarketError)
        ]
        found += [
            Finding(f"{chain.name} {market.name}", str(answer), f"it is left out until it answers: {remedy}", FAILED)
            for market, answer in bad
        ]
        if not bad:
            found.append(Finding(what, "1 market" if len(markets) == 1 else f"{len(markets)} markets"))
    return found


async def _coded(node: EvmNode, what: str, address: Address, block: BlockRef, key: str) -> Finding:
    if await node.code(address, block):
        return Finding(what, address)
    return Finding(what, f"no contract at {address}", f"correct {key} in the chain's file", MISCONFIGURED)
