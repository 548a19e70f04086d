"""Other depositors of the Solana sandbox: they deposit, withdraw and pledge shares by their own transactions."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, replace

from solders.keypair import Keypair

from yieldbot.chains.solana.execution.build import compiled
from yieldbot.chains.solana.session import open_watch
from yieldbot.config.load import load
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import MarketState
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols import svm_adapters
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, ata
from yieldbot.sandbox.solana.images import Images, image, token_account
from yieldbot.sandbox.solana.node import SvmSandbox

TRANSFER = 3


@dataclass(frozen=True, slots=True)
class Depositor:
    """Another account with play money."""

    sandbox: SvmSandbox
    """The sandbox."""
    seed: int
    """Number from 1 to 255 from which the key is made."""

    @property
    def key(self) -> Keypair:
        return Keypair.from_seed(bytes([self.seed] * 32))

    @property
    def address(self) -> Address:
        return Address(str(self.key.pubkey()))

    def fund(self, whole: int) -> None:
        """Give the account tokens of the job's asset, and SOL."""
        asset = load(self.sandbox.config).jobs[0].asset
        found = token_account(asset.address, self.address, whole * asset.one)
        put(self.sandbox, {ata(self.address, asset.address): found, self.address: image(SYSTEM_PROGRAM, b"")})

    def state(self, protocol: str) -> MarketState:
        """The first market of a protocol, with their shares."""
        job = load(self.sandbox.config).jobs[0]
        theirs = replace(job, wallet=replace(job.wallet, address=self.address))

        async def observed() -> MarketState:
            async with open_watch(theirs) as live:
                snapshot = await live.observe()
                return next(s for s in snapshot.states.values() if s.market.protocol == protocol)

        return asyncio.run(observed())

    def deposit(self, protocol: str, whole: int) -> str:
        """Deposit; returns the signature."""
        state = self.state(protocol)
        if state.share_token is not None and not state.shares:
            empty = token_account(state.share_token.address, self.address, 0)
            put(self.sandbox, {ata(self.address, state.share_token.address): empty})
        calls = svm_adapters()[protocol].deposit(
            state, Amount(state.market.asset, whole * state.market.asset.one), self.address
        )
        return self.send(*calls)

    def withdraw(self, protocol: str, whole: int) -> str:
        """Withdraw; returns the signature."""
        state = self.state(protocol)
        amount = Amount(state.market.asset, whole * state.market.asset.one)
        return self.send(*svm_adapters()[protocol].withdraw(state, amount, self.address))

    def pay(self, mint: Address, to: Address, raw: int) -> str:
        """Send tokens to another token account."""
        metas = (
            SvmMeta(ata(self.address, mint), writable=True),
            SvmMeta(to, writable=True),
            SvmMeta(self.address, signer=True),
        )
        return self.send(
            SvmInstruction(Address(TOKEN_PROGRAM), metas, bytes([TRANSFER]) + raw.to_bytes(8, "little"), "pay")
        )

    def send(self, *calls: SvmInstruction) -> str:
        """Send one transaction with these instructions."""
        from solders.transaction import VersionedTransaction

        self.sandbox.rpc("svm_warp", 1)
        blockhash = self.sandbox.rpc("getLatestBlockhash")["value"]["blockhash"]
        tx = VersionedTransaction(compiled(calls, self.address, blockhash), [self.key])
        raw = base64.b64encode(bytes(tx)).decode()
        found = self.sandbox.rpc("sendTransaction", raw, {"encoding": "base64"})
        self.sandbox.rpc("svm_warp", 1)
        return str(found)


def put(sandbox: SvmSandbox, images: Images) -> None:
    """Set accounts of the sandbox's cluster to these contents."""
    for address, one in images.items():
        assert one is not None
        data = base64.b64encode(one.data).decode()
        sandbox.rpc("svm_setAccount", address, max(one.lamports, 10**9), one.program, data, one.executable)
