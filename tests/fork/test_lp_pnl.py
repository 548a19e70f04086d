"""Profit and loss of liquidity on the real manager, against the wallet's balances and the prices of each moment."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.fork.contracts import calldata, selector, send
from tests.fork.test_lp_cli import GIVE, POOL, balances, fund, lp, there_and_back, within
from tests.fork.traded import pool_sandbox
from tests.unit.cli.program import Ended
from yieldbot.sandbox.node import Sandbox

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


def near(text: str | None, wanted: Fraction) -> bool:
    return text is not None and abs(Fraction(text) - wanted) <= EXACT


def test_what_a_position_earned_is_what_the_wallet_and_it_have_more(
    pool_sandbox: Sandbox, lp: Callable[..., Ended]
) -> None:
    within(pool_sandbox, fund)
    told = Witness(pool_sandbox, lp)
    told.price(3000)
    cost = -told.do("add", POOL, *GIVE, "--range", "2800:3200", "--anyway")
    row, position = told.shown()
    first = row["pnl"]
    assert row["token_ids"] == [position["token_id"]] and not row["left"] and row["pnl_unknown"] is None
    assert (first["realised"], first["swaps"], first["taken_out"], first["base"]) == ("0", "0", [], "USD")
    assert near(first["unrealised"], told.worth(position) - cost)

    within(pool_sandbox, there_and_back)
    told.price(3010)
    fees = told.do("collect", row["token_ids"][0])
    assert fees > 0
    row, position = told.shown()
    assert near(row["pnl"]["realised"], fees), "fees cost nothing"
    assert near(row["pnl"]["unrealised"], told.worth(position) - cost) and told.worth(position) > cost

    within(pool_sandbox, there_and_back)
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
    assert "Profit and loss of liquidity since entry" in lp("positions").out

    text = pool_sandbox.config.read_text()
    base = '\n[policy.bases.ether]\nunit = "ETH"\nassets = { USDC = 1.0 }\n'
    pool_sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "ether"') + base)
    ether = told.shown()[0]["pnl"]
    assert ether["base"] == "ETH" and near(ether["total"], told.ether + told.worth(position) / told.usd)
    assert near(ether["gas_base"], Fraction(told.gas, 10**18)), "ether is ether at any time"
    pool_sandbox.config.write_text(text)

    told.price(2998)
    told.do("remove", row["token_ids"][0])
    row, position = told.shown()
    assert position is None and row["left"] and row["token_ids"] == row["pnl"]["worth"] == []
    assert near(row["pnl"]["realised"], told.flows) and row["pnl"]["unrealised"] == "0"
    assert int(row["pnl"]["gas"]["raw"]) == told.gas
    assert "(left)" in lp("positions").out
    exported = lp("export", "--json").document
    assert all(check["explained"] for check in exported["accounts"][0]["checks"]), exported

    # The next stay begins anew; what another hand takes out of it is not guessed.
    told.price(3000)
    told.flows = Fraction(0)
    told.do("add", POOL, *GIVE, "--range", "2800:3200", "--anyway")
    row, position = told.shown()
    assert row["pnl"]["since"] > first["since"] and near(row["pnl"]["total"], told.flows + told.worth(position))
    within(pool_sandbox, there_and_back)
    owner, most = pool_sandbox.wallet, 2**128 - 1
    terms = calldata("collect(uint256,address,uint128,uint128)", position["token_id"], owner, most, most)
    packed = selector("collect((uint256,address,uint128,uint128))") + terms[4:]
    send(pool_sandbox, pool_sandbox.addresses["uniswap_positions"], packed, sender=owner)
    row, _ = told.shown()
    assert row["pnl"] is None and "paid out by a transaction that is not ours" in row["pnl_unknown"]
    assert "paid out by a transaction that is not ours" in lp("positions").out
