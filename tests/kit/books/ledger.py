"""Random sequences of accounting entries, for ledgers and export formats."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.books.samples import ETH, SHARES, USDC, WETH, entry, quotes
from yieldbot.books.entries import Entry, EntryKind

USD = quotes({USDC: "1", WETH: "3000", ETH: "3000"})

RAW = st.integers(1, 10**12)


@st.composite
def stories(draw: st.DrawFn) -> list[Entry]:
    """Draws a sequence of deposits, exits, swaps, claims and strangers' transfers in which no balance goes below
    zero."""
    wallet, market, weth = draw(RAW), 0, 0
    told = [entry(EntryKind.IN, 0, (USDC, wallet)), entry(EntryKind.IN, 0, (ETH, 10**18))]
    for day in range(1, draw(st.integers(1, 10))):
        fee = draw(st.integers(0, 10**15))
        kind = draw(
            st.sampled_from(
                [
                    EntryKind.IN,
                    EntryKind.OUT,
                    EntryKind.DEPOSIT,
                    EntryKind.WITHDRAW,
                    EntryKind.SWAP,
                    EntryKind.CLAIM,
                    EntryKind.OTHER,
                ]
            )
        )
        if kind in (EntryKind.OUT, EntryKind.DEPOSIT, EntryKind.SWAP) and wallet:
            raw = draw(st.integers(1, wallet))
            wallet -= raw
            market += raw if kind is EntryKind.DEPOSIT else 0
            got = (WETH, draw(RAW)) if kind is EntryKind.SWAP else (SHARES, raw)
            weth += got[1] if kind is EntryKind.SWAP else 0
            changes = [(USDC, -raw), got] if kind is not EntryKind.OUT else [(USDC, -raw)]
            told.append(entry(kind, day, *changes, fee_raw=fee))
        elif kind is EntryKind.WITHDRAW and market:
            raw, whole = draw(st.integers(1, 2 * market)), draw(st.booleans())
            wallet, market = wallet + raw, 0 if whole else max(0, market - raw)
            told.append(entry(kind, day, (USDC, raw), (SHARES, -raw), all=whole, fee_raw=fee))
        elif kind in (EntryKind.IN, EntryKind.CLAIM, EntryKind.OTHER):
            raw = draw(RAW)
            wallet += raw
            told.append(entry(kind, day, (USDC, raw), fee_raw=fee))
    return told
