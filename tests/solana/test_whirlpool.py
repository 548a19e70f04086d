"""Orca's Whirlpools: our arithmetic and our adapter against the double of the program, in LiteSVM."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.kit.solana_bench import CHAIN, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.whirlpool import MOST_TICK, TICKS, Whirlpool, WhirlpoolVenue, sqrt_at
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.known import TOKEN_2022_PROGRAM
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import layout
from yieldbot.protocols.solana.orca_whirlpool import EXCHANGE, oracle_of, tick_array
from yieldbot.sandbox.solana.exchanges.orca_whirlpool import WhirlpoolTerms, whirlpool, whirlpool_program
from yieldbot.sandbox.solana.images import Images, named

PLENTY = 2**62
USUAL = WhirlpoolTerms(sqrt_price_x64=sqrt_at(12), positions=((-6400, 6400, 10**13), (-640, 1280, 10**14)))


@dataclass
class Swaps:
    """A pool of two tokens of which we hold plenty."""

    ledger: Ledger
    pool: Pool

    @classmethod
    def of(cls, terms: WhirlpoolTerms, program: tuple[Any, Images] | None = None) -> Swaps:
        ledger = Ledger()
        one, other = ledger.token("ONE", 6, PLENTY), ledger.token("OTHER", 6, PLENTY)
        address, images = program or whirlpool_program()
        ledger.set(images)
        pool, images = whirlpool(address, one.address, other.address, terms)
        ledger.set(images)
        params = {"program": address, "pools": [pool]}
        deployment = Deployment("orca_whirlpool", CHAIN, "Orca (double)", params, (one, other))
        (found,) = ledger.run(EXCHANGE.pools(deployment, [(one, other)]))
        return cls(ledger, found)

    def state(self) -> PoolState:
        found = self.ledger.run(EXCHANGE.observe(self.pool))
        assert isinstance(found, PoolState)
        return found

    def maths(self) -> Whirlpool:
        venue = self.state().zero
        assert isinstance(venue, WhirlpoolVenue)
        return venue.pool

    def tokens(self, a_to_b: bool) -> tuple[Token, Token]:
        pair = self.pool.token0, self.pool.token1
        return pair if a_to_b else (pair[1], pair[0])

    def call(self, taken: int, least: int, a_to_b: bool) -> SvmInstruction:
        given, wanted = self.tokens(a_to_b)
        return EXCHANGE.swap(self.state().pool, Amount(given, taken), Amount(wanted, least), self.ledger.me)

    def exact_out(self, wanted: int, a_to_b: bool) -> SvmInstruction:
        call = self.call(1, 1, a_to_b)
        return replace(call, data=call.data[:8] + struct.pack("<QQQQ??", wanted, 2**64 - 1, 0, 0, False, a_to_b))

    def balances(self) -> tuple[int, int]:
        a, b = (self.ledger.balance(token.address) for token in (self.pool.token0, self.pool.token1))
        return a, b

    def does(self, call: SvmInstruction) -> tuple[int, int]:
        """What the pool got of A and of B."""
        before = self.balances()
        self.ledger.warp(1)
        self.ledger.send((call,))
        return before[0] - self.balances()[0], before[1] - self.balances()[1]

    def stored(self) -> dict[str, Any]:
        image = self.ledger.get(self.pool.address)
        assert image is not None
        return layout("orca_whirlpool").decode("Whirlpool", image.data)


def random_terms(draw: random.Random) -> WhirlpoolTerms:
    spacing = draw.choice([1, 2, 4, 8, 16, 64, 96, 128, 256])
    width = TICKS * spacing
    middle = draw.randint(-200_000, 200_000)
    size = 10 ** draw.uniform(3, 17)
    positions = []
    for _ in range(draw.randint(1, 14)):
        reach = draw.choice([spacing, 10 * spacing, width, 3 * width, 6 * width])
        lower, upper = sorted(
            max(-MOST_TICK // spacing, min(MOST_TICK // spacing, (middle + draw.randint(-reach, reach)) // spacing))
            for _ in range(2)
        )
        low, high = (1.0001 ** (end * spacing / 2) for end in (lower, upper))
        if lower < upper:  # no more than 64 bits hold, all together
            most = 2**58 / max(1 / low - 1 / high, high - low)
            positions.append((lower * spacing, upper * spacing, 1 + int(min(size * draw.uniform(0.01, 10), most))))
    sqrt = sqrt_at(middle) if draw.random() < 0.2 else draw.randint(sqrt_at(middle), sqrt_at(middle + 1) - 1)
    if draw.random() < 0.3 and positions:
        sqrt = sqrt_at(draw.choice([end for at in positions for end in at[:2]]))  # just on a tick that is crossed
    arrays = {end // width * width for at in positions for end in at[:2]}
    return WhirlpoolTerms(
        sqrt_price_x64=sqrt,
        positions=tuple(positions),
        spacing=spacing,
        fee_pips=draw.choice([0, 1, 100, 300, 400, 3000, 10_000, 60_000, draw.randint(0, 60_000)]),
        protocol_bps=draw.choice([0, 300, 1300, 2500]),
        dynamic=frozenset(at for at in arrays if draw.random() < 0.5),
    )


def one_after_another(seed: int, program: tuple[Any, Images] | None = None) -> tuple[int, int, int]:
    """Random swaps in a random pool, each as it was told: (made, refused by both, ticks crossed)."""
    draw = random.Random(seed)
    swaps, made, refused, crossed = Swaps.of(random_terms(draw), program), 0, 0, 0
    for _ in range(8):
        a_to_b, exact_in = draw.random() < 0.5, draw.random() < 0.7
        amount = int(10 ** draw.uniform(0, 15))
        pool, was = swaps.maths(), swaps.stored()
        call = swaps.call(amount, 0, a_to_b) if exact_in else swaps.exact_out(amount, a_to_b)
        try:
            told = pool.swap(amount, a_to_b, exact_in=exact_in)
        except Unswappable:
            assert swaps.ledger.attempt((call,))[0] is not None, (seed, amount, a_to_b, exact_in)
            refused += 1
            continue
        if (told.a if a_to_b else told.b) > PLENTY // 8 or (told.b if a_to_b else told.a) > PLENTY // 8:
            continue
        assert swaps.does(call) == ((told.a, -told.b) if a_to_b else (-told.a, told.b)), (seed, amount, a_to_b)
        now, side = swaps.stored(), "a" if a_to_b else "b"
        seen = (now["sqrt_price"], now["tick_current_index"], now["liquidity"])
        assert seen == (told.sqrt_price_x64, told.tick, told.liquidity), (seed, amount, a_to_b)
        owed = f"protocol_fee_owed_{side}"
        assert now[owed] - was[owed] == told.protocol_fee
        assert (
            told.fee == 0 or told.liquidity == 0 or now[f"fee_growth_global_{side}"] >= was[f"fee_growth_global_{side}"]
        )
        made, crossed = made + 1, crossed + told.crossed
    return made, refused, crossed


@pytest.mark.parametrize("seeds", [range(at, at + 30) for at in range(0, 120, 30)], ids=str)
def test_a_swap_is_what_was_told_to_the_unit(seeds: range) -> None:
    each = [one_after_another(seed) for seed in seeds]
    made, refused, crossed = (sum(column) for column in zip(*each, strict=True))
    assert made > 60 and refused > 10 and crossed > 30, (made, refused, crossed)


@pytest.mark.parametrize("a_to_b", [True, False])
def test_an_exact_output_and_all_that_the_arrays_hold(a_to_b: bool) -> None:
    swaps = Swaps.of(USUAL)
    state = swaps.state()
    venue = state.venue(swaps.tokens(a_to_b)[0])
    needed = venue.quote_exact_out(10**9)
    assert swaps.does(swaps.exact_out(10**9, a_to_b)) == ((needed, -(10**9)) if a_to_b else (-(10**9), needed))
    venue = swaps.state().venue(swaps.tokens(a_to_b)[0])
    most = venue.amount_until_price(1e-9)
    given, wanted = venue.quote_exact_in(most)[0], swaps.tokens(a_to_b)[1]
    with pytest.raises(Unswappable):
        venue.quote_exact_in(most + max(2, most // 10**6))
    code, _ = swaps.ledger.attempt((swaps.call(most + max(2, most // 10**6), 0, a_to_b),))
    assert code == 6038, "the program ends there too"
    assert swaps.ledger.attempt((swaps.call(most, given + 1, a_to_b),))[0] == 6036, "one more than comes out"
    before = swaps.ledger.balance(wanted.address)
    swaps.does(swaps.call(most, given, a_to_b))
    assert swaps.ledger.balance(wanted.address) - before == given


@pytest.mark.parametrize("a_to_b", [True, False])
@pytest.mark.parametrize("price", [0.99, 0.95, 0.7])
def test_until_is_where_one_more_unit_is_paid_less(a_to_b: bool, price: float) -> None:
    venue = Swaps.of(USUAL).state().venue(Swaps.of(USUAL).tokens(a_to_b)[0])
    taken, more = venue.amount_until_price(price), 10**7
    assert taken > 0
    earlier, at, later = (venue.quote_exact_in(taken + by)[0] for by in (-more, 0, more))
    assert (at - earlier) / more >= price * (1 - 1e-6) and (later - at) / more <= price * (1 + 1e-6)


def test_the_double_refuses_what_the_program_refuses() -> None:
    swaps = Swaps.of(USUAL)
    ledger, call = swaps.ledger, swaps.call(10**9, 1, True)
    program = swaps.pool.params["program"]

    def refused(at: int, meta: SvmMeta) -> int | None:
        accounts = (*call.accounts[:at], meta, *call.accounts[at + 1 :])
        return ledger.attempt((replace(call, accounts=accounts),))[0]

    other = named("a stranger's account")
    mine = call.accounts[5]
    theirs = ledger.get(call.accounts[4].address)
    array = ledger.get(call.accounts[7].address)
    assert theirs is not None and array is not None
    copied = AccountImage(array.lamports, program, array.data[:-32] + bytes(32))
    ledger.set({other: theirs, named("an array of another pool"): copied})
    assert refused(4, SvmMeta(other, writable=True)) == 2012, "another vault"
    assert refused(3, SvmMeta(mine.address, writable=True)) == 2003, "an account of another mint"
    assert refused(1, SvmMeta(named("stranger"))) == 3010, "the owner did not sign"
    assert refused(2, SvmMeta(call.accounts[4].address, writable=True)) == 3007, "no pool"
    assert refused(2, SvmMeta(swaps.pool.address)) == 2000, "a pool that cannot be written"
    assert refused(10, SvmMeta(other)) == 2006, "another oracle"
    assert refused(7, SvmMeta(named("an array of another pool"), writable=True)) == 6056
    alone = replace(call, accounts=(*call.accounts[:7], *call.accounts[8:9] * 3, call.accounts[10]))
    assert ledger.attempt((alone,))[0] == 6023, "not the array where the price is"
    assert ledger.attempt((replace(call, accounts=call.accounts[:10]),))[0] == 3005
    assert ledger.attempt((call,))[0] is None


def test_pools_that_cannot_be_told_are_refused() -> None:
    swaps = Swaps.of(USUAL)
    ledger, program, address = swaps.ledger, swaps.pool.params["program"], swaps.pool.address
    pool, mint = ledger.get(address), ledger.get(swaps.pool.token0.address)
    assert pool is not None and mint is not None

    ledger.set({oracle_of(program, address): AccountImage(10**9, program, bytes(254))})
    with pytest.raises(MarketError, match="adapts to volatility"):
        swaps.state()
    ledger.set({oracle_of(program, address): AccountImage(0, program, b"")})
    ledger.set({address: replace(pool, data=pool.data[:43] + b"\x01\x04" + pool.data[45:])})
    with pytest.raises(MarketError, match="adapts to volatility"):
        swaps.state()
    ledger.set({address: replace(pool, data=pool.data[:81] + struct.pack("<i", 500) + pool.data[85:])})
    with pytest.raises(MarketError, match="contradicts itself"):
        swaps.state()
    ledger.set({address: pool, swaps.pool.token0.address: replace(mint, program=TOKEN_2022_PROGRAM)})
    with pytest.raises(MarketError, match="SPL Token's own mints"):
        swaps.state()
    ledger.set({swaps.pool.token0.address: mint})
    at = tick_array(program, address, 0)
    array = ledger.get(at)
    assert array is not None
    for wrong in (array.data[:-1], array.data[:8] + struct.pack("<i", 5632) + array.data[12:], bytes(9988)):
        ledger.set({at: replace(array, data=wrong)})
        with pytest.raises(MarketError, match=r"no array|is not pool"):
            swaps.state()
    ledger.set({at: array})
    assert swaps.state().zero.quote_exact_in(10**6)[0] > 0


def test_any_bytes_are_a_pool_or_refused_in_words() -> None:
    """What a node answers is believed where it makes sense, and else ends in a MarketError, never in another error."""
    swaps = Swaps.of(replace(USUAL, dynamic=frozenset({-5632})))
    draw, ledger, program = random.Random(5), swaps.ledger, swaps.pool.params["program"]
    places = [swaps.pool.address, *(tick_array(program, swaps.pool.address, at) for at in (-5632, 0))]
    good = {place: ledger.get(place) for place in places}
    read, refused = 0, 0
    for _ in range(600):
        for place, image in good.items():
            assert image is not None
            data = bytearray(image.data)
            for _ in range(draw.choice([0, 1, 3])):
                data[draw.randrange(min(300, len(data)))] = draw.randrange(256)
            if draw.random() < 0.1:
                del data[draw.randrange(len(data)) :]
            ledger.set({place: replace(image, data=bytes(data))})
        try:
            state = swaps.state()
        except MarketError:
            refused += 1
            continue
        read += 1
        for venue in (state.zero, state.one):
            try:
                assert venue.quote_exact_in(10**6)[0] >= 0 and venue.amount_until_price(0.5) >= 0
            except Unswappable:
                continue
    assert read > 50 and refused > 50, (read, refused)


@pytest.mark.parametrize("a_to_b", [True, False])
def test_two_swaps_of_a_leg_have_room_in_one_transaction(a_to_b: bool) -> None:
    """The most that a leg has, with its accounts to be opened."""
    from yieldbot.chains.solana.execution.account import LegWork
    from yieldbot.chains.solana.execution.build import steps, too_large
    from yieldbot.model.exchange import SwapTerms
    from yieldbot.model.ids import MarketId
    from yieldbot.model.known import TOKEN_PROGRAM
    from yieldbot.model.market import Kind, Market
    from yieldbot.model.plan import Leg, LegKind

    swaps = Swaps.of(USUAL)
    ledger, pool = swaps.ledger, swaps.pool
    other, images = whirlpool(
        pool.params["program"], pool.token0.address, pool.token1.address, replace(USUAL, spacing=128)
    )
    ledger.set(images)
    given, wanted = swaps.tokens(a_to_b)
    first = swaps.state().pool
    second = ledger.run(EXCHANGE.observe(replace(pool, address=other))).pool
    half = Amount(given, 10**8), Amount(wanted, 9 * 10**7)
    calls = tuple(EXCHANGE.swap(each, *half, ledger.me) for each in (first, second))
    market_id = MarketId("swap/solana/x/y")
    work = LegWork(
        index=0,
        leg=Leg(LegKind.SWAP, market_id, Amount(given, 2 * 10**8), gets=Amount(wanted, 18 * 10**7)),
        market=Market(market_id, "swap", Kind.EXCHANGE, CHAIN, "two pools", given, pool.address),
        calls=calls,
        share_token=None,
        tags=EXCHANGE.tags(pool),
        token_program=TOKEN_PROGRAM,
        share_program=TOKEN_PROGRAM,
        swaps=tuple(SwapTerms((each,), *half) for each in (first, second)),
    )
    (step,) = steps(work, ledger.me, {})
    assert too_large(step, ledger.me) is None and step.instructions[-2:] == calls
    before = ledger.balance(given.address), ledger.balance(wanted.address)
    ledger.send(step.instructions)
    assert before[0] - ledger.balance(given.address) == 2 * 10**8
    assert ledger.balance(wanted.address) - before[1] >= 18 * 10**7
