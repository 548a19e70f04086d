"""Values that the execution tests share: an account's rules, a plan of one deposit, and its transactions."""

from dataclasses import replace
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, functions, selector
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.judge import Rules
from yieldbot.execution.approvals import Approval
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.market import Kind, Market
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.model.tx import Allowance, Delta, EvmCall, SimulatedTx, UnsignedTx

CHAIN = evm_chain(8453)
OWNER = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")  # of the key 0x11...11
KEY = "11" * 32
POOL = Address("0xA238Dd80C259a72e81d7e4664a9801593F98d1c5")
STRANGER = Address("0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB")
USDC = Token(CHAIN, Address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USDC", 6)
SHARES = Token(CHAIN, Address("0x4e65fE4DbA92790696d040ac24Aa414708F5c0AB"), "aUSDC", 6)
SUPPLY = selector("supply(address,uint256,address,uint16)")
RAW = 12_000 * 10**6
NOW, EXPIRES = 1_700_000_000, 1_700_003_600
BLOCK = BlockRef(CHAIN, 100, "0x64", NOW)
MARKET = Market(MarketId("aave_v3/8453/usdc"), "aave_v3", Kind.LENDING, CHAIN, "Aave v3", USDC, POOL)

ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "supply",
        "inputs": [
            {"name": "asset", "type": "address", "role": "market"},
            {"name": "amount", "type": "uint256", "role": "amount"},
            {"name": "onBehalfOf", "type": "address", "role": "recipient"},
            {"name": "referralCode", "type": "uint16", "role": "free", "reason": "moves no money"},
        ],
    }
]


def abi() -> dict[bytes, tuple[AbiFunction, ...]]:
    return {selector(function.signature): (function,) for function in functions(ABI)}


RULES = Rules(CHAIN, OWNER, max_fee_wei=10**10, max_gas=1_000_000, abi=abi())


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def supply_data(raw: int = RAW, asset: str = USDC.address, to: str = OWNER) -> bytes:
    return SUPPLY + word(asset) + raw.to_bytes(32, "big") + word(to) + bytes(32)


def leg(raw: int = RAW) -> Leg:
    return Leg(LegKind.DEPOSIT, MARKET.id, Amount(USDC, raw))


def plan(*legs: Leg) -> Plan:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    return Plan("p1", BLOCK, OWNER, (), legs or (leg(),), allocation, 1.0, 0.0, 1, EXPIRES)


def work(raw: int = RAW) -> LegWork:
    call = EvmCall(POOL, supply_data(raw), 0, "supply 12,000 USDC to Aave v3", Allowance(USDC, POOL, raw))
    return LegWork(
        index=0,
        leg=leg(raw),
        market=MARKET,
        calls=(call,),
        share_token=SHARES,
        targets={POOL: frozenset({SUPPLY})},
        spenders=(POOL,),
    )


APPROVAL = Approval(plan(), "test", EXPIRES)


def supply_tx(**changes: Any) -> UnsignedTx:
    tx = UnsignedTx(
        chain=CHAIN,
        sender=OWNER,
        to=POOL,
        data=supply_data(),
        value=0,
        nonce=7,
        gas=300_000,
        max_fee_wei=2 * 10**9,
        priority_fee_wei=10**8,
        description="supply 12,000 USDC to Aave v3",
        plan_id="p1",
        leg=0,
        market_id=MARKET.id,
    )
    return replace(tx, **changes)


def allowance_tx(raw: int = RAW, spender: Address = POOL) -> UnsignedTx:
    call = allowance_call(USDC, spender, raw, "Aave v3")
    return supply_tx(to=call.to, data=call.data, description=call.description, gas=80_000)


def simulated(tx: UnsignedTx, asset_raw: int | None = None, shares_raw: int = RAW) -> SimulatedTx:
    moved = (-RAW if tx.to == POOL else 0) if asset_raw is None else asset_raw
    deltas = (Delta(USDC, moved), Delta(SHARES, shares_raw if tx.to == POOL else 0))
    return SimulatedTx(tx, BLOCK, tx.gas // 2, deltas)
