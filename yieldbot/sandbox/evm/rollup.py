"""The contracts that state a rollup's L1 fees, at the addresses of a real chain.

OP stack: the real GasPriceOracle 1.3.0 and L1Block of npm ``@eth-optimism/contracts-bedrock`` 0.17.3, for the upgrades
that they know; the operator fee of Isthmus and Jovian is a labelled double in front of the same oracle. Arbitrum's
ArbGasInfo is part of its node: a labelled double.
"""

from __future__ import annotations

import json
from enum import StrEnum

from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import ARB_GAS_INFO, GAS_PRICE_ORACLE
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.sandbox.evm.artifacts import Artifact, compiled, packages
from yieldbot.sandbox.evm.deployer import Deployer

L1_BLOCK = Address("0x4200000000000000000000000000000000000015")
ORACLE_IMPLEMENTATION = Address("0xc0d3C0d3C0d3c0D3C0D3C0d3C0d3C0D3C0D3000f")
ARTIFACTS = "@eth-optimism/contracts-bedrock/forge-artifacts"


class Era(StrEnum):
    """Upgrades of the OP stack that changed its fees."""

    BEDROCK = "bedrock"
    ECOTONE = "ecotone"
    FJORD = "fjord"
    ISTHMUS = "isthmus"
    JOVIAN = "jovian"


@dataclass(frozen=True, slots=True)
class L1Fees:
    """The fee parameters that L1Block holds."""

    base_fee_wei: int = 20 * 10**9
    """L1 base fee, wei."""
    blob_base_fee_wei: int = 10**9
    """L1 blob base fee, wei."""
    base_fee_scalar: int = 1_368
    """Weight of the base fee, in millionths."""
    blob_base_fee_scalar: int = 810_949
    """Weight of the blob base fee, in millionths."""
    overhead: int = 188
    """Gas added to each transaction's data (Bedrock)."""
    scalar: int = 684_000
    """Weight of the L1 fee, in millionths (Bedrock)."""
    operator_constant_wei: int = 0
    """Constant part of the operator fee, wei (Isthmus)."""
    operator_scalar: int = 0
    """Operator fee for one unit of gas: in millionths of a wei (Isthmus), in hundreds of wei (Jovian)."""


async def put_op_stack(node: Node, era: Era, fees: L1Fees) -> None:
    """Put GasPriceOracle and L1Block of ``era`` at their addresses, with ``fees``."""
    operator = era in (Era.ISTHMUS, Era.JOVIAN)
    oracle = runtime("GasPriceOracle")
    if operator:
        await _code(node, ORACLE_IMPLEMENTATION, oracle)
        await put_double(node, GAS_PRICE_ORACLE, "IsthmusOracleDouble")
    else:
        await _code(node, GAS_PRICE_ORACLE, oracle)
    await _code(node, L1_BLOCK, runtime("L1Block"))
    words = {
        1: fees.base_fee_wei,
        3: fees.blob_base_fee_scalar << 64 | fees.base_fee_scalar << 96,
        5: fees.overhead,
        6: fees.scalar,
        7: fees.blob_base_fee_wei,
        8: fees.operator_constant_wei | fees.operator_scalar << 64,
    }
    for slot, value in words.items():
        await _store(node, L1_BLOCK, slot, value)
    flags = (era is not Era.BEDROCK) | (era not in (Era.BEDROCK, Era.ECOTONE)) << 8
    if operator:
        flags |= (era is Era.JOVIAN) << 16 | fees.operator_constant_wei << 24 | fees.operator_scalar << 88
    await _store(node, GAS_PRICE_ORACLE, 0, flags)


async def put_arbitrum(node: Node) -> None:
    """Put the double of ArbGasInfo at its address."""
    await put_double(node, ARB_GAS_INFO, "ArbGasInfoDouble")


async def put_double(node: Node, address: Address, name: str) -> None:
    """Put one of our labelled doubles at ``address``."""
    accounts = [Address(account) for account in await node.request("eth_accounts", [])]
    double: Artifact = compiled(units=("traps",))["traps"][name]
    made = await Deployer(node, accounts).deploy(double)
    await _code(node, address, "0x" + (await node.code(made.address)).hex())


def runtime(contract: str) -> str:
    """The runtime code (0x hex) of one of the package's contracts."""
    document = json.loads((packages() / ARTIFACTS / f"{contract}.sol" / f"{contract}.json").read_text())
    return str(document["deployedBytecode"]["object"])


async def _code(node: Node, address: Address, code: str) -> None:
    await node.request("anvil_setCode", [address, code])


async def _store(node: Node, address: Address, slot: int, value: int) -> None:
    await node.request("anvil_setStorageAt", [address, hex(slot), "0x" + value.to_bytes(32, "big").hex()])
