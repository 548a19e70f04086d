"""A Solana in this process for tests of adapters and their doubles: no node, no network."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from yieldbot.chains.solana.node.answers import AccountImage, answer_of
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, svm_chain
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import MarketState
from yieldbot.model.reads import Flow, SvmAccount, SvmLamports
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.solana.layout import ATA_PROGRAM, SLOTS_PER_EPOCH, SYSTEM_PROGRAM, SYSVAR_CLOCK, ata
from yieldbot.sandbox.solana.images import Images, mint, token_account

CHAIN = svm_chain("TestTestTestTestTestTestTestTestTestTestTest")
SLOT = 300 * SLOTS_PER_EPOCH + 100_000
NOW = 1_790_000_000


class Ledger:
    """LiteSVM with accounts of ours, whose slots last 0.4 s by default."""

    def __init__(self) -> None:
        from solders.keypair import Keypair
        from solders.litesvm import LiteSVM

        self.svm: Any = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
        self.me = Address(str(Keypair.from_seed(bytes([7] * 32)).pubkey()))
        self.slot, self.now = SLOT, NOW
        self.set({self.me: AccountImage(10**12, SYSTEM_PROGRAM, b"")})
        self.warp(0)

    def set(self, images: Images) -> None:
        from solders.account import Account
        from solders.pubkey import Pubkey

        for address, image in images.items():
            account = Account(image.lamports, image.data, Pubkey.from_string(image.program), image.executable, 0)
            self.svm.set_account(Pubkey.from_string(address), account)

    def get(self, address: Address) -> AccountImage | None:
        from solders.pubkey import Pubkey

        found = self.svm.get_account(Pubkey.from_string(address))
        if found is None or (found.lamports == 0 and not found.data):
            return None
        return AccountImage(found.lamports, Address(str(found.owner)), bytes(found.data), found.executable)

    def warp(self, slots: int, seconds: float | None = None) -> None:
        from solders.clock import Clock

        self.slot += slots
        self.now += round(slots * 0.4 if seconds is None else seconds)
        epoch = self.slot // SLOTS_PER_EPOCH
        started = self.now - round((self.slot % SLOTS_PER_EPOCH) * 0.4)
        self.svm.set_clock(Clock(self.slot, started, epoch, epoch + 1, self.now))

    def token(self, symbol: str, decimals: int, mine: int) -> Token:
        """A new mint, of which we hold ``mine`` base units."""
        from yieldbot.sandbox.solana.images import named

        address = named("mint", symbol)
        self.set({address: mint(named("mint authority"), 10**18, decimals)})
        self.set({ata(self.me, address): token_account(address, self.me, mine)})
        return Token(CHAIN, address, symbol, decimals)

    def balance(self, mint_address: Address) -> int:
        image = self.get(ata(self.me, mint_address))
        return int(struct.unpack_from("<Q", image.data, 64)[0]) if image else 0

    def open(self, token: Address) -> None:
        """Our associated account of a mint, as the associated token program opens it."""
        from yieldbot.chains.solana.execution.build import create_account

        symbol = Token(CHAIN, token, "x", 0)
        self.send((create_account(self.me, symbol, ata(self.me, token), TOKEN_PROGRAM),))
        assert self.get(ata(self.me, token)) is not None, ATA_PROGRAM

    def send(self, instructions: Sequence[SvmInstruction]) -> Any:
        """The transaction's metadata; AssertionError with its logs when it fails."""
        failed, meta = self.attempt(instructions)
        assert failed is None, meta.logs()
        return meta

    def attempt(self, instructions: Sequence[SvmInstruction]) -> tuple[int | None, Any]:
        """(the failing program's own error number, or -1 for another error, or None; metadata)."""
        from solders.signature import Signature
        from solders.transaction import VersionedTransaction

        from yieldbot.chains.solana.execution.build import MOST_UNITS, NO_BLOCKHASH, Bid, budget, compiled

        message = compiled((*budget(Bid(MOST_UNITS, 0)), *instructions), self.me, NO_BLOCKHASH)
        self.svm.expire_blockhash()
        signatures = [Signature.default()] * message.header.num_required_signatures
        result = self.svm.send_transaction(VersionedTransaction.populate(message, signatures))
        if not hasattr(result, "err"):
            return None, result
        code = getattr(getattr(result.err(), "err", None), "code", None)
        return (-1 if code is None else code), result.meta()

    def run(self, flow: Flow[Any]) -> Any:
        """Run a flow on these accounts and return its value. Raises whatever the flow raises."""
        try:
            reads = next(flow)
            while True:
                addresses = [r.address for r in reads if isinstance(r, SvmAccount | SvmLamports)]
                known = {a: self.clock_image() if a == SYSVAR_CLOCK else self.get(a) for a in addresses}
                answers = [answer_of(read, known) for read in reads]
                failed = next((a for a in answers if not isinstance(a, bytes)), None)
                reads = flow.throw(failed) if failed is not None else flow.send(answers)
        except StopIteration as done:
            return done.value

    def clock_image(self) -> AccountImage:
        image = self.get(SYSVAR_CLOCK)
        assert image is not None
        return image

    def block(self) -> BlockRef:
        return BlockRef(CHAIN, self.slot, "", self.now)

    def observe(self, adapter: Any, market: Any) -> MarketState:
        state = self.run(adapter.observe(market, self.me, self.block()))
        assert isinstance(state, MarketState)
        return state
