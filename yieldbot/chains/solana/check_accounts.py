"""``yieldbot check`` for accounts on Solana: their funds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.chains.findings import Finding, funds
from yieldbot.chains.solana.node.connect import connect
from yieldbot.errors import MarketError, YieldbotError
from yieldbot.model.amounts import Amount
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.native import native_token
from yieldbot.model.reads import Flow, SvmAccount, SvmLamports
from yieldbot.model.settings import Job, Wallet
from yieldbot.protocols.solana.idle import AMOUNT_AT, mint_of
from yieldbot.protocols.solana.layout import ata


async def funds_of(job: Job, wallets: Mapping[str, Wallet]) -> list[Finding]:
    """What the job's wallet holds, fees included. No findings where the node does not answer, which the chain's own
    lines say."""
    native = native_token(job.chain)
    flow: Any = _balances(job)
    try:
        async with connect(job.chain) as nodes:
            node = nodes.nodes[0]
            (answer,) = await node.run([flow], await node.block())
    except (YieldbotError, ValueError):
        return []
    if isinstance(answer, MarketError):
        return []
    held, lamports = answer
    return [funds(job, held, Amount(native, lamports), job.wallet.address)]


def _balances(job: Job) -> Flow[tuple[list[Amount], int]]:
    """(the wallet's balance of each asset, its lamports); SOL counts wrapped or not."""
    owner, held = job.wallet.address, list[Amount]()
    (answer,) = yield [SvmLamports(owner)]
    lamports = int.from_bytes(answer, "little")
    for token in job.assets:
        mint = yield from mint_of(token.address)
        (account,) = yield [SvmAccount(ata(owner, token.address, mint.program), mint.program, optional=True)]
        raw = int.from_bytes(account[AMOUNT_AT : AMOUNT_AT + 8], "little") if account else 0
        held.append(Amount(token, raw + (lamports if token.address == WRAPPED_SOL else 0)))
    return held, lamports
