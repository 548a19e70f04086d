"""What happens between two passes, drawn from a seed: rates, prices and fees move, persons decide, endpoints fail, and
other commands write."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass, field

from tests.kit import ROOT
from tests.kit.contracts import call, calldata, send
from tests.kit.cron.clock import CLOCK
from tests.kit.cron.place import Ended, Place
from yieldbot.errors import NodeRefused
from yieldbot.model.units import DAY_SECONDS
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6
HALF_HOUR, HOUR = 1800, 3600
CALM_BASE_FEE = 10**9
FAULTS = ("error_500", "refuse_429", "truncate", "drop_reply")
CHAIN = ("lender", "borrower", "vault", "comet", "price", "fee", "gas")
OTHERS = (("observe",), ("history", "--waiting"), ("positions",), ("alert", "list"), ("check",), ("plan",))
"""Commands that run beside a pass."""


@dataclass(slots=True)
class Between:
    """What happened before a pass, and what goes on during it."""

    seconds: int
    moved: set[str] = field(default_factory=set)
    """Names of chains whose rates, prices or fees were moved, by something other than time."""
    failing: dict[str, str] = field(default_factory=dict)
    """The fault of a chain's endpoint during the pass, by the chain's name; "down": it answers nothing."""
    decided: list[Ended] = field(default_factory=list)
    """Commands of persons, in order."""
    beside: subprocess.Popen[bytes] | None = None
    """A command that runs beside the pass."""
    notes: list[str] = field(default_factory=list)


class Happenings:
    """Draws what happens. ``waiting``: ids of plans that a person can decide about."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place, self.draw = place, random.Random(seed)
        self.calm_until = 0.0
        """Until then nothing happens on the chains but time: unix seconds."""
        self.failing: dict[str, tuple[str, int]] = {}
        """By chain, its endpoint's fault and for how many more passes."""
        self.given: dict[tuple[str, str], int] = {}
        """Wei that came to an account, by chain and owner, without any transaction that accounting could find."""
        self.undone: list[tuple[float, tuple[str, ...]]] = []
        """Commands that take something back, each with the time from which it is due."""

    def between(self, waiting: list[str]) -> Between:
        draw = self.draw
        found = Between(draw.choices((HALF_HOUR, HOUR, 3 * HOUR), (12, 3, 1))[0])
        if draw.random() < 0.01:
            found.seconds = draw.randint(1, 3) * DAY_SECONDS  # the machine was off
        if CLOCK.now() > self.calm_until:
            if draw.random() < 0.05:
                self.calm_until = CLOCK.now() + draw.choice((6, 12, 36)) * HOUR
            else:
                self._chains(found)
        self._persons(found, waiting)
        self._orders(found)
        self.place.forward(found.seconds)
        self._prices()
        self._endpoints(found)
        if draw.random() < 0.03:
            found.beside = self._beside(draw.choice(OTHERS))
        return found

    def _chains(self, found: Between) -> None:
        for name, chain in self.place.chains.items():
            if self.draw.random() < 0.15:
                what = self.draw.choice(CHAIN)
                try:
                    getattr(self, f"_{what}")(chain)
                except (AssertionError, NodeRefused) as refused:  # the market has not so much
                    what += f" refused ({type(refused).__name__})"
                found.moved.add(name)
                found.notes.append(f"{name}: {what}")

    def _lender(self, chain: Sandbox) -> None:
        """A lender of Aave's withdraws or supplies."""
        usdc, pool = chain.addresses["usdc"], chain.addresses["aave_pool"]
        lender = chain.rpc("eth_accounts")[0]
        amount = self.draw.randint(50_000, 900_000) * USDC
        if self.draw.random() < 0.5:
            send(chain, pool, calldata("withdraw(address,uint256,address)", usdc, amount, lender))
        else:
            send(chain, pool, calldata("supply(address,uint256,address,uint16)", usdc, amount, lender, 0))

    def _borrower(self, chain: Sandbox) -> None:
        """Aave's borrower repays or borrows."""
        usdc, pool = chain.addresses["usdc"], chain.addresses["aave_pool"]
        borrower = chain.rpc("eth_accounts")[1]
        amount = self.draw.randint(20_000, 300_000) * USDC
        if self.draw.random() < 0.5:
            send(chain, usdc, calldata("mint(address,uint256)", borrower, amount))
            self._as(chain, borrower, usdc, calldata("approve(address,uint256)", pool, amount))
            data = calldata("repay(address,uint256,uint256,address)", usdc, amount, 2, borrower)
        else:
            data = calldata("borrow(address,uint256,uint256,uint16,address)", usdc, amount, 2, 0, borrower)
        self._as(chain, borrower, pool, data)

    def _vault(self, chain: Sandbox) -> None:
        """Another holder of the vault's comes or goes, so that each dollar in it earns less or more."""
        me, vault = chain.rpc("eth_accounts")[0], chain.addresses["drip"]
        amount = self.draw.randint(50_000, 400_000) * USDC
        name = "deposit(uint256,address)" if self.draw.random() < 0.5 else "withdraw(uint256,address,address)"
        send(chain, vault, calldata(name, amount, me, *([me] if name.startswith("w") else [])))

    def _comet(self, chain: Sandbox) -> None:
        """A lender of the Comet double comes or goes."""
        usdc, comet = chain.addresses["usdc"], chain.addresses["comet"]
        name = "supply(address,uint256)" if self.draw.random() < 0.6 else "withdraw(address,uint256)"
        send(chain, comet, calldata(name, usdc, self.draw.randint(10_000, 200_000) * USDC))

    def _price(self, chain: Sandbox) -> None:
        """The dollar's price moves by a few basis points, now and then by enough for an alarm, and comes back."""
        off = self.draw.choice((0, 0, 3, -5, 8, -20, -150))
        chain._tell("usdc_feed", "set(int256)", 10**8 + off * 10**4)
        chain._tell("weth_feed", "set(int256)", round(3000 * 10**8 * self.draw.uniform(0.8, 1.25)))

    def _fee(self, chain: Sandbox) -> None:
        """The base fee jumps; it falls again by itself, an eighth a block."""
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(round(CALM_BASE_FEE * self.draw.choice((0.2, 1, 4, 40, 300)))))

    def _gas(self, chain: Sandbox) -> None:
        """A wallet runs out of native coins, or gets some."""
        owner, name = self.draw.choice(self.place.wallets), f"eip155:{int(chain.rpc('eth_chainId'), 16)}"
        before, after = int(chain.rpc("eth_getBalance", owner, "latest"), 16), self.draw.choice((10**12, 10**19))
        chain.rpc("anvil_setBalance", owner, hex(after))
        self.given[name, owner] = self.given.get((name, owner), 0) + after - before

    @staticmethod
    def _as(chain: Sandbox, sender: str, to: str, data: bytes) -> None:
        """Send as an account that the node has unlocked, whose balance stays as it is."""
        from tests.kit.contracts import mined

        fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(3_000_000)}
        assert mined(chain, fields)["status"] == "0x1"

    def _prices(self) -> None:
        """Feeds that live move by their last digit."""
        for chain in self.place.chains.values():
            chain.publish()

    def _endpoints(self, found: Between) -> None:
        for name, end in self.place.ends.items():
            fault, left = self.failing.pop(name, ("", 0))
            if left > 0:
                self.failing[name] = fault, left - 1
            elif self.draw.random() < 0.02:
                fault = self.draw.choice(FAULTS)
                self.failing[name] = ("down" if self.draw.random() < 0.5 else fault), self.draw.randint(0, 3)
                fault = self.failing[name][0]
            else:
                end.set(0)
                continue
            found.failing[name] = fault
            kinds = ["error_500"] if fault == "down" else [fault]
            end.set(0, kinds=kinds, rate=1.0 if fault == "down" else 0.2, seed=self.draw.randrange(10**6))

    def _persons(self, found: Between, waiting: list[str]) -> None:
        """Somebody decides about one plan that waits, or about none."""
        for plan in waiting:
            fate = self.draw.random()
            if fate < 0.08:
                words = ["approve", plan, "--yes"]
            elif fate < 0.10:
                words = ["reject", plan]
            elif fate < 0.13:
                words = ["reject", plan, "--for", self.draw.choice(("6h", "2d", "5d"))]
            elif fate < 0.15:
                words = ["reject", plan, "--until-gain", self.draw.choice(("+20%", "+50%", "9000"))]
            else:
                continue
            found.decided.append(self.place.run(*words))

    def _orders(self, found: Between) -> None:
        """Now and then somebody halts the program, or leaves a market, and takes that back some hours later."""
        due = [one for one in self.undone if one[0] <= CLOCK.now()]
        for one in due:
            self.undone.remove(one)
            found.decided.append(self.place.run(*one[1]))
        if self.undone or self.draw.random() > 0.01:
            return
        name = self.draw.choice(("Drip Vault", "Aave v3"))
        do, undo = self.draw.choice(((("halt",), ("resume",)), (("exit", name), ("exit", name, "--stop"))))
        found.decided.append(self.place.run(*do))
        self.undone.append((CLOCK.now() + self.draw.choice((2, 8, 30)) * HOUR, undo))

    def _beside(self, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start another command of the program in a process of its own, at the same time by its clock."""
        script = [sys.executable, "-m", "tests.kit.cron.beside", str(CLOCK.now())]
        config = str(self.place.folder / "yieldbot.toml")
        silent = subprocess.DEVNULL
        with (self.place.folder / "beside.log").open("ab") as log:
            return subprocess.Popen([*script, "--config", config, *words], cwd=ROOT, stdout=silent, stderr=log)


def balance(chain: Sandbox, token: str, owner: str) -> int:
    """An account's balance in base units."""
    return int.from_bytes(call(chain, token, "balanceOf(address)", owner), "big")
