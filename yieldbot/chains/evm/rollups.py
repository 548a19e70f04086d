"""What chains charge for a transaction in addition to the EVM gas that it uses. Flows and formulas, no I/O.

OP stack (Base, Optimism): an L1 data fee by the transaction's bytes and, since Isthmus, an operator fee by its gas. The
chain's GasPriceOracle computes both (https://specs.optimism.io/protocol/fjord/predeploys.html,
https://specs.optimism.io/protocol/isthmus/exec-engine.html). They are not part of any gas limit, and the wallet must
hold them. Arbitrum: the L1 part is inside the gas; ArbGasInfo and the node's own NodeInterface state it
(https://docs.arbitrum.io/build-decentralized-apps/precompiles/reference).

Mantle: an OP stack whose gas is paid in MNT. Its oracle states the L1 data fee in ether, which the node multiplies by
``tokenRatio``; the operator fee is counted by the node's own formula, since the oracle's is of an older upgrade
(mantle-xyz/op-geth@11fa810, core/types/rollup_cost.go). Scroll: an L1 data fee by the compressed length of the signed
transaction, at most its length, which is what is asked for here: more than is charged (scroll-tech/scroll-revm@a1ac004,
src/l1block.rs). Sonic: a tenth of the gas that a limit leaves unused is charged too (0xsoniclabs/sonic@021825c,
tests/gas_cost): estimates count a tenth more for each unit. Linea's priority fees: ``linea.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yieldbot.errors import ConfigError, MarketError, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.settings import ChainSettings, FeeKind

GAS_PRICE_ORACLE = Address("0x420000000000000000000000000000000000000F")
GET_L1_FEE = bytes.fromhex("49948e0e")  # getL1Fee(bytes): of an unsigned transaction, the signature is added there
TOKEN_RATIO = bytes.fromhex("06f837d3")  # tokenRatio(): MNT for one ether (Mantle)
OPERATOR_SCALAR = bytes.fromhex("4d5d9a2a")  # operatorFeeScalar(): for one gas, hundreds of wei (Mantle)
OPERATOR_CONSTANT = bytes.fromhex("16d3bc7f")  # operatorFeeConstant(), wei (Mantle)
SCROLL_ORACLE = Address("0x5300000000000000000000000000000000000002")  # its getL1Fee takes the signed transaction
GET_OPERATOR_FEE = bytes.fromhex("275aedd2")  # getOperatorFee(uint256 gas); oracles before Isthmus lack it
ARB_GAS_INFO = Address("0x000000000000000000000000000000000000006C")
GET_PRICES_IN_WEI = bytes.fromhex("41b247a8")  # getPricesInWei(); word 1: wei for a byte of compressed data on L1
NODE_INTERFACE = Address("0x00000000000000000000000000000000000000C8")
L1_COMPONENT = bytes.fromhex("77d488a2")  # gasEstimateL1Component(address,bool,bytes); word 0: units of L2 gas

MOST_WEI = 10**20
"""A larger fee is not believed (a hundred native tokens)."""
OPERATOR_SAMPLE_GAS = 10**6
"""Gas for which the operator fee is read, to derive its rate."""
SIGNATURE = b"\xff" * 70
"""As long as a signature and what it adds to the lengths around it, at most."""
UNUSED_SHARE = 0.1
"""Part of the price of one gas that Sonic's estimates count for unused gas. Limits are a quarter above the need, and
refunds are at most a fifth of it: so unused gas is at most 0.57 of what is used, and a tenth of that is charged."""
BY_CHAIN = {ChainId("eip155:59144"): FeeKind.LINEA, ChainId("eip155:146"): FeeKind.SONIC}
"""Chains whose kind no contract shows."""
TYPICAL_BYTES = 200
"""Compressed bytes of a signed deposit or withdrawal, for estimates on Arbitrum before the bytes are known."""
TYPICAL = bytes.fromhex(
    "02f8ac8221058203e98398968083d693a483053d8694a238dd80c259a72e81d7e4664a9801593f98d1c580b884617ba0370000000000000000"
    "00000000833589fcd6edb6e08f4c7c32d4f71b54bda0291300000000000000000000000000000000000000000000000000000002cb417800"
    "00000000000000000000000019e7e376e7c213b7e7e7e46cc70a5dd086daff2a000000000000000000000000000000000000000000000000"
    "0000000000000000c0"
)
"""An unsigned transaction of typical length (a supply to Aave v3), for estimates before the bytes are known."""


@dataclass(frozen=True, slots=True)
class TypicalFee:
    """What a typical transaction pays for its L1 data."""

    kind: FeeKind = FeeKind.ETHEREUM
    """The kind of fees that the chain's own contracts show."""
    tx_wei: int = 0
    """Wei for one transaction."""
    unit_wei: float = 0.0
    """Additional wei for each unit of gas (operator fee)."""
    unit_share: float = 0.0
    """Additional part of the gas price for each unit of gas (Sonic)."""

    def of_unit(self, price_wei: float) -> float:
        """Additional wei for one gas that costs ``price_wei``."""
        return self.unit_wei + self.unit_share * price_wei


NOTHING_BESIDE = TypicalFee()


def typical_fee() -> Flow[TypicalFee]:
    """The typical fee, in one round on any chain; nothing if no oracle contract exists."""
    l1, fixed, sample, prices, ratio, scalar, constant_wei, scroll = yield [
        EthCall(GAS_PRICE_ORACLE, l1_fee_call(TYPICAL), optional=True),
        EthCall(GAS_PRICE_ORACLE, operator_fee_call(0), optional=True),
        EthCall(GAS_PRICE_ORACLE, operator_fee_call(OPERATOR_SAMPLE_GAS), optional=True),
        EthCall(ARB_GAS_INFO, GET_PRICES_IN_WEI, optional=True),
        EthCall(GAS_PRICE_ORACLE, TOKEN_RATIO, optional=True),
        EthCall(GAS_PRICE_ORACLE, OPERATOR_SCALAR, optional=True),
        EthCall(GAS_PRICE_ORACLE, OPERATOR_CONSTANT, optional=True),
        EthCall(SCROLL_ORACLE, l1_fee_call(TYPICAL + SIGNATURE), optional=True),
    ]
    if len(scroll) == 32:
        return TypicalFee(FeeKind.SCROLL, wei_of(scroll))
    if len(l1) == len(ratio) == 32:
        by_gas = mantle_operator_fee(OPERATOR_SAMPLE_GAS, scalar, b"") / OPERATOR_SAMPLE_GAS
        return TypicalFee(FeeKind.MANTLE, mantle_l1_fee(l1, ratio) + wei_of(constant_wei), by_gas)
    if len(l1) == 32:
        constant = wei_of(fixed) if fixed else 0
        more = wei_of(sample) - constant if sample else 0
        return TypicalFee(FeeKind.OP_STACK, wei_of(l1) + constant, max(0, more) / OPERATOR_SAMPLE_GAS)
    if len(prices) == 192:
        return TypicalFee(FeeKind.ARBITRUM, wei_of(prices[32:64]) * TYPICAL_BYTES)
    return NOTHING_BESIDE


def kind_fault(chain: ChainSettings, found: FeeKind) -> tuple[str, str] | None:
    """(why a chain's ``fee_kind`` is wrong, the remedy); None if it is right. Pure."""
    named = chain.fee_kind
    found = BY_CHAIN.get(chain.chain, found)
    if named is found:
        return None
    places = {FeeKind.OP_STACK: ("GasPriceOracle", GAS_PRICE_ORACLE), FeeKind.ARBITRUM: ("ArbGasInfo", ARB_GAS_INFO)}
    places |= {FeeKind.MANTLE: ("Mantle's tokenRatio", GAS_PRICE_ORACLE)}
    places |= {FeeKind.SCROLL: ("Scroll's L1GasPriceOracle", SCROLL_ORACLE)}
    remedy = f'write fee_kind = "{found}" into chains/{chain.name}.toml'
    if found in BY_CHAIN.values() or (found is FeeKind.ETHEREUM and named in BY_CHAIN.values()):
        return f'fee_kind is "{named}", but {chain.chain} takes fees of kind "{found}"', remedy
    if found is FeeKind.ETHEREUM:
        what, address = places[named]
        return f'fee_kind is "{named}", but no {what} answers at {address}', f"{remedy}, if the chain takes no such fee"
    what, address = places[found]
    return f'fee_kind is "{named}", but {what} answers at {address}', remedy


def checked_fee(chain: ChainSettings, host: str, fee: TypicalFee | MarketError) -> TypicalFee:
    """The typical fee that was read. Raises ConfigError if the chain's file has another ``fee_kind`` (costs would be
    left out), TransientError if the fee could not be read."""
    if isinstance(fee, MarketError):
        raise TransientError(f"{host}: the chain's fees for data on L1 cannot be read: {fee}")
    if (fault := kind_fault(chain, fee.kind)) is not None:
        raise ConfigError(": ".join(fault))
    return replace(fee, unit_share=UNUSED_SHARE) if chain.fee_kind is FeeKind.SONIC else fee


def l1_fee_call(unsigned: bytes) -> bytes:
    """Calldata of ``getL1Fee`` for an unsigned transaction's bytes."""
    padded = unsigned + bytes(-len(unsigned) % 32)
    return GET_L1_FEE + (32).to_bytes(32, "big") + len(unsigned).to_bytes(32, "big") + padded


def operator_fee_call(gas: int) -> bytes:
    """Calldata of ``getOperatorFee`` for a gas limit."""
    return GET_OPERATOR_FEE + gas.to_bytes(32, "big")


def mantle_l1_fee(l1: bytes, ratio: bytes) -> int:
    """Mantle's L1 data fee in wei of MNT: its oracle's, which is in ether, times the ratio of the two tokens."""
    wei = wei_of(l1) * wei_of(ratio)
    return wei_of(min(wei, 2**256 - 1).to_bytes(32, "big"))


def mantle_operator_fee(gas: int, scalar: bytes, constant_wei: bytes) -> int:
    """Mantle's operator fee in wei of MNT for ``gas`` units; a part that its oracle does not state is 0."""
    by_gas, fixed = (wei_of(answer) if answer else 0 for answer in (scalar, constant_wei))
    return gas * by_gas * 100 + fixed


def l1_component_call(to: Address, data: bytes) -> bytes:
    """Calldata of ``gasEstimateL1Component`` for a call: its gas for L1 data does not depend on the chain's state."""
    head = bytes(12) + bytes.fromhex(to[2:]) + bytes(32) + (96).to_bytes(32, "big")
    return L1_COMPONENT + head + len(data).to_bytes(32, "big") + data + bytes(-len(data) % 32)


def wei_of(answer: bytes) -> int:
    """A fee in wei. Raises MarketError for a short answer or a fee above MOST_WEI."""
    if len(answer) < 32:
        raise MarketError(f"an answer of {len(answer)} bytes is no fee")
    wei = int.from_bytes(answer[:32], "big")
    if wei > MOST_WEI:
        raise MarketError(f"a fee of {wei:.3g} cannot be")
    return wei


def fee_of_receipt(receipt: Mapping[str, Any]) -> int | None:
    """The total fee of a mined transaction in wei; None if its receipt does not state it.

    Gas used times the effective price (EIP-1559; Arbitrum's gas used contains the L1 part); on the OP stack also
    ``l1Fee`` and the operator fee: gas * scalar / 10^6 + constant (Isthmus), gas * scalar * 100 + constant since Jovian
    (https://specs.optimism.io/protocol/jovian/exec-engine.html), whose receipts have a ``daFootprintGasScalar``.
    """
    try:
        gas = int(receipt["gasUsed"], 16)
        wei = gas * int(receipt["effectiveGasPrice"], 16) + int(receipt.get("l1Fee") or "0x0", 16)
        scalar = int(receipt.get("operatorFeeScalar") or "0x0", 16)
        since_jovian = receipt.get("daFootprintGasScalar") is not None
        by_gas = gas * scalar * 100 if since_jovian else gas * scalar // 10**6
        return wei + by_gas + int(receipt.get("operatorFeeConstant") or "0x0", 16)
    except (KeyError, TypeError, ValueError):
        return None
