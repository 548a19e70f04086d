"""A labelled double of a cluster's fork and of its nodes. A test sets what a transaction does there, how much time
passes, and what nodes answer for the same bytes. Builder, account and checks around it are the real ones."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from solders.pubkey import Pubkey

from tests.kit.solana.gate import OWNER, held, wallet
from yieldbot.chains.solana.node.answers import AccountImage, Simulated
from yieldbot.chains.solana.node.fork import Ran
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address

Images = dict[Address, AccountImage | None]


@dataclass
class SvmForkDouble:
    """held: the accounts; effect: gives a message's effect on them, its error and its logs."""

    held: Images
    effect: Callable[[SvmForkDouble, list[bytes]], tuple[Any, tuple[str, ...]] | None] = lambda fork, data: None
    slot: int = 100
    units: int = 1_000
    waited: list[int] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    cloned: list[Address] = field(default_factory=list)
    kept: Images | None = None
    did: list[str] = field(default_factory=list)

    async def clone(self, addresses: Iterable[Address]) -> None:
        self.cloned += addresses

    def images(self, addresses: Iterable[Address]) -> Images:
        return {address: self.held.get(address) for address in addresses}

    async def send(self, message: Any) -> Ran:
        self.sent.append(message)
        keys = [Address(str(key)) for key in message.account_keys]
        known = list(dict.fromkeys([*keys, *self.cloned]))
        before = self.images(known)
        done = self.effect(self, [bytes(i.data) for i in message.instructions])
        error, logs = done if done is not None else (None, ())
        return Ran(error, logs, self.units, 5_000, before, self.images(known))

    def keep(self) -> None:
        self.did.append("keep")
        self.kept = dict(self.held)

    def put_back(self) -> None:
        self.did.append("put back")
        assert self.kept is not None
        self.held = self.kept

    def wait(self, seconds: int) -> None:
        self.waited.append(seconds)

    async def run(self, flows: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for flow in flows:
            try:
                next(flow)
                raise AssertionError("a flow that reads is not for this double")
            except StopIteration as end:
                found.append(end.value)
            except MarketError as failure:
                found.append(failure)
        return found

    def amount(self, account: Address) -> int:
        image = self.held.get(account)
        return int.from_bytes(image.data[64:72], "little") if image else 0

    def give(self, account: Address, token: Token, raw: int) -> None:
        """Add ``raw`` base units of a token (negative: remove) to an account of ours."""
        self.held[account] = held(OWNER, self.amount(account) + raw, 1, token.address)

    def pay(self, lamports: int) -> None:
        old = self.held[OWNER]
        assert old is not None
        self.held[OWNER] = wallet(old.lamports + lamports)


@dataclass
class ClusterDouble:
    """A double of the nodes: recent prices of compute units, accounts, and each node's own simulation."""

    prices: list[int] = field(default_factory=list)
    accounts_held: Images = field(default_factory=dict)
    quorum: int = 1
    says: list[Callable[[Sequence[Address]], Simulated]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    @property
    def first(self) -> ClusterDouble:
        return self

    async def unit_prices(self, addresses: Sequence[Address]) -> list[int]:
        self.asked.append(("prices", tuple(addresses)))
        return self.prices

    async def accounts(self, addresses: Sequence[Address]) -> Images:
        self.asked.append(("accounts", tuple(addresses)))
        return {address: self.accounts_held.get(address) for address in addresses}

    async def each(self, ask: Callable[[Any], Coroutine[Any, Any, Simulated]]) -> list[tuple[Any, Simulated]]:
        found = []
        for place, answer in enumerate(self.says):
            node = NodeDouble(f"node{place}", answer, self.asked)
            found.append((node, await ask(node)))
        return found


@dataclass
class NodeDouble:
    host: str
    answer: Callable[[Sequence[Address]], Simulated]
    asked: list[Any]

    async def simulate(self, raw: bytes, addresses: Sequence[Address]) -> Simulated:
        self.asked.append((raw, tuple(addresses)))
        return self.answer(addresses)


def address(number: int) -> Address:
    return Address(str(Pubkey.from_bytes(bytes([number] * 32))))
