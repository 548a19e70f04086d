"""The sandbox as a stage on which any adapter's calls are executed."""

from __future__ import annotations

from tests.kit import ROOT
from yieldbot.allocator.share_terms import limited
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.observe import observe
from yieldbot.chains.evm.signing.keystore import KeystoreSigner
from yieldbot.chains.leg_limits import shares_for
from yieldbot.execution.passphrases import passphrase
from yieldbot.journal.store import Journal
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.settings import Job
from yieldbot.protocols import adapters


class Stage:
    """One sandbox with the wallet's account wired to it."""

    def __init__(self, job: Job, node: Node, journal: Journal) -> None:
        self.job, self.node = job, node
        self.account = Account(
            node=node,
            settings=job.chain,
            owner=job.wallet.address,
            journal=journal,
            signer=KeystoreSigner(job.wallet.keystore, passphrase(job.wallet, {}, None)),
            fork=forks(node),
            abi=abi_functions(ROOT / "abis"),
        )

    async def snapshot(self) -> Snapshot:
        return await observe(self.node, self.job, adapters())

    def work(self, state: MarketState, leg: Leg, index: int) -> LegWork:
        adapter, owner = adapters()[state.market.protocol], self.job.wallet.address
        state = limited(state, leg)
        calls = (
            adapter.deposit(state, leg.amount, owner)
            if leg.kind is LegKind.DEPOSIT
            else adapter.withdraw(state, None if leg.all else leg.amount, owner)
        )
        targets, spenders = adapter.targets(state.market), adapter.spenders(state.market)
        return LegWork(
            index=index,
            leg=leg,
            market=state.market,
            calls=calls,
            share_token=state.share_token,
            targets=targets,
            spenders=spenders,
            most_shares=shares_for(state, leg),
        )
