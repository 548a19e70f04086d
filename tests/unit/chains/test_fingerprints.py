"""What a way out that was proven or refused depends on: every part of a market's fingerprint, on both chain families;
and what the journal knows of it. On labelled doubles of a node."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from solders.pubkey import Pubkey

from tests.kit.chain_double import node_of
from tests.kit.fork_double import ForkDouble
from tests.kit.market_builder import BLOCK, CHAIN, OWNER, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.wiring import OWNER as SOMEBODY
from tests.kit.wiring import POOL, STRANGER
from yieldbot.chains.evm.exits import BEACON, IMPLEMENTATION, fingerprints
from yieldbot.chains.exits import fingerprint, proven, proven_legs, refused, rehearsed, steps, with_exits
from yieldbot.chains.solana import exits as exits_svm
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import TransientError
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitProven, ExitRefused
from yieldbot.journal.fold import PROOF_SECONDS, Record
from yieldbot.journal.journal_entries import AccountCleared, JournalEntry
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Snapshot
from yieldbot.model.plan import Leg, LegKind
from yieldbot.protocols.solana.layout import TERMS

CURVE = ConstantCurve(0.05)
A, B = market("a", CURVE), market("b", CURVE)
VIEW = snapshot(1000, A, B)
T = BLOCK.timestamp
PLACE = Address(POOL)


def at(state: MarketState, address: Address = PLACE, **params: Any) -> MarketState:
    return replace(state, market=replace(state.market, address=address, params=params))


# Of a contract.


def test_every_part_of_a_market_is_in_its_fingerprint_and_the_order_is_not() -> None:
    was = at(A, rate=5, tokens={"x", "y"}, inner={"p": (1, 2)})
    said = fingerprint(was, [STRANGER], [b"code", b"behind"])
    assert said == fingerprint(was, [STRANGER.lower()], [b"code", b"behind"]), "addresses are the same in any case"
    again = at(A, inner={"p": [1, 2]}, tokens=frozenset({"y", "x"}), rate=5)
    assert said == fingerprint(again, [STRANGER], [b"code", b"behind"])
    others = [
        fingerprint(was, [PLACE], [b"code", b"behind"]),
        fingerprint(was, [STRANGER], [b"code", b"other"]),
        fingerprint(was, [STRANGER], [b"other", b"behind"]),
        fingerprint(replace(was, exit=Exit(seconds=1)), [STRANGER], [b"code", b"behind"]),
        fingerprint(replace(was, exit=Exit(kind=ExitKind.REQUEST)), [STRANGER], [b"code", b"behind"]),
    ]
    for state in (
        at(A, address=Address(STRANGER), rate=5, tokens={"x", "y"}, inner={"p": (1, 2)}),
        at(A, rate=6, tokens={"x", "y"}, inner={"p": (1, 2)}),
        at(A, rate=5, tokens={"x", "z"}, inner={"p": (1, 2)}),
        at(A, rate=5, tokens={"x", "y"}, inner={"p": (1, 3)}),
        at(A, rate=5, tokens={"x", "y"}, inner={"q": (1, 2)}),
    ):
        others.append(fingerprint(state, [STRANGER], [b"code", b"behind"]))
    assert len({said, *others}) == len(others) + 1


def slot(address: str) -> str:
    return "0x" + "00" * 12 + address[2:].lower()


PROXY, LOGIC, HORN = (Address("0x" + f"{n:02x}" * 20) for n in (1, 2, 3))
CODES = {PROXY.lower(): "0xaa", LOGIC.lower(): "0xbb", HORN.lower(): "0xcc"}
IMPLEMENTS = (HORN.lower(), "5c60da1b")


async def test_the_code_behind_a_proxy_or_a_beacon_is_part_of_it() -> None:
    state = at(A, PROXY)
    chain = ForkDouble(code=dict(CODES))

    async def told() -> str:
        return (await fingerprints(node_of(chain), [state], BLOCK))[state.market.id]

    assert await told() == fingerprint(state, [], [b"\xaa"])
    chain.storage[(PROXY.lower(), IMPLEMENTATION)] = slot(LOGIC)
    assert await told() == fingerprint(state, [LOGIC], [b"\xaa", b"\xbb"])
    del chain.storage[(PROXY.lower(), IMPLEMENTATION)]
    chain.storage[(PROXY.lower(), BEACON)] = slot(HORN)
    assert await told() == fingerprint(state, [HORN], [b"\xaa", b"\xcc"])
    for answer, more in ((bytes(32), ()), (bytes(31), ()), (bytes.fromhex(slot(LOGIC)[2:]), (LOGIC,))):
        chain.answers[IMPLEMENTS] = answer
        assert await told() == fingerprint(state, [HORN, *more], [b"\xaa", b"\xcc", *([b"\xbb"] if more else [])])
    reads = [params for method, params in chain.asked if method == "eth_getStorageAt"]
    assert all(read[2] == {"blockHash": BLOCK.hash, "requireCanonical": True} for read in reads), "at the block"
    assert all(p[1] != "latest" for m, p in chain.asked if m in ("eth_getCode", "eth_call"))


async def test_an_address_that_begins_with_zeros_is_one() -> None:
    low = Address("0x" + "00" * 19 + "07")
    chain = ForkDouble(code={PROXY.lower(): "0xaa", low: "0xdd"}, storage={(PROXY.lower(), IMPLEMENTATION): "0x7"})
    state = at(A, PROXY)
    found = await fingerprints(node_of(chain), [state], BLOCK)
    assert found[state.market.id] == fingerprint(state, [low], [b"\xaa", b"\xdd"])


async def test_one_market_that_cannot_be_told_is_left_out_and_the_others_are_not() -> None:
    class Half(ForkDouble):
        async def make_request(self, method: str, params: list[Any]) -> Any:
            if method == "eth_getCode" and params[0] == LOGIC:
                return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "busy"}}
            return await super().make_request(method, params)

    good, bad = at(A, PROXY), at(B, LOGIC)
    found = await fingerprints(node_of(Half(code=dict(CODES))), [bad, good], BLOCK)
    assert found == {good.market.id: fingerprint(good, [], [b"\xaa"])}


# Of a program.

PROGRAM, OLD, NONE, DATA = (Address(str(Pubkey.from_bytes(bytes([n] * 32)))) for n in (2, 3, 4, 5))
LOADER = Address("BPFLoader2111111111111111111111111111111111")


HEAD = b"\x02\0\0\0" + bytes(Pubkey.from_string(DATA))
DEPLOYED = b"\x03\0\0\0" + bytes(range(41))


@dataclass
class Programs:
    """A labelled double of a node: what its accounts hold."""

    held: dict[Address, AccountImage | None]
    asked: list[tuple[str, tuple[Address, ...]]] = field(default_factory=list)
    busy: bool = False

    async def heads(self, addresses: Sequence[Address], size: int) -> dict[Address, AccountImage | None]:
        self.asked.append(("heads", tuple(addresses)))
        if self.busy:
            raise TransientError("busy")
        found = {a: self.held.get(a) for a in addresses}
        return {a: replace(image, data=image.data[:size]) if image else None for a, image in found.items()}

    async def accounts(self, addresses: Sequence[Address]) -> dict[Address, AccountImage | None]:
        self.asked.append(("accounts", tuple(addresses)))
        return {a: self.held.get(a) for a in addresses}


def programs(**changes: Any) -> Programs:
    made: dict[Address, AccountImage | None] = {
        PROGRAM: AccountImage(1, exits_svm.UPGRADEABLE_LOADER, HEAD, True),
        DATA: AccountImage(1, exits_svm.UPGRADEABLE_LOADER, DEPLOYED + b"code"),
        OLD: AccountImage(1, LOADER, b"code of old", True),
    }
    return Programs(made | {globals()[name]: image for name, image in changes.items()})


def of_program(program: Address, state: MarketState = A, **params: Any) -> MarketState:
    return at(state, **({"program": program} | params))


async def said_by(node: Programs, *states: MarketState) -> Mapping[MarketId, str]:
    return await exits_svm.fingerprints(node, states)  # type: ignore[arg-type]


async def test_an_upgradeable_program_is_its_last_deployment_and_who_may_upgrade_it() -> None:
    state, node = of_program(PROGRAM), programs()
    found = await said_by(node, state)
    assert found == {state.market.id: exits_svm.print_of(state, DATA.encode() + DEPLOYED)}
    assert node.asked == [("heads", (PROGRAM,)), ("heads", (DATA,))], "not the whole code, and nothing more"
    later = DEPLOYED[:4] + b"\xff" + DEPLOYED[5:]
    other = await said_by(programs(DATA=AccountImage(1, exits_svm.UPGRADEABLE_LOADER, later)), state)
    assert other and other != found
    for gone in (None, AccountImage(1, exits_svm.UPGRADEABLE_LOADER, DEPLOYED[:-1])):
        assert await said_by(programs(DATA=gone), state) == {}


async def test_any_other_program_is_its_code_and_an_account_that_is_none_is_left_out() -> None:
    old, new = of_program(OLD), of_program(PROGRAM, B)
    node = programs()
    found = await said_by(node, old, new, of_program(NONE, market("c", CURVE)))
    assert set(found) == {A.market.id, B.market.id}
    code = LOADER.encode() + hashlib.sha256(b"code of old").digest()
    assert found[A.market.id] == exits_svm.print_of(old, code)
    assert node.asked[-1] == ("accounts", (OLD,))
    closing = programs()
    heads = await closing.heads([OLD], 36)
    closing.held[OLD] = None

    async def before(addresses: Sequence[Address], size: int) -> dict[Address, AccountImage | None]:
        return heads

    closing.heads = before  # type: ignore[method-assign]
    assert await said_by(closing, old) == {}, "closed between two reads"
    still = AccountImage(1, LOADER, b"code of old", executable=False)
    assert await said_by(programs(OLD=still), old) == {}
    # Of the loader alone, and with its tag alone, are 36 bytes the head of a program.
    for image in (
        AccountImage(1, LOADER, HEAD, True),
        AccountImage(1, exits_svm.UPGRADEABLE_LOADER, b"\x01" + HEAD[1:], True),
        AccountImage(1, exits_svm.UPGRADEABLE_LOADER, HEAD[:-1], True),
    ):
        code = image.program.encode() + hashlib.sha256(image.data).digest()
        told = await said_by(programs(PROGRAM=image), new)
        assert told == {B.market.id: exits_svm.print_of(new, code)}


async def test_a_program_is_read_once_for_all_its_markets_and_nothing_is_told_of_a_busy_node() -> None:
    node = programs()
    assert len(await said_by(node, of_program(OLD), of_program(OLD, B))) == 2
    assert node.asked[0] == ("heads", (OLD,))
    node.busy = True
    assert await said_by(node, of_program(OLD)) == {}


def test_a_markets_terms_are_in_its_fingerprint_and_what_moves_by_itself_is_not() -> None:
    def said(**params: Any) -> str:
        return exits_svm.print_of(of_program(OLD, **params), b"code")

    was = said(flavour="main", fee=5, opens=True, **{TERMS: {"limit": 7}})
    assert was == said(flavour="main", fee=6, opens=True, **{TERMS: {"limit": 7}}), "a number is a price or a balance"
    others = [
        said(flavour="other", opens=True, **{TERMS: {"limit": 7}}),
        said(flavour="main", opens=False, **{TERMS: {"limit": 7}}),
        said(flavour="main", opens=True, **{TERMS: {"limit": 8}}),
        said(flavour="main", opens=True),
        exits_svm.print_of(of_program(OLD, flavour="main", opens=True, **{TERMS: {"limit": 7}}), b"other"),
    ]
    assert len({was, *others}) == 6


# What the journal knows.


def records(*events: JournalEntry) -> list[Record]:
    return [Record(index + 1, T, event) for index, event in enumerate(events)]


@dataclass
class Prints:
    """What markets are now, and which were asked for."""

    now: dict[MarketId, str] = field(default_factory=lambda: {A.market.id: "v1", B.market.id: "v1"})
    asked: list[list[MarketId]] = field(default_factory=list)

    async def __call__(self, states: Sequence[MarketState]) -> dict[MarketId, str]:
        self.asked.append([state.market.id for state in states])
        return {state.market.id: self.now[state.market.id] for state in states if state.market.id in self.now}


BAD = refused(A, OWNER, "v1", "it does not come out")
GOOD = proven(A, OWNER, "v1", usdc(100), on_chain=True)


async def known(
    *events: JournalEntry, view: Snapshot = VIEW, first: tuple[str, ...] = (), prints: Prints | None = None
) -> Snapshot:
    return await with_exits(prints or Prints(), view, records(*events), loose(horizon_days=30.0, try_first=first))


def test_what_is_written_down_is_of_this_market_this_account_and_this_block() -> None:
    assert (
        ExitRefused(
            chain=CHAIN, owner=OWNER, market_id=A.market.id, fingerprint="v1", reason="it does not come out", time=T
        )
        == BAD
    )
    assert (
        ExitProven(
            chain=CHAIN, owner=OWNER, market_id=A.market.id, fingerprint="v1", time=T, up_to=usdc(100), on_chain=True
        )
        == GOOD
    )
    assert not proven(A, OWNER, "v1", usdc(1)).on_chain and not BAD.on_chain
    assert refused(A, OWNER, "v1", "x", on_chain=True).on_chain


async def test_a_refusal_holds_while_the_market_is_what_it_was_or_cannot_be_compared() -> None:
    prints = Prints()
    view = await known(BAD, prints=prints)
    assert view.of(A.market.id).no_way_out == "it does not come out" and not view.of(B.market.id).no_way_out
    assert prints.asked == [[A.market.id]], "markets that the journal does not name are not read again"
    assert not (await known(BAD, prints=Prints({A.market.id: "v2"}))).of(A.market.id).no_way_out
    twice = (replace(BAD, fingerprint="v0", reason="the first"), BAD)
    assert (await known(*twice, prints=Prints({}))).of(A.market.id).no_way_out == "it does not come out", "the last"
    assert (await known(*twice, prints=Prints({A.market.id: "v0"}))).of(A.market.id).no_way_out == "the first"
    assert (await known(BAD, AccountCleared(CHAIN, OWNER, "me"))) == VIEW
    assert (await known(replace(BAD, owner=SOMEBODY))) == VIEW


async def test_nothing_is_asked_where_nothing_is_to_be_known() -> None:
    prints = Prints()
    assert await known(prints=prints) is VIEW and await known(GOOD, prints=prints) is VIEW
    await known(first=(A.market.id,), prints=prints)
    assert prints.asked == [], "what was never tried need not be compared"


async def test_what_is_to_be_tried_first_is_untried_until_real_money_came_out_of_it_as_it_is() -> None:
    async def untried(*events: JournalEntry, now: str | None = "v1") -> bool:
        prints = Prints({A.market.id: now} if now else {})
        view = await known(*events, first=(A.market.id,), prints=prints)
        assert not view.of(B.market.id).untried
        return view.of(A.market.id).untried

    assert await untried() and await untried(now=None)
    assert not await untried(GOOD) and await untried(GOOD, now="v2") and await untried(GOOD, now=None)
    assert await untried(replace(GOOD, on_chain=False)), "a fork can be lied to"
    view = await known(GOOD, first=(B.market.id,))
    assert view.of(B.market.id).untried and not view.of(A.market.id).untried
    slow = replace(A, exit=Exit(kind=ExitKind.COOLDOWN, seconds=1))
    view = await known(first=(A.market.id,), view=snapshot(0, slow))
    assert not view.of(A.market.id).untried, "nothing of it could come out within one plan"


def leg(raw: int, state: MarketState = A, kind: LegKind = LegKind.DEPOSIT) -> Leg:
    return Leg(kind, state.market.id, replace(usdc(0), raw=raw))


async def proofs(
    *legs: Leg, events: Sequence[JournalEntry] = (GOOD,), view: Snapshot = VIEW, prints: Prints | None = None
) -> set[int]:
    return set(await proven_legs(prints or Prints(), records(*events), legs, view))


async def test_a_deposit_is_proven_for_as_much_as_came_out_with_what_is_held_and_for_a_month() -> None:
    most = usdc(100).raw
    assert await proofs(leg(most)) == {0} and await proofs(leg(most + 1)) == set()
    assert await proofs(leg(most - 1), leg(1), leg(1)) == {0, 1}, "both are in by then"
    held = snapshot(0, replace(A, held=usdc(40)))
    assert await proofs(leg(usdc(60).raw), view=held) == {0} and await proofs(leg(usdc(60).raw + 1), view=held) == set()
    assert await proofs(leg(1, B), leg(1)) == {1}
    assert await proofs(leg(1, kind=LegKind.WITHDRAW), leg(1)) == {1}
    assert await proofs(leg(1), prints=Prints({A.market.id: "v2"})) == await proofs(leg(1), prints=Prints({})) == set()
    for ago, fresh in ((PROOF_SECONDS - 1, True), (PROOF_SECONDS, False)):
        assert (await proofs(leg(1), events=[replace(GOOD, time=T - ago)]) == {0}) is fresh
    assert await proofs(leg(1), events=[GOOD, replace(BAD, fingerprint="v2")]) == {0}
    assert await proofs(leg(1), events=[GOOD, BAD]) == set()
    prints = Prints()
    assert await proofs(leg(1, B), prints=prints) == set() and prints.asked == [], "nothing is known of it"


def test_what_is_rehearsed_is_a_market() -> None:
    assert rehearsed(VIEW.markets) == [A, B] and rehearsed(VIEW.idle) == []
    assert rehearsed([replace(A, liquidity_market=object())]) == []  # type: ignore[arg-type]


# Money on its way out, by what the chain shows.


def gone(asked: float = 5, ready: float = 0, back: float = 0, until: int | None = 9) -> Leaving:
    return Leaving(requested=usdc(asked), ready=usdc(ready), back=usdc(back), until=until)


def seen(leaving: Leaving | None, *events: JournalEntry) -> list[JournalEntry]:
    return list(steps(records(*events), snapshot(0, replace(A, held=usdc(50), leaving=leaving), B)))


ASKED = ExitAsked(
    chain=CHAIN, owner=OWNER, market_id=A.market.id, asked=usdc(5), ready=usdc(0), back=usdc(0), until=9, time=T
)


def test_a_stage_is_written_once_and_its_end_too() -> None:
    assert seen(gone()) == [ASKED] and seen(gone(), ASKED) == []
    assert seen(gone(6), ASKED) == [], "amounts that only grew are no news"
    for now in (gone(0, 5), gone(5, 5), gone(5, 0, 1), gone(until=10), gone(until=None)):
        (event,) = seen(now, ASKED)
        assert isinstance(event, ExitAsked) and event.until == now.until
        assert (event.asked, event.ready, event.back) == (now.requested, now.ready, now.back)
    ended = ExitEnded(chain=CHAIN, owner=OWNER, market_id=A.market.id, time=T)
    assert seen(None, ASKED) == [ended] and seen(None) == [] and seen(None, ASKED, ended) == []
    assert seen(gone(), ASKED, ended) == [ASKED] and seen(gone(), replace(ASKED, owner=SOMEBODY)) == [ASKED]


@pytest.mark.parametrize("state", [replace(A, held=usdc(5)), replace(A, held=usdc(0))])
async def test_a_refusal_of_real_money_holds_what_is_there(state: MarketState) -> None:
    view = await known(replace(BAD, on_chain=True), view=snapshot(0, state))
    assert bool(view.of(A.market.id).stuck) is bool(state.held)
