"""``yieldbot check`` for accounts on an EVM chain: their funds, Safes with their owners, and signed transactions that
were given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.chains.evm.execution.balances import BALANCE_OF, abi_word
from yieldbot.chains.evm.execution.nonces import cancels, leftovers
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.evm.rollups import typical_fee
from yieldbot.chains.evm.signing.safe import state_of
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.chains.findings import FAILED, MISCONFIGURED, Finding, funds
from yieldbot.errors import MarketError, NodeRefused, YieldbotError
from yieldbot.journal.fold import StoredTx
from yieldbot.model.amounts import Amount
from yieldbot.model.gas import USUAL
from yieldbot.model.ids import Address
from yieldbot.model.native import native_token
from yieldbot.model.settings import ChainSettings, Job, SafeOwner, Wallet
from yieldbot.model.units import GWEI

TRANSACTIONS = 3
"""Of a plan of one withdrawal and one deposit: the allowance is one of its own."""


async def safe(job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
    """Checks a job whose wallet is a Safe: the Safe exists, and the wallet that signs for it is an owner. No findings
    for other wallets."""
    if not isinstance(job.wallet.held, SafeOwner):
        return []
    what = f"wallet {job.wallet.name} on {job.chain.name}"
    signer = wallets[job.wallet.held.wallet].address
    try:
        async with connect(job.chain) as node:
            owners, threshold, _ = await state_of(node, job.wallet.address)
            batches = await node.code(job.chain.safe_multisend)
    except (NodeRefused, ValueError) as wrong:
        if isinstance(wrong, NodeRefused) and wrong.by_provider:
            return [Finding(what, wrong.what, wrong.remedy, FAILED)]
        remedy = f"correct address of wallet {job.wallet.name}: a Safe's on this chain"
        return [Finding(what, f"{job.wallet.address} does not answer as a Safe", remedy, MISCONFIGURED)]
    except YieldbotError as failure:
        return [Finding(what, str(failure), "see the chain's own line", FAILED)]
    if signer not in owners:
        remedy = f"name an owner's wallet, one of {', '.join(owners)}"
        return [Finding(what, f"{signer} is no owner of it", remedy, MISCONFIGURED)]
    if not batches:
        remedy = f"correct safe_multisend in chains/{job.chain.name}.toml"
        return [Finding(what, f"no MultiSendCallOnly at {job.chain.safe_multisend}", remedy, MISCONFIGURED)]
    return [Finding(what, f"a Safe: {threshold} of {len(owners)} owners must sign, {signer} is one")]


async def funds_of(job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
    """What the job's wallet holds, and what pays its fees: for a Safe the wallet that signs. No findings where the node
    does not answer, which the chain's own lines say."""
    held = job.wallet.held
    payer = wallets[held.wallet].address if isinstance(held, SafeOwner) else job.wallet.address
    data = BALANCE_OF + abi_word(job.wallet.address)
    try:
        async with connect(job.chain) as node:
            answers = [await node.call(token.address, data, await node.block()) for token in job.assets]
            wei, (plan, dear_gwei) = await node.balance_wei(payer), await _plan_fee(node, job.chain)
    except (YieldbotError, ValueError):
        return []
    if any(len(answer) != 32 for answer in answers):
        return []
    amounts = [Amount(token, int.from_bytes(raw, "big")) for token, raw in zip(job.assets, answers, strict=True)]
    return [funds(job, amounts, Amount(native_token(job.chain), wei), payer, plan, dear_gwei)]


async def _plan_fee(node: Quorum, chain: ChainSettings) -> tuple[Amount | None, float | None]:
    """What a plan of one withdrawal and one deposit would pay at the newest block's prices, with what a rollup takes
    for its data on L1; None: the node does not say. Then the price of gas in gwei if it is above the chain's ceiling,
    which then counts in its place."""
    try:
        block, base_fee_wei = await node.block_and_base_fee()
        tip_wei = await fetch_tip(node, chain)
        (beside,) = await node.run([typical_fee()], block)
    except (YieldbotError, ValueError):
        return None, None
    if isinstance(beside, MarketError):
        return None, None
    gas = USUAL.deposit + USUAL.withdraw
    now_wei, most_wei = base_fee_wei + tip_wei, chain.max_fee_gwei * GWEI
    price_wei = min(now_wei, most_wei)
    wei = gas * (price_wei + beside.of_unit(price_wei)) + TRANSACTIONS * beside.tx_wei
    return Amount(native_token(chain), int(wei)), now_wei / GWEI if now_wei > most_wei else None


async def given_up(chain: ChainSettings, owner: Address, transactions: Sequence[StoredTx]) -> list[Finding]:
    """A finding for each transaction of the account that was given up but can still be mined."""
    left, what = leftovers(transactions), f"account {owner} on {chain.name}"
    if not left:
        return []
    try:
        async with connect(chain) as node:
            nonce = await node.nonce(owner)
    except YieldbotError as failure:
        return [Finding(what, f"its given-up transactions cannot be checked: {failure}", "", FAILED)]
    found: list[Finding] = []
    for tx in left:
        if cancels(tx):
            continue
        signed = tx.signed
        bid = any(cancels(other) and other.signed.nonce == signed.nonce for other in left)
        lacking = signed.nonce - nonce
        when = f"once {lacking} more transactions are sent" if lacking > 0 else "now"
        result = f"{signed.hash} (nonce {signed.nonce}) was given up and can be mined {when}; it would {signed.words}"
        outbid = "a cancellation at higher fees was sent, and " if bid else ""
        found.append(Finding(what, result, f"{outbid}it is cancelled before anything else when its nonce has come"))
    return found
