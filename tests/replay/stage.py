"""The stage of an incident on the sandbox's real contracts: who lends, borrows, weakens and drains there."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from tests.conftest import COPIED
from tests.kit.contracts import call, calldata, mined, send
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.execution.approvals import DeclineAll
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.names import named
from yieldbot.sandbox.evm.artifacts import compiled, own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

USDC, ETHER = 10**6, 10**18
WEALTH = 100_000
MUCH = 2**255
PARAMS = "(address,address,address,address,uint256)"


@dataclass(slots=True)
class Stage:
    """One play of one incident."""

    sandbox: Sandbox
    """The chain, with configuration and memory of this play's own."""
    failing: MarketId = field(default_factory=lambda: MarketId(""))
    """The market that fails."""
    found: dict[str, Any] = field(default_factory=dict)
    """What ``set_up`` keeps for the steps."""
    closing: ExitStack = field(default_factory=ExitStack)
    """Ends what ``set_up`` started."""
    lender: Address = field(init=False)
    """Who supplied most of what the sandbox's markets have."""
    borrower: Address = field(init=False)
    """Who borrowed it."""
    other: Address = field(init=False)
    """Somebody else."""

    def __post_init__(self) -> None:
        accounts = self.sandbox.rpc("eth_accounts")
        self.lender, self.borrower, self.other = (Address(to_checksum_address(one)) for one in accounts[:3])

    def at(self, name: str) -> Address:
        """A contract of the sandbox, or one that ``set_up`` made."""
        return Address(self.found.get(name) or self.sandbox.addresses[name])

    def send(self, to: str, signature: str, *values: Any, sender: str | None = None) -> None:
        """A transaction that must succeed; by the lender unless it says otherwise."""
        send(self.sandbox, to, calldata(signature, *values), sender=sender)

    def number(self, to: str, signature: str, *values: Any) -> int:
        """What a view answers first."""
        return int.from_bytes(call(self.sandbox, to, signature, *values)[:32], "big")

    def hours(self, hours: float) -> None:
        """Time passes, in one block."""
        self.sandbox.warp(hours / 24)

    def mint(self, to: str, whole: float) -> None:
        """Somebody has so many USDC more."""
        self.send(self.at("usdc"), "mint(address,uint256)", to, round(whole * USDC))

    # Our wallet, and what is in the policy

    def put_in_vault(self, vault: str) -> None:
        """All of our money is in an ERC-4626 vault."""
        ours = self.sandbox.wallet
        self.send(self.at("usdc"), "approve(address,uint256)", vault, WEALTH * USDC, sender=ours)
        self.send(vault, "deposit(uint256,address)", WEALTH * USDC, ours, sender=ours)

    def put_in_aave(self) -> None:
        """All of our money is in the first Aave market."""
        ours, pool = self.sandbox.wallet, self.at("aave_pool")
        self.send(self.at("usdc"), "approve(address,uint256)", pool, WEALTH * USDC, sender=ours)
        self.send(pool, "supply(address,uint256,address,uint16)", self.at("usdc"), WEALTH * USDC, ours, 0, sender=ours)

    def policy(self, *lines: str) -> None:
        """Writes keys into [policy]."""
        text = self.sandbox.config.read_text()
        keys = {line.partition(" ")[0] for line in lines}
        kept = [line for line in text.splitlines() if line.partition(" ")[0] not in keys]
        self.sandbox.config.write_text("\n".join(kept).replace("[policy]", "\n".join(["[policy]", *lines]), 1) + "\n")

    def table(self, text: str) -> None:
        """Adds a [[protocols]] table to the chain's file."""
        file = self.sandbox.directory / "chains" / "sandbox.toml"
        file.write_text(file.read_text() + "\n" + text)

    def only(self, *names: str) -> None:
        """Whatever is not named gets no money of anybody who plays, and exits wait for nobody."""
        markets = self.observed().markets
        assert all(any(named(state.market, (name,)) for state in markets) for name in names), names
        others = [state.market.id for state in markets if not named(state.market, names)]
        self.policy(
            f"exclude = {others}",
            "auto_exit = true",
            "max_share_market = 1.0",
            'auto_max_move = "1000000"',
            'auto_max_total = "1000000"',
            'idle_buffer = "0"',
        )

    def observed(self) -> Snapshot:
        """The markets now, as the first job sees them."""
        with world(self.sandbox, DeclineAll) as w:
            return asyncio.run(cycle.observe_job(w, w.settings.jobs[0]))

    def call_as_us(self, to: str, data: bytes, value: int = 0) -> bool:
        """A transaction of our wallet, beside the program; whether it succeeded."""
        ours = self.sandbox.wallet
        self.sandbox.rpc("anvil_impersonateAccount", ours)
        fields = {"from": ours, "to": to, "data": "0x" + data.hex(), "gas": hex(5_000_000), "value": hex(value)}
        receipt = mined(self.sandbox, fields)
        self.sandbox.rpc("anvil_stopImpersonatingAccount", ours)
        return bool(receipt["status"] == "0x1")

    # Aave

    def aave_collateral(self) -> None:
        """The borrower can borrow whatever there is, in the first Aave market."""
        weth, pool = self.at("weth"), self.at("aave_pool")
        self.sandbox.rpc("anvil_setBalance", self.borrower, hex(20_000 * ETHER))
        fields = {"from": self.borrower, "to": weth, "data": "0xd0e30db0", "value": hex(3_000 * ETHER)}
        mined(self.sandbox, fields)
        self.send(weth, "approve(address,uint256)", pool, MUCH, sender=self.borrower)
        supply = "supply(address,uint256,address,uint16)"
        self.send(pool, supply, weth, 3_000 * ETHER, self.borrower, 0, sender=self.borrower)

    def aave_dollars_for_weth(self) -> None:
        """Somebody can borrow all of Aave's WETH."""
        dai, pool, whole = self.at("dai"), self.at("aave_pool"), 40_000_000 * ETHER
        self.send(dai, "mint(address,uint256)", self.other, whole)
        self.send(dai, "approve(address,uint256)", pool, MUCH, sender=self.other)
        self.send(pool, "supply(address,uint256,address,uint16)", dai, whole, self.other, 0, sender=self.other)

    def aave_use(self, used: float, asset: str = "usdc") -> None:
        """Moves the utilisation of a reserve of the first Aave market by loans and repayments."""
        token, pool, data = self.at(asset), self.at("aave_pool"), self.at("aave_data_provider")
        who = self.borrower if asset == "usdc" else self.other
        debt = self.number(data, "getTotalDebt(address)", token)
        cash = self.number(pool, "getVirtualUnderlyingBalance(address)", token)
        wanted = round((1.0 - used) * (debt + cash))
        if cash > wanted:
            self.send(
                pool, "borrow(address,uint256,uint256,uint16,address)", token, cash - wanted, 2, 0, who, sender=who
            )
        elif cash < wanted:
            self.aave_repay(wanted - cash)

    def aave_repay(self, raw: int) -> None:
        """The borrower pays back so many base units of USDC."""
        token, pool, who = self.at("usdc"), self.at("aave_pool"), self.borrower
        self.send(token, "mint(address,uint256)", who, raw)
        self.send(token, "approve(address,uint256)", pool, MUCH, sender=who)
        self.send(pool, "repay(address,uint256,uint256,address)", token, raw, 2, who, sender=who)

    def aave_leave(self) -> None:
        """Another lender, who is quicker than those who look once an hour, takes all the cash there is."""
        pool, token = self.at("aave_pool"), self.at("usdc")
        if cash := self.number(pool, "getVirtualUnderlyingBalance(address)", token):
            self.send(pool, "withdraw(address,uint256,address)", token, cash, self.lender)

    # Morpho

    def curator_vault(self, lent: float, deposited: int) -> None:
        """A vault (MetaMorpho) of one market whose collateral anybody mints and whose oracle says a dollar, whatever
        happens; ``lent``: its utilisation."""
        self.found |= asyncio.run(self._curator_vault())
        vault, params = self.at("curated"), self.found["params"]
        self.send(self.at("usdc"), "approve(address,uint256)", vault, MUCH)
        self.send(vault, "deposit(uint256,address)", deposited * USDC, self.lender)
        self.send(self.at("coin"), "mint(address,uint256)", self.borrower, 10 * deposited * ETHER)
        self.send(self.at("coin"), "approve(address,uint256)", self.at("morpho"), MUCH, sender=self.borrower)
        whole = round(deposited * 1.25) * ETHER
        collateral = f"supplyCollateral({PARAMS},uint256,address,bytes)"
        self.send(self.at("morpho"), collateral, params, whole, self.borrower, b"", sender=self.borrower)
        self.morpho_use(lent)
        self.table(
            '[[protocols]]\nprotocol = "erc4626"\nname = "Curated"\nflavour = "metamorpho"\nassets = ["USDC"]\n'
            f'vaults = ["{vault}"]\nmorpho = "{self.at("morpho")}"\nirm = "{self.at("irm")}"\n'
        )
        self.failing = MarketId(f"erc4626/31337/{vault.lower()}")

    async def _curator_vault(self) -> dict[str, Any]:
        units, address = compiled(), self.at
        async with self.sandbox.node() as node:
            d = Deployer(node, [self.lender, self.borrower])
            coin = await d.deploy(own()["TestToken"], "Staked Wonder Dollar", "xUSD", 18)
            oracle = await d.deploy(units["morpho"]["OracleMock"])
            await d.send(oracle, "setPrice", 10**24)
            params = (address("usdc"), coin.address, oracle.address, address("irm"), 86 * 10**16)
            morpho = Contract(address("morpho"), units["morpho"]["Morpho"].abi)
            await d.send(morpho, "createMarket", params)
            terms = (d.me, morpho.address, 86_400, address("usdc"), "Curated USDC", "cUSDC")
            vault = await d.deploy(units["metamorpho"]["MetaMorpho"], *terms)
            await d.send(vault, "submitCap", params, 10**14)
            await d.warp(86_401)
            await d.send(vault, "acceptCap", params)
            await d.send(vault, "setSupplyQueue", [market_id(params)])
        return {"curated": vault.address, "coin": coin.address, "hard_coded": oracle.address, "params": params}

    def morpho_use(self, used: float) -> None:
        """Moves the utilisation of the curated vault's market, by loans alone."""
        params, morpho = self.found["params"], self.at("morpho")
        self.send(morpho, f"accrueInterest({PARAMS})", params)
        supplied, _, lent, *_ = self.morpho_market(params)
        raw = min(round(used * supplied) - lent, supplied - lent)
        if raw > 0:
            borrow = f"borrow({PARAMS},uint256,uint256,address,address)"
            self.send(morpho, borrow, params, raw, 0, self.borrower, self.borrower, sender=self.borrower)

    def morpho_market(self, params: Sequence[Any]) -> tuple[int, ...]:
        """Supplied assets and shares, lent assets and shares, of a market."""
        answer = call(self.sandbox, self.at("morpho"), "market(bytes32)", market_id(params))
        return tuple(decode(["uint256"] * 4, answer[:128]))

    def write_off(self, worth: float) -> None:
        """The oracle says what the collateral is worth; all of it is seized, and the rest of the debt is bad."""
        params = self.found["params"]
        self.send(self.at("hard_coded"), "setPrice(uint256)", round(worth * 10**24))
        answer = call(self.sandbox, self.at("morpho"), "position(bytes32,address)", market_id(params), self.borrower)
        _, _, collateral = decode(["uint256", "uint128", "uint128"], answer)
        self.mint(self.lender, 100_000_000)
        self.send(self.at("usdc"), "approve(address,uint256)", self.at("morpho"), MUCH)
        self.send(
            self.at("morpho"), f"liquidate({PARAMS},address,uint256,uint256,bytes)", params, self.borrower, collateral,
            0, b"",
        )  # fmt: skip

    def take_from(self, holder: str, raw: int) -> None:
        """A thief moves USDC out of a contract."""
        self.send(self.at("usdc"), "transfer(address,uint256)", self.other, raw, sender=holder)


def market_id(params: Sequence[Any]) -> bytes:
    """Morpho Blue's id of a market."""
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    return bytes(keccak(encode([PARAMS], [tuple(params)])))


@contextmanager
def staged(deployed: Sandbox, folder: Path) -> Iterator[Stage]:
    """A stage on a running sandbox, whose chain is put back afterwards. folder: a new one, for files of this play."""
    folder.mkdir(mode=0o700, parents=True)
    for name in COPIED:
        source = deployed.directory / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    snapshot = deployed.rpc("evm_snapshot")
    stage = Stage(replace(deployed, directory=folder))
    try:
        with stage.closing:
            yield stage
    finally:
        assert deployed.rpc("evm_revert", snapshot)
