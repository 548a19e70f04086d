"""The OP stack's fees computed from its specification, independently of all contracts, to compare the oracle's answers
with.

https://specs.optimism.io/protocol/exec-engine.html (Bedrock, Ecotone), .../fjord/exec-engine.html,
.../isthmus/exec-engine.html, .../jovian/exec-engine.html; the length of FastLZ as the specification's reference counts.
"""

from __future__ import annotations

from yieldbot.sandbox.evm.rollup import Era, L1Fees

SIGNATURE_BYTES = 68
MILLION = 10**6


def l1_fee(era: Era, fees: L1Fees, unsigned: bytes) -> int:
    """L1 fee in wei of an unsigned transaction, as the oracle estimates it."""
    calldata_gas = sum(16 if byte else 4 for byte in unsigned) + SIGNATURE_BYTES * 16
    if era is Era.BEDROCK:
        return (calldata_gas + fees.overhead) * fees.base_fee_wei * fees.scalar // MILLION
    if era is Era.ECOTONE:
        return calldata_gas * _scaled(fees) // (16 * MILLION)
    return _by_size(fees, fastlz_length(unsigned) + SIGNATURE_BYTES)


def taken(fees: L1Fees, signed: bytes) -> int:
    """L1 fee in wei that a chain since Fjord charges for a signed transaction; the oracle estimates the signature's
    part."""
    return _by_size(fees, fastlz_length(signed))


def _scaled(fees: L1Fees) -> int:
    return 16 * fees.base_fee_scalar * fees.base_fee_wei + fees.blob_base_fee_scalar * fees.blob_base_fee_wei


def _by_size(fees: L1Fees, compressed: int) -> int:
    return max(100 * MILLION, 836_500 * compressed - 42_585_600) * _scaled(fees) // MILLION**2


def operator_fee(era: Era, fees: L1Fees, gas: int) -> int:
    """Operator fee in wei for ``gas`` units."""
    if era is Era.ISTHMUS:
        return gas * fees.operator_scalar // MILLION + fees.operator_constant_wei
    return gas * fees.operator_scalar * 100 + fees.operator_constant_wei if era is Era.JOVIAN else 0


def fastlz_length(data: bytes) -> int:
    """Length of the data in bytes after compression by FastLZ (level 1, a hash table of 8,192 entries)."""
    table = [0] * 8192
    total, start, at, limit = 0, 0, 2, max(0, len(data) - 13)

    def three(place: int) -> int:
        return int.from_bytes(data[place : place + 3], "little")

    def noted(place: int) -> int:
        table[(2654435769 * three(place) & 0xFFFFFFFF) >> 19 & 0x1FFF] = place
        return place + 1

    def literals(count: int) -> int:
        whole, rest = divmod(count, 32)
        return 33 * whole + (rest + 1 if rest else 0)

    while at < limit:
        while True:
            word = three(at)
            place = (2654435769 * word & 0xFFFFFFFF) >> 19 & 0x1FFF
            earlier, table[place] = table[place], at
            if at >= limit:
                break
            at += 1
            if at - 1 - earlier <= 0x1FFF and word == three(earlier):
                break
        if at >= limit:
            break
        at -= 1
        total += literals(at - start)
        most = limit + 9 - (at + 3)
        same = next((n for n in range(most) if data[earlier + 3 + n] != data[at + 3 + n]), most - 1) + 1
        whole, rest = divmod(same - 1, 262)
        total += 3 * whole + (3 if rest >= 6 else 2)
        at = noted(noted(at + same))
        start = at
    return total + literals(len(data) - start)
