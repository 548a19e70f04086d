"""What a marginfi bank pays out: thin cash, windows of outflow and what stands in the way of an exit."""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from tests.kit.solana.marginfi_bench import FIELDS, limited, start
from tests.kit.solana_bench import NOW, Ledger
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.math.marginfi import ONE
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, layout
from yieldbot.protocols.solana.marginfi import ADAPTER
from yieldbot.sandbox.solana.protocols.marginfi import MarginfiTerms


@pytest.mark.parametrize("slots", [0, 1, 7, 30])
def test_a_thin_market_pays_what_it_has_and_the_rest_later(slots: int) -> None:
    held, cash = 42_000 * 10**6, 20_000 * 10**6
    ledger, usdc, market = start(MarginfiTerms(available_raw=10**6, borrowed_raw=900_000 * 10**6))
    ledger.send(ADAPTER.deposit(ledger.observe(ADAPTER, market), Amount(usdc, held), ledger.me))
    image, vault = ledger.get(market.address), ledger.get(market.params["liquidity_vault"])
    assert image is not None and vault is not None
    where = {name: at for name, (at, _) in FIELDS.items()}
    data, tokens = bytearray(image.data), bytearray(vault.data)
    fields = layout("marginfi").decode("Bank", image.data)
    lent = int.from_bytes(tokens[64:72], "little") - cash
    shares = fields["liability_shares"] + (lent * ONE * ONE) // fields["liability_share_value"]
    data[where["liability_shares"] : where["liability_shares"] + 16] = shares.to_bytes(16, "little")
    tokens[64:72] = cash.to_bytes(8, "little")
    ledger.set({market.address: replace(image, data=bytes(data))})
    ledger.set({market.params["liquidity_vault"]: replace(vault, data=bytes(tokens))})
    state = ledger.observe(ADAPTER, market)
    assert cash * (1 - 1e-4) <= state.withdrawable.raw <= cash
    calls, before = ADAPTER.withdraw(state, state.withdrawable, ledger.me), ledger.balance(usdc.address)
    ledger.warp(slots)
    ledger.send(calls)
    paid = ledger.balance(usdc.address) - before
    assert cash * (1 - 1e-4) <= paid <= cash
    assert ledger.observe(ADAPTER, market).held.raw >= held - paid - 2


GROUP_WINDOW, BANK_WINDOW = 376, 1656


def windowed(ledger: Ledger, address: Address, at: int, *windows: tuple[int, int, int, int, int]) -> None:
    """Windows of outflow, hourly and daily: (most, seconds, start, before, now)."""
    image = ledger.get(address)
    assert image is not None
    data = bytearray(image.data)
    for place, window in enumerate(windows):
        struct.pack_into("<QQqqq", data, at + 40 * place, *window)
    ledger.set({address: replace(image, data=bytes(data))})


OFF = (0, 0, 0, 0, 0)
HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize(
    ("at", "windows", "left", "code"),
    [
        (BANK_WINDOW, ((5_000 * 10**6, HOUR, NOW, 0, 2_000 * 10**6), OFF), 3_000, 6115),
        (BANK_WINDOW, (OFF, (5_000 * 10**6, DAY, NOW, 0, 1_000 * 10**6)), 4_000, 6116),
        (BANK_WINDOW, ((5_000 * 10**6, HOUR, NOW, 0, -2_000 * 10**6), OFF), 7_000, 6115),
        (BANK_WINDOW, ((5_000 * 10**6, HOUR, NOW - HOUR, 0, 3_600 * 10**6), OFF), 1_400, 6115),
        (BANK_WINDOW, ((5_000 * 10**6, HOUR, NOW - 2 * HOUR, 4_000 * 10**6, 4_000 * 10**6), OFF), 5_000, 6115),
        (GROUP_WINDOW, ((5_000, HOUR, NOW, 0, 2_000), OFF), 3_000, 6117),
        (GROUP_WINDOW, (OFF, (5_000, DAY, NOW, 0, 1_000)), 4_000, 6118),
    ],
)
def test_windows_of_outflow_bound_the_cash_as_the_program_does(
    at: int, windows: tuple[tuple[int, int, int, int, int], ...], left: int, code: int
) -> None:
    ledger, usdc, market = limited()
    windowed(ledger, market.address if at == BANK_WINDOW else market.params["group"], at, *windows)
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity == state.withdrawable == usdc.parse(str(left))
    wide = replace(state, liquidity=state.held)
    beyond = ADAPTER.withdraw(wide, usdc.parse(str(left + 1)), ledger.me)
    assert ledger.attempt(beyond)[0] == code and ADAPTER.explain_error(market.params["program"], code)
    assert ledger.attempt(ADAPTER.withdraw(wide, None, ledger.me))[0] == code, "all of it is more"
    before = ledger.balance(usdc.address)
    ledger.send(ADAPTER.withdraw(state, state.withdrawable, ledger.me))
    assert ledger.balance(usdc.address) - before == left * 10**6
    if at == BANK_WINDOW:
        assert ledger.observe(ADAPTER, market).liquidity.raw == 0, "the bank's own window counts it"


@pytest.mark.parametrize("seed", range(40))
def test_what_any_windows_leave_is_what_the_program_lets_out(seed: int) -> None:
    draw = random.Random(seed)

    def window(scale: int) -> tuple[int, int, int, int, int]:
        most, length = draw.randint(1, 60_000), draw.choice((HOUR, DAY))
        flows = (draw.randint(-20_000, 60_000) * scale for _ in range(2))
        return most * scale, length, NOW - draw.randint(0, 3 * length), *flows

    ledger, usdc, market = limited()
    windowed(ledger, market.address, BANK_WINDOW, *(draw.choice((OFF, window(10**6))) for _ in range(2)))
    windowed(ledger, market.params["group"], GROUP_WINDOW, *(draw.choice((OFF, window(1))) for _ in range(2)))
    ledger.warp(draw.randint(0, 300))
    state = ledger.observe(ADAPTER, market)
    calls, later = ADAPTER.withdraw(state, state.withdrawable, ledger.me), draw.choice((0, 1, 30, 150))
    ledger.warp(later)
    if state.withdrawable.raw:
        ledger.send(calls)
    else:
        assert ledger.attempt(ADAPTER.withdraw(state, usdc.parse("2"), ledger.me))[0] in (None, *range(6115, 6119))


def test_a_deposit_gives_the_banks_window_room() -> None:
    ledger, usdc, market = limited()
    windowed(ledger, market.address, BANK_WINDOW, (5_000 * 10**6, HOUR, NOW, 0, 5_000 * 10**6), OFF)
    state = ledger.observe(ADAPTER, market)
    assert state.liquidity.raw == 0
    ledger.send(ADAPTER.deposit(state, usdc.parse("700"), ledger.me))
    assert ledger.observe(ADAPTER, market).liquidity == usdc.parse("700")


def test_an_oracle_that_cannot_be_read_stops_an_exit_under_the_groups_limiter_alone_and_that_is_said() -> None:
    ledger, usdc, market = limited()
    ledger.set({market.params["oracle"]: AccountImage(10**9, SYSTEM_PROGRAM, b"")})
    state = ledger.observe(ADAPTER, market)
    assert state.exit.limit == "" and not state.exit.priced and "exit-needs-a-price" not in state.flags
    assert len(ADAPTER.withdraw(state, None, ledger.me)[0].accounts) == 8
    ledger.send(ADAPTER.withdraw(state, usdc.parse("10"), ledger.me))
    windowed(ledger, market.params["group"], GROUP_WINDOW, (10**6, HOUR, NOW, 0, 0), OFF)
    state = ledger.observe(ADAPTER, market)
    assert state.exit.priced and "oracle" in state.exit.limit and "exit-needs-a-price" in state.flags
    whole = ADAPTER.withdraw(state, None, ledger.me)
    assert [m.address for m in whole[0].accounts[8:]] == [market.address, market.params["oracle"]]
    part = ADAPTER.withdraw(state, usdc.parse("10"), ledger.me)
    for price, code in ((b"", 6060), (bytes(16), 6119)):
        ledger.set({market.params["oracle"]: AccountImage(10**9, SYSTEM_PROGRAM, price)})
        for calls in (whole, part):
            assert ledger.attempt(calls)[0] == code
        assert "oracle" in str(ADAPTER.explain_error(market.params["program"], code))
    windowed(ledger, market.params["group"], GROUP_WINDOW, OFF, OFF)
    ledger.send(ADAPTER.withdraw(ledger.observe(ADAPTER, market), None, ledger.me))
    assert ledger.observe(ADAPTER, market).held.raw == 0
