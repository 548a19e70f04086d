"""When incentives on top of a Solana market's yield end: Kamino's farms and marginfi's emissions. They are not part of
yields, but depositors who came for them leave when they end. Pure.

Sources: farms-sdk 4.0.1 (FarmState, RewardInfo, calculateNewRewardToBeIssued), marginfi-client-v2 6.4.1 (Bank:
emissions_rate is the number of tokens that are paid for a whole token a year).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from yieldbot.errors import MarketError
from yieldbot.math.marginfi import ONE
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, layout
from yieldbot.protocols.solana.marginfi import EMISSIONS_LENDING

FARMS_PROGRAM = Address("FarmsPZpWu9i7Kky8tPN37rs2TpmMrAZrC7S7vJa91Hr")
FARM_BYTES, FARM_TAG = 8336, bytes([198, 102, 216, 74, 63, 66, 163, 190])
FARM_AT = 64
"""Offset, in a Kamino reserve's account, of the address of its depositors' farm."""
REWARDS_AT, REWARD_BYTES, MOST_REWARDS = 192, 704, 10
"""Offset of a farm's rewards, bytes of one reward, and their number."""
AVAILABLE_AT, CURVE_AT, POINTS, ISSUED_AT, TYPE_AT, DECIMALS_AT = 152, 160, 20, 488, 536, 537
"""Offsets within a reward, apart from POINTS, the number of its curve's points."""
COUNT_AT, STAKED_AT, UNIT_AT, PRICES_AT = 7232, 7248, 7360, 7536
"""Offsets within a farm: the number of rewards, the amount staked, the unit of time (0: seconds), and the oracle that
scales rewards, if any."""
PROPORTIONAL, CONSTANT = 0, 1
EMISSIONS_RATE_AT, EMISSIONS_LEFT_AT, EMISSIONS_MINT_AT = 848, 856, 872
"""Offsets within a marginfi bank: the rate of emissions, the tokens left, and their mint."""
YEAR = 31_536_000
LATEST = 2**40
"""Ends from here on (unix seconds) are taken as no end."""


@dataclass(frozen=True, slots=True)
class RewardEnd:
    """The end of one reward programme."""

    mint: Address
    """The token that it pays."""
    at: int | None
    """Unix seconds of the end; None: it cannot be computed."""


def farm_of(reserve: bytes) -> Address | None:
    """The farm of a Kamino reserve's depositors; None: it has none."""
    if len(reserve) != layout("kamino_lend").size("Reserve"):
        return None
    found = _key(reserve, FARM_AT)
    return None if found == SYSTEM_PROGRAM else found


def farm_ends(data: bytes, now: int) -> tuple[RewardEnd, ...]:
    """The programmes of a farm that pay now (unix seconds). Raises MarketError for other bytes."""
    if len(data) != FARM_BYTES or not data.startswith(FARM_TAG):
        raise MarketError(f"these {len(data)} bytes are no farm")
    count = min(MOST_REWARDS, _u64(data, COUNT_AT))
    staked, priced = _u64(data, STAKED_AT), _key(data, PRICES_AT) != SYSTEM_PROGRAM
    found = []
    for at in range(REWARDS_AT, REWARDS_AT + count * REWARD_BYTES, REWARD_BYTES):
        kind, scale = data[at + TYPE_AT], 10 ** min(30, data[at + DECIMALS_AT])
        times = staked if kind == CONSTANT else 1
        curve = [struct.unpack_from("<QQ", data, at + CURVE_AT + 16 * place) for place in range(POINTS)]
        left, since = _u64(data, at + AVAILABLE_AT), _u64(data, at + ISSUED_AT)
        if not left or not any(rate for _, rate in curve):
            continue
        end = runs_out(left * scale, since, [(start, rate * times) for start, rate in curve])
        if end is not None and end <= now:
            continue
        unknown = kind not in (PROPORTIONAL, CONSTANT) or priced or data[UNIT_AT] != 0
        found.append(RewardEnd(_key(data, at), None if unknown else end))
    return tuple(found)


def runs_out(left: int, since: int, curve: Sequence[tuple[int, int]]) -> int | None:
    """Unix seconds at which a reward ends, because its remaining tokens are used up or its rate becomes 0; None: never.
    left: remaining base units; since: unix seconds of the last issuance; curve: (start, rate a second), ascending;
    unused points have the latest start."""
    steps = [(start, rate) for start, rate in curve if start < LATEST]
    at = since
    for place, (_, rate) in enumerate(steps):
        until = steps[place + 1][0] if place + 1 < len(steps) else None
        if until is not None and until <= at:
            continue
        if rate and (until is None or left <= rate * (until - at)):
            end = at - (-left // rate)
            return end if end < LATEST else None
        if not any(later for _, later in steps[place:]):
            return at
        left, at = left - rate * ((until or at) - at), until or at
    return at


def bank_ends(data: bytes, now: int) -> tuple[RewardEnd, ...]:
    """The emissions of a marginfi bank to its depositors, if it pays any. Raises MarketError for other bytes."""
    bank = layout("marginfi").decode("Bank", data)
    rate, left = _u64(data, EMISSIONS_RATE_AT), int.from_bytes(data[EMISSIONS_LEFT_AT:EMISSIONS_MINT_AT], "little")
    if not bank["flags"] & EMISSIONS_LENDING or not rate or not 0 < left < 2**127:
        return ()
    mint = _key(data, EMISSIONS_MINT_AT)
    a_year = (
        int(bank["asset_shares"]) * int(bank["asset_share_value"]) // ONE * rate // 10 ** int(bank["mint_decimals"])
    )
    seconds = left * YEAR // a_year if a_year > 0 else LATEST
    return (RewardEnd(mint, now + seconds if seconds < LATEST else None),)


def _u64(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", data, at)[0])


def _key(data: bytes, at: int) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data[at : at + 32])))
