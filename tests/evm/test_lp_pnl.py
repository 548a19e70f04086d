"""Profit and loss of liquidity on the real manager, against the wallet's balances and the prices of each moment."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from tests.kit.contracts import calldata, selector, send
from tests.kit.evm.liquidity import GIVE, POOL, balances, fund, lp, there_and_back, within
from tests.kit.program import Ended
from tests.kit.traded import FAR, Traded, pool_sandbox
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["lp", "pool_sandbox"]  # fixtures
ONE = {"usdc": 10**6, "weth": 10**18}
EXACT = Fraction(1, 10**9)
"""Decimals that the document rounds."""


class Witness:
    """The sum that is told apart from the books: what the wallet had before and after, at the price that was set."""

    def __init__(self, sandbox: Sandbox, lp: Callable[..., Ended]) -> None:
        self.sandbox, self.lp, self.usd = sandbox, lp, Fraction(0)
        self.flows, self.ether, self.gas, self.gas_usd = Fraction(0), Fraction(0), 0, Fraction(0)

    def price(self, usd: int) -> None:
        self.usd = Fraction(usd)
        send(self.sandbox, self.sandbox.addresses["weth_feed"], calldata("set(int256)", usd * 10**8))

    def value(self, raws: dict[str, int]) -> Fraction:
        return Fraction(raws["usdc"], ONE["usdc"]) + Fraction(raws["weth"], ONE["weth"]) * self.usd

    def wei(self) -> int:
        return int(self.sandbox.rpc("eth_getBalance", self.sandbox.wallet, "latest"), 16)

    def do(self, *words: object) -> Fraction:
        """One command; what it brought the wallet in dollars, gas apart."""
        before, wei = balances(self.sandbox), self.wei()
        ended = self.lp("lp", *words, "--yes", "--slippage-bps", "200")
        assert ended.code == 0, ended.err
        after, spent = balances(self.sandbox), wei - self.wei()
        brought = self.value({name: after[name] - before[name] for name in ONE})
        self.flows, self.ether = self.flows + brought, self.ether + brought / self.usd
        self.gas, self.gas_usd = self.gas + spent, self.gas_usd + Fraction(spent, 10**18) * self.usd
        return brought

    def shown(self) -> tuple[Any, Any]:
        """(the pool's row, its position or None)."""
        (account,) = self.lp("positions", "--json").document["liquidity"]
        (row,) = account["markets"]
        return row, next(iter(account["positions"]), None)

    def worth(self, position: Any) -> Fraction:
        sides = [*position["amounts"], *position["fees"]]
        return sum((self.value({"usdc": 0, "weth": 0, s["symbol"].lower(): int(s["raw"])}) for s in sides), Fraction(0))


async def donate(made: Traded, token_id: int) -> None:
    """A stranger puts something into the position of another."""
    for token in made.tokens:
        await made.d.send(token, "approve", made.manager.address, MAX_UINT256)
    await made.d.send(made.manager, "increaseLiquidity", (token_id, 10**15, 10**15, 0, 0, FAR))


def near(text: str | None, wanted: Fraction) -> bool:
    return text is not None and abs(Fraction(text) - wanted) <= EXACT


@pytest.fixture(scope="module")
def funded(pool_sandbox: Sandbox) -> Sandbox:
    """Its wallet has some WETH, its pool a past."""
    within(pool_sandbox, fund)
    return pool_sandbox


def by_hand(sandbox: Sandbox, to: str, data: bytes) -> int:
    """A transaction that the wallet sends by another program; the wei it cost."""
    receipt = send(sandbox, to, data, sender=sandbox.wallet)
    return int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)


def test_a_position_opened_by_another_program_counts_from_its_entry(funded: Sandbox, lp: Callable[..., Ended]) -> None:
    """Without an entry in the journal, and when it is left through yieldbot."""
    told = Witness(funded, lp)
    told.price(3001)
    at, before = funded.addresses, balances(funded)
    for token in ("usdc", "weth"):
        approve = calldata("approve(address,uint256)", at["uniswap_positions"], 2**255)
        by_hand(funded, at[token], approve)
    pair = sorted(("usdc", "weth"), key=lambda name: int(at[name], 16))
    desired = [3000 * ONE["usdc"] if name == "usdc" else ONE["weth"] for name in pair]
    terms = (*(at[name] for name in pair), 500, -887270, 887270, *desired, 0, 0, funded.wallet, FAR)
    kinds = "address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256"
    wei = by_hand(funded, at["uniswap_positions"], selector(f"mint(({kinds}))") + calldata(f"m({kinds})", *terms)[4:])
    for token in ("usdc", "weth"):
        by_hand(funded, at[token], calldata("approve(address,uint256)", at["uniswap_positions"], 0))
    cost = -told.value({name: raw - before[name] for name, raw in balances(funded).items() if name in ONE})
    row, position = told.shown()
    assert row["token_ids"] == [position["token_id"]] and near(row["pnl"]["total"], told.worth(position) - cost)
    assert int(row["pnl"]["gas"]["raw"]) == wei and len(row["pnl"]["put_in"]) == 2

    told.price(2999)
    brought = told.do("remove", position["token_id"])
    left, position = told.shown()
    assert left["left"] and position is None and left["pnl"]["since"] == row["pnl"]["since"]
    assert near(left["pnl"]["realised"], brought - cost) and int(left["pnl"]["gas"]["raw"]) == wei + told.gas


def test_what_a_position_earned_is_what_the_wallet_and_it_have_more(funded: Sandbox, lp: Callable[..., Ended]) -> None:
    told = Witness(funded, lp)
    told.price(3000)
    cost = -told.do("add", POOL, *GIVE, "--range", "2800:3200", "--anyway")
    row, position = told.shown()
    first = row["pnl"]
    assert row["token_ids"] == [position["token_id"]] and not row["left"] and row["pnl_unknown"] is None
    assert (first["realised"], first["swaps"], first["taken_out"], first["base"]) == ("0", "0", [], "USD")
    assert near(first["unrealised"], told.worth(position) - cost)

    within(funded, there_and_back)
    told.price(3010)
    fees = told.do("collect", row["token_ids"][0])
    assert fees > 0
    row, position = told.shown()
    assert near(row["pnl"]["realised"], fees), "fees cost nothing"
    assert near(row["pnl"]["unrealised"], told.worth(position) - cost) and told.worth(position) > cost

    within(funded, there_and_back)
    told.price(2990)
    units = int(position["liquidity"])
    half = told.do("remove", row["token_ids"][0], "--share", "0.5")
    row, position = told.shown()
    pnl, left = row["pnl"], Fraction(int(position["liquidity"]), units)
    assert 0.49 < left < 0.51
    assert near(pnl["realised"], fees + half - cost * (1 - left))
    assert near(pnl["unrealised"], told.worth(position) - cost * left)
    assert near(pnl["total"], told.flows + told.worth(position))
    assert int(pnl["gas"]["raw"]) == told.gas and near(pnl["gas_base"], told.gas_usd)
    assert [money["symbol"] for money in pnl["put_in"]] == [money["symbol"] for money in pnl["worth"]]
    assert pnl["since"] == first["since"]

    told.price(3005)
    told.do("rerange", row["token_ids"][0], "--range", "2900:3100", "--anyway")
    row, position = told.shown()
    assert row["token_ids"] == [position["token_id"]] and row["pnl"]["since"] == first["since"], "one stay"
    assert Fraction(row["pnl"]["swaps"]) and near(row["pnl"]["total"], told.flows + told.worth(position))

    text = funded.config.read_text()
    base = '\n[policy.bases.ether]\nunit = "ETH"\nassets = { USDC = 1.0 }\n'
    funded.config.write_text(text.replace('asset = "USDC"', 'base = "ether"') + base)
    ether = told.shown()[0]["pnl"]
    assert ether["base"] == "ETH" and near(ether["total"], told.ether + told.worth(position) / told.usd)
    assert near(ether["gas_base"], Fraction(told.gas, 10**18)), "ether is ether at any time"
    funded.config.write_text(text)

    told.price(2998)
    told.do("remove", row["token_ids"][0])
    row, position = told.shown()
    assert position is None and row["left"] and row["token_ids"] == row["pnl"]["worth"] == []
    assert near(row["pnl"]["realised"], told.flows) and row["pnl"]["unrealised"] == "0"
    assert int(row["pnl"]["gas"]["raw"]) == told.gas
    shown = lp("positions").out
    assert "Profit and loss of liquidity since entry" in shown and "(left)" in shown
    exported = lp("export", "--json").document
    assert all(check["explained"] for check in exported["accounts"][0]["checks"]), exported

    # The next stay begins anew. What our account does by another program counts; what a stranger does is not guessed.
    told.price(3000)
    told.flows = Fraction(0)
    told.do("add", POOL, *GIVE, "--range", "2800:3200", "--anyway")
    row, position = told.shown()
    assert row["pnl"]["since"] > first["since"] and near(row["pnl"]["total"], told.flows + told.worth(position))
    within(funded, there_and_back)
    owner, most = funded.wallet, 2**128 - 1
    terms = calldata("collect(uint256,address,uint128,uint128)", position["token_id"], owner, most, most)
    packed = selector("collect((uint256,address,uint128,uint128))") + terms[4:]
    manager, before = funded.addresses["uniswap_positions"], balances(funded)
    send(funded, manager, packed, sender=owner)
    after = balances(funded)
    brought = told.value({name: after[name] - before[name] for name in ONE})
    row, position = told.shown()
    assert brought > 0 and near(row["pnl"]["realised"], brought)
    assert near(row["pnl"]["total"], told.flows + brought + told.worth(position))

    within(funded, lambda made: donate(made, position["token_id"]))
    row, _ = told.shown()
    assert row["pnl"] is None and "moved by a transaction that is not ours" in row["pnl_unknown"]
    assert "moved by a transaction that is not ours" in lp("positions").out
