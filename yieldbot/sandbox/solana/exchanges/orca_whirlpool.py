"""The Whirlpool program's double, and accounts of its pools: of any price, fee and positions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from yieldbot.math.whirlpool import MOST_TICK, TICKS, delta_a, delta_b, sqrt_at, tick_at
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.layout import key_bytes
from yieldbot.protocols.solana.orca_whirlpool import DYNAMIC, FIXED, TICK_BYTES, tick_array
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.exchanges import ExchangeListing, Pair, SandboxExchange
from yieldbot.sandbox.solana.images import Images, account_data, image, named, program_image, token_account

CONFIG = named("whirlpools", "config")
REACH = 0.02
"""How far most of a pool's liquidity reaches to each side of the price, as a fraction of the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhirlpoolTerms:
    """The initial state of a Whirlpool."""

    sqrt_price_x64: int
    """Square root of the price, times 2^64."""
    positions: tuple[tuple[int, int, int], ...]
    """Positions as (lower tick, upper tick, liquidity)."""
    spacing: int = 64
    """Tick spacing."""
    fee_pips: int = 3000
    """Swap fee, in hundredths of a bp."""
    protocol_bps: int = 1300
    """The protocol's part of the fee, in bps."""
    dynamic: frozenset[int] = frozenset()
    """First ticks of the tick arrays that are of the dynamic kind."""


def whirlpool_program(seed: str = "whirlpools") -> tuple[Address, Images]:
    """The program."""
    address = named(seed, "program")
    return address, {address: program_image(program("orca_whirlpool"))}


def whirlpool(program_id: Address, one: Address, other: Address, terms: WhirlpoolTerms) -> tuple[Address, Images]:
    """(address, accounts) of a pool of two mints, whose vaults hold the tokens of its positions."""
    from solders.pubkey import Pubkey

    a, b = sorted((one, other), key=key_bytes)
    tier = struct.pack("<H", terms.spacing)
    seeds = [b"whirlpool", key_bytes(CONFIG), key_bytes(a), key_bytes(b), tier]
    found, bump = Pubkey.find_program_address(seeds, Pubkey.from_string(program_id))
    pool, tick = Address(str(found)), tick_at(terms.sqrt_price_x64)
    vaults = [named(pool, "vault", mint) for mint in (a, b)]
    net: dict[int, int] = {}
    gross: dict[int, int] = {}
    amounts, liquidity = [0, 0], 0
    for lower, upper, size in terms.positions:
        for at, sign in ((lower, 1), (upper, -1)):
            net[at], gross[at] = net.get(at, 0) + sign * size, gross.get(at, 0) + size
        low, high = sqrt_at(lower), sqrt_at(upper)
        at = max(low, min(high, terms.sqrt_price_x64))
        amounts[0] += (delta_a(at, high, size, True) or 0) + 1
        amounts[1] += (delta_b(low, at, size, True) or 0) + 1
        liquidity += size if lower <= tick < upper else 0
    fields = {
        "tick_spacing": terms.spacing,
        "fee_tier_index": terms.spacing,
        "fee_rate": terms.fee_pips,
        "protocol_fee_rate": terms.protocol_bps,
        "liquidity": liquidity,
        "sqrt_price": terms.sqrt_price_x64,
        "tick_current_index": tick,
        "token_mint_a": a,
        "token_vault_a": vaults[0],
        "token_mint_b": b,
        "token_vault_b": vaults[1],
    }
    data = bytearray(account_data("orca_whirlpool", "Whirlpool", fields))
    data[8:41] = key_bytes(CONFIG) + bytes([bump])
    images = {pool: image(program_id, bytes(data))}
    images |= {v: token_account(m, pool, held) for v, m, held in zip(vaults, (a, b), amounts, strict=True)}
    width = TICKS * terms.spacing
    for first in {at // width * width for at in gross}:
        inside = [(net.get(at, 0), gross.get(at, 0)) for at in range(first, first + width, terms.spacing)]
        images[tick_array(program_id, pool, first)] = image(program_id, _array(pool, first, inside, terms))
    return pool, images


def _array(pool: Address, first: int, inside: Iterable[tuple[int, int]], terms: WhirlpoolTerms) -> bytes:
    """The account of 88 ticks: (net, gross) liquidity of each, 0 gross for one that is not initialised."""
    rows, start = list(inside), struct.pack("<i", first)
    each = [struct.pack("<?", gross > 0) + _i128(net) + _i128(gross) + bytes(TICK_BYTES - 33) for net, gross in rows]
    if first not in terms.dynamic:
        return FIXED + start + b"".join(each) + key_bytes(pool)
    bitmap = sum(1 << i for i, (_, gross) in enumerate(rows) if gross)
    ticks = [tick if gross else b"\0" for tick, (_, gross) in zip(each, rows, strict=True)]
    return DYNAMIC + start + key_bytes(pool) + _i128(bitmap) + b"".join(ticks)


def _i128(value: int) -> bytes:
    return value.to_bytes(16, "little", signed=True)


def place(pairs: Sequence[Pair]) -> ExchangeListing:
    """The program with a pool for each pair: most of the liquidity near the price, a hundredth of it at any price."""
    program_id, images = whirlpool_program()
    pools: dict[str, Address] = {}
    for pair in pairs:
        (a, b), tick, spacing = pair.ordered, pair.tick, pair.spacing
        lower, upper = (round((tick + sign * REACH * 10_000) / spacing) * spacing for sign in (-1, 1))
        wanted_b = (pair.depth if b == pair.other else pair.depth / pair.price) * b.one
        size = int(wanted_b / (sqrt_at(tick) - sqrt_at(lower)) * 2**64)
        end = MOST_TICK // spacing * spacing
        positions = ((lower, upper, size), (-end, end, size // 100))
        assert delta_b(sqrt_at(lower), sqrt_at(upper), size, True) is not None
        terms = WhirlpoolTerms(
            sqrt_price_x64=sqrt_at(tick), positions=positions, spacing=spacing, fee_pips=pair.fee_pips
        )
        pool, more = whirlpool(program_id, a.address, b.address, terms)
        images |= more
        pools[f"{pair.name}_pool"] = pool
    row = {"protocol": "orca_whirlpool", "name": "Orca (double)", "program": program_id, "pools": list(pools.values())}
    return ExchangeListing(exchanges=(row,), images=images, addresses=pools)


SANDBOX = SandboxExchange(protocol="orca_whirlpool", place=place)
