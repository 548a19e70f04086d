"""What a look at 500 markets costs in round trips: who controls them, what backs them, who deposits, all in common
rounds, each of which is sent at once (``chains/evm/node/client.Node.run``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eth_abi.abi import encode

from tests.kit.market_builder import BLOCK, USDC, kinked, market, snapshot
from tests.kit.risk.protections import JOB
from tests.unit.protocols.test_controls import head
from yieldbot.chains.evm.controls import look
from yieldbot.chains.evm.exposure import ExposureLook
from yieldbot.chains.evm.session import looked_at
from yieldbot.model.controls import ControllerKind, Look, Part
from yieldbot.model.ids import Address
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.reads import EthCall, EthCode, EthCodeAtBlock, EthLogs, EthSlot, Flow, LogSpan, Read
from yieldbot.protocols.evm.abi import checksum, selector_of
from yieldbot.protocols.evm.control_facts import SAFE_SINGLETONS
from yieldbot.protocols.evm.control_reads import SAFE_PROXIES, SLOTS, calldata
from yieldbot.rpc.lockstep import Answer, run

MARKETS, BOOKS = 500, 50
COLD, WARM = 8, 2
DELAY = 2 * 86_400


def at(kind: int, number: int) -> Address:
    return checksum(f"0x{kind:02x}{number:038x}")


VAULT, ADMIN, TIMELOCK, SAFE, CODE = 0xA1, 0xA2, 0xA3, 0xA4, at(0xA5, 1)


def word(number: int | str) -> bytes:
    return (int(number, 16) if isinstance(number, str) else number).to_bytes(32, "big")


MODULES = word(64) + word(1) + word(0)
OWNERS = encode(["address[]"], [[at(0xA6, n) for n in range(5)]])
OF_VAULT = {selector_of("asset()"): word(USDC.address), selector_of("totalAssets()"): word(10**12)}
ROLES = {
    selector_of("DEFAULT_ADMIN_ROLE()"): bytes(32),
    selector_of("getRoleMemberCount(bytes32)"): word(1),
    selector_of("getMinDelay()"): word(DELAY),
}


class Runner:
    """A labelled double of a node that serves a chain of vaults: each is a proxy whose administrator a timelock owns,
    in which a Safe has the roles. It counts the rounds that are asked."""

    host = "a.example"

    def __init__(self) -> None:
        self.rounds: list[int] = []

    async def run(self, flows: Sequence[Flow[Any]], block: Any) -> list[Any]:
        async def answer(reads: Sequence[Read]) -> Sequence[Answer]:
            self.rounds.append(len(reads))
            return [self._one(read) for read in reads]

        return await run(flows, answer)

    def _one(self, read: Read) -> bytes:
        if isinstance(read, EthLogs):
            return LogSpan((), read.first).encoded()
        if isinstance(read, EthCodeAtBlock):
            return word(BLOCK.timestamp - 86_400) + bytes([1] * len(read.addresses))
        where = read.to if isinstance(read, EthCall) else read.address  # type: ignore[union-attr]
        kind, number = int(where[2:4], 16), int(where[4:], 16)
        if isinstance(read, EthCode):
            if kind == SAFE:
                return bytes.fromhex(SAFE_PROXIES[1]) + word(171) + bytes(64)
            return head(bytes([0x60, kind])) if kind in (VAULT, ADMIN, TIMELOCK, 0xA5) else head(b"")
        if isinstance(read, EthSlot):
            slots = {
                VAULT: {"implementation": CODE, "admin": at(ADMIN, number % BOOKS)},
                SAFE: {"zero": SAFE_SINGLETONS[1]},
            }
            named = {SLOTS[name]: value for name, value in slots.get(kind, {}).items()}
            return word(named.get(read.slot, 0))
        assert isinstance(read, EthCall)
        if kind == ADMIN and read.data == calldata("owner"):
            return word(at(TIMELOCK, number))
        if kind == TIMELOCK:
            member = read.data[:4] == selector_of("getRoleMember(bytes32,uint256)")
            return word(at(SAFE, number)) if member else ROLES.get(read.data[:4], b"")
        if kind == SAFE:
            said = {calldata("getThreshold"): word(3), calldata("getOwners"): OWNERS, calldata("modules"): MODULES}
            return said.get(read.data, b"")
        return OF_VAULT.get(read.data, b"") if kind == VAULT else b""


def markets() -> Snapshot:
    states = []
    for n in range(MARKETS):
        state = market(f"v{n}", kinked(1e6, 8e5), protocol="erc4626")
        one = replace(state.market, address=at(VAULT, n), kind=Kind.VAULT, params={"flavour": "generic"})
        states.append(replace(state, market=one))
    return snapshot(1.0, *states)


async def looked(node: Any, seen: Snapshot, before: Look | None) -> Look:
    """A look as a session takes it, with what the last one kept, as it lies on the disk."""
    backing = {key: one.backing for key, one in seen.states.items() if one.backing is not None}
    known = json.loads(json.dumps(dict(before.known))) if before is not None else {}
    beside = ExposureLook(JOB.chain, seen, known)
    since = before.block if before is not None else None
    found = await look(node, JOB.chain, looked_at(seen), seen.block, known, since, {}, beside.flows, backing)
    return beside.added(found)


async def test_500_markets_take_eight_round_trips_until_all_is_known_and_two_from_then_on() -> None:
    """The first look goes four steps deep, the second finds the rest; each later one reads what is known at once."""
    node, seen, last = Runner(), markets(), None
    rounds, reads = [], []
    for n in range(3):
        node.rounds = []
        last = await looked(node, replace(seen, block=replace(BLOCK, height=1_000_000 + 10 * n)), last)
        rounds.append(len(node.rounds))
        reads.append(sum(node.rounds))
    assert rounds[0] + rounds[1] <= COLD and max(rounds[2:]) <= WARM, rounds
    assert reads[2] < reads[0] * 0.7, "a view that code does not have is not tried again"
    assert last is not None and len(last.controls) == MARKETS + 1, "and the asset in the wallet"
    for controls in list(last.controls.values())[:MARKETS]:
        who = controls.contracts[0].upgrade_by
        kinds = [step.kind for step in who.chain]
        assert kinds == [ControllerKind.CONTRACT, ControllerKind.TIMELOCK, ControllerKind.SAFE], who.words
        assert who.warning_seconds == DELAY and who.signatures == 3


async def test_collaterals_that_a_look_found_are_read_by_the_next() -> None:
    """Through pools and vaults, from a tenth of the market on."""
    seen = markets()
    (first, *_), coin = seen.markets, at(ADMIN, 7)
    parts = ((coin, 0.5), (at(ADMIN, 8), 0.09), ("aave:0x1", 0.3))
    backing = Backing(
        market=first.market.id, parts=tuple(Backer(backing=one, symbol="COIN", share=share) for one, share in parts)
    )
    seen = replace(seen, states={first.market.id: replace(first, backing=backing)})
    found = (await looked(Runner(), seen, None)).controls[first.market.id].contracts
    assert [one.address for one in found if one.part is Part.BACKER] == [coin]
    (one,) = [one for one in found if one.part is Part.BACKER]
    assert one.name == "COIN" and one.owner.kind is ControllerKind.TIMELOCK
