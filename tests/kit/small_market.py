"""A node with one token and one ERC-4626 vault, a funded wallet with a keystore, and an Account wired to them.

A market is described by a JSON document, so that a child process can wire the same Account again.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, functions, selector
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.node.anvil import Anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.signing.keystore import KeystoreSigner, create
from yieldbot.execution.approvals import Approval
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.market import Kind, Market
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.model.settings import ChainSettings, FeeKind
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm.erc4626 import Erc4626

CHAIN = evm_chain(31337)
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
PASSPHRASE = "correct horse battery staple"
DEPOSIT, REDEEM = selector("deposit(uint256,address)"), selector("redeem(uint256,address,address)")
GENERIC: dict[str, Any] = {"flavour": "generic", "lookback_blocks": 10, "symbol": "dvUSDC", "share_decimals": 6}
FUNDS_RAW = 50_000 * 10**6

ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "deposit",
        "inputs": [
            {"name": "assets", "type": "uint256", "role": "amount"},
            {"name": "receiver", "type": "address", "role": "recipient"},
        ],
    },
    {
        "type": "function",
        "name": "redeem",
        "inputs": [
            {"name": "shares", "type": "uint256", "role": "shares"},
            {"name": "receiver", "type": "address", "role": "recipient"},
            {"name": "owner", "type": "address", "role": "recipient"},
        ],
    },
]


def abi() -> dict[bytes, tuple[AbiFunction, ...]]:
    return {selector(function.signature): (function,) for function in functions(ABI)}


@dataclass(frozen=True, slots=True)
class SmallMarket:
    """Addresses, URL and folder of the market. folder: holds the wallet's keystore and the journal."""

    url: str
    folder: str
    usdc_address: str
    vault_address: str
    owner: str
    finality: str | int = "latest"
    confirm_timeout_seconds: float = 120.0
    fee_kind: str = "ethereum"

    @property
    def usdc(self) -> Token:
        return Token(CHAIN, Address(self.usdc_address), "USDC", 6)

    @property
    def shares(self) -> Token:
        return Token(CHAIN, Address(self.vault_address), "dvUSDC", 6)

    @property
    def market(self) -> Market:
        return Market(
            MarketId(f"erc4626/31337/{self.vault_address.lower()}"),
            "erc4626",
            Kind.VAULT,
            CHAIN,
            "Drip Vault",
            self.usdc,
            Address(self.vault_address),
        )

    @property
    def settings(self) -> ChainSettings:
        return ChainSettings(
            name="local",
            chain=CHAIN,
            rpc_env="LOCAL_RPC_URL",
            rpc_urls=(self.url,),
            multicall3=MULTICALL3,
            native_symbol="ETH",
            native_feed=None,
            feeds={},
            tokens={"USDC": self.usdc},
            deployments=(),
            max_fee_gwei=50.0,
            finality=self.finality,
            poll_seconds=0.02,
            confirm_timeout_seconds=self.confirm_timeout_seconds,
            fee_kind=FeeKind(self.fee_kind),
        )

    def node(self) -> Node:
        return Node(CHAIN, self.url, multicall3=MULTICALL3)

    def journal(self) -> Journal:
        return Journal.open(Path(self.folder) / "journal.sqlite")

    def account(self, node: Node, journal: Journal, **changes: Any) -> Account:
        wired: dict[str, Any] = {
            "node": node,
            "settings": self.settings,
            "owner": Address(self.owner),
            "journal": journal,
            "signer": KeystoreSigner(Path(self.folder) / "main.json", lambda: PASSPHRASE),
            "fork": forks(node),
            "abi": abi(),
            "explain": lambda data: None,
            "now": lambda: int(time.time()),
        }
        return Account(**(wired | changes))

    async def plan(self, node: Node, *legs: Leg, ttl_seconds: int = 600, plan_id: str = "plan-1") -> Plan:
        block = await node.block()
        allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
        expires = int(time.time()) + ttl_seconds
        return Plan(plan_id, block, Address(self.owner), (), legs, allocation, 1.0, 0.0, 1, expires)

    def deposit_leg(self, raw: int) -> Leg:
        return Leg(LegKind.DEPOSIT, self.market.id, Amount(self.usdc, raw))

    def deposit_work(self, raw: int, index: int = 0, receiver: str | None = None) -> LegWork:
        amount = Amount(self.usdc, raw)
        data = DEPOSIT + raw.to_bytes(32, "big") + bytes(12) + bytes.fromhex((receiver or self.owner)[2:])
        vault = self.market.address
        call = EvmCall(vault, data, 0, f"deposit {amount} to Drip Vault", Allowance(self.usdc, vault, raw))
        return self._work(self.deposit_leg(raw), index, (call,))

    def redeem_work(self, planned: Leg, shares_raw: int, index: int = 0) -> LegWork:
        word = bytes(12) + bytes.fromhex(self.owner[2:])
        call = EvmCall(self.market.address, REDEEM + shares_raw.to_bytes(32, "big") + word + word, 0, "redeem all")
        return replace(self._work(planned, index, (call,)), most_shares=shares_raw)

    def observed(self, work: LegWork) -> LegWork:
        """The leg with the generic vault's adapter reading our position, as the cycle wires it."""
        adapter = Erc4626()
        deployed = replace(work.market, params=GENERIC)
        owner = Address(self.owner)
        return replace(work, observe=lambda block: adapter.observe(deployed, owner, block))

    def _work(self, leg: Leg, index: int, calls: tuple[EvmCall, ...]) -> LegWork:
        return LegWork(
            index=index,
            leg=leg,
            market=self.market,
            calls=calls,
            share_token=self.shares,
            targets={self.market.address: frozenset({DEPOSIT, REDEEM})},
            spenders=(self.market.address,),
        )

    def approval(self, plan: Plan) -> Approval:
        return Approval(plan, "test", plan.expires_at)

    def save(self) -> Path:
        path = Path(self.folder) / "market.json"
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def load(cls, path: Path) -> SmallMarket:
        return cls(**json.loads(path.read_text()))


async def build(folder: Path, troubled: bool = False, more: Sequence[str] = ()) -> tuple[Anvil, SmallMarket]:
    """Start a node whose clock is some 90 days behind, deploy, and fund a new wallet. troubled: with TroubledToken;
    more: options of the node."""
    from yieldbot.sandbox.evm.artifacts import Artifact, multicall3_bytecode, own
    from yieldbot.sandbox.evm.deployer import Deployer

    started = int(time.time()) - 90 * 86_400
    options = ["--chain-id", "31337", "--timestamp", str(started), "--max-persisted-states", "0", *more]
    anvil = spawn(options, log=folder / "anvil.log", temporary=True)
    async with Node(CHAIN, anvil.url, multicall3=MULTICALL3) as node:
        ours = own()
        accounts = [Address(account) for account in await node.request("eth_accounts", [])]
        deployer = Deployer(node, accounts)
        plain = (ours["TestToken"], "USD Coin", "USDC", 6)
        usdc = await deployer.deploy(*((ours["TroubledToken"],) if troubled else plain))
        vault = await deployer.deploy(ours["DripVault"], usdc.address, 0, "dvUSDC")
        if troubled:  # its deposits are looked at with an adapter's reads, which go through it
            reader = await deployer.deploy(Artifact([], multicall3_bytecode(), {}))
            code = await node.code(reader.address)
            await node.request("anvil_setCode", [MULTICALL3, "0x" + code.hex()])
            await node.request("anvil_mine", [hex(2 * GENERIC["lookback_blocks"])])
        owner = create(folder / "main.json", PASSPHRASE, scrypt_n=2)
        await deployer.send(usdc, "mint", owner, FUNDS_RAW)
        await node.request("anvil_setBalance", [owner, hex(10**18)])
    return anvil, SmallMarket(anvil.url, str(folder), usdc.address, vault.address, owner)


@asynccontextmanager
async def running(folder: Path, troubled: bool = False, more: Sequence[str] = ()) -> AsyncIterator[SmallMarket]:
    """``build`` it, and end its node afterwards."""
    anvil, market = await build(folder, troubled, more)
    try:
        yield market
    finally:
        stop(anvil.pid)
