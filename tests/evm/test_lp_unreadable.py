"""A pool that cannot be read any more half-way through ``yieldbot lp``: what came out lies in the wallet, and nothing
stays allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.contracts import mined
from tests.kit.evm.liquidity import GIVE, POOL, balances, fund, there_and_back, within
from tests.kit.evm.liquidity import lp as lp
from tests.kit.program import Ended
from tests.kit.traded import pool_sandbox
from yieldbot.app.context import Context
from yieldbot.app.move_liquidity import LiquidityRequest, move_liquidity
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity import execute
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["pool_sandbox"]  # a fixture

REVERTS = "0x5f5ffd"
LEFT = 7 * 10**6
"""Base units of USDC that an earlier order, ended by a power cut, left allowed to the position manager."""
SPENDERS = ("uniswap_positions", "uniswap_router")


def allowed(sandbox: Sandbox) -> dict[tuple[str, str], int]:
    """Every allowance of the wallet's that is not zero, by token and spender."""
    found = {}
    for token in ("usdc", "weth"):
        for spender in SPENDERS:
            pair = (part[2:].lower().rjust(64, "0") for part in (sandbox.wallet, sandbox.addresses[spender]))
            call = {"to": sandbox.addresses[token], "data": "0xdd62ed3e" + "".join(pair)}
            found[token, spender] = int(sandbox.rpc("eth_call", call, "latest"), 16)
    return {pair: raw for pair, raw in found.items() if raw}


def leave_allowed(sandbox: Sandbox) -> None:
    usdc = Token(evm_chain(31337), Address(sandbox.addresses["usdc"]), "USDC", 6)
    call = allowance_call(usdc, Address(sandbox.addresses["uniswap_positions"]), LEFT, "the manager")
    sandbox.rpc("anvil_impersonateAccount", sandbox.wallet)
    fields = {"from": sandbox.wallet, "to": call.to, "data": "0x" + call.data.hex()}
    assert mined(sandbox, fields)["status"] == "0x1"
    sandbox.rpc("anvil_stopImpersonatingAccount", sandbox.wallet)


@pytest.mark.parametrize(
    ("last", "code", "exit_code"),
    [("swap ", "MARKET_UNREADABLE", 1), ("allow ", "WOULD_REVERT", 4)],
    ids=["once its swap is through", "once the router may take what is to be swapped"],
)
def test_what_is_still_allowed_is_taken_back(
    pool_sandbox: Sandbox,
    lp: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    last: str,
    code: str,
    exit_code: int,
) -> None:
    within(pool_sandbox, fund)
    wide = ("--range", "2500:3600", "--slippage-bps", "200")
    assert lp("lp", "add", POOL, *GIVE, *wide, "--anyway", "--yes").code == 0
    within(pool_sandbox, there_and_back)
    (row,) = [p for p in lp("positions", "--json").document["liquidity"][0]["positions"] if p["in_range"]][-1:]
    leave_allowed(pool_sandbox)
    assert allowed(pool_sandbox) == {("usdc", "uniswap_positions"): LEFT}
    pool, before, made = pool_sandbox.addresses["uniswap_pool"], balances(pool_sandbox), list[str]()
    kept, real = pool_sandbox.rpc("eth_getCode", pool, "latest"), execute.transact

    async def transact(*args: Any, **kwargs: Any) -> Any:
        outcome = await real(*args, **kwargs)
        made.append(args[2].description)
        if args[2].description.startswith(last) and isinstance(outcome, Confirmed):
            pool_sandbox.rpc("anvil_setCode", pool, REVERTS)
        return outcome

    monkeypatch.setattr(execute, "transact", transact)
    request = LiquidityRequest(
        action="rerange", position=str(row["token_id"]), range="2700:3300", slippage_bps=200.0, anyway=True
    )
    try:
        done = move_liquidity(request, Context(pool_sandbox.config), show=lambda order: None, ask=lambda: True)
    finally:
        pool_sandbox.rpc("anvil_setCode", pool, kept)
    assert done.declined is not None and (done.declined.code, done.exit_code) == (code, exit_code), done.declined
    assert allowed(pool_sandbox) == {}, made
    assert [one.result for one in done.transactions] == ["confirmed"] * len(done.transactions), made
    assert any("take back" in one for one in made[-2:]), made
    after = balances(pool_sandbox)
    assert after["usdc"] > before["usdc"] and after["weth"] > before["weth"], "what came out lies in the wallet"
    assert "damage" not in lp("history", "--verify").out
    again = lp("lp", "add", POOL, *GIVE, *wide, "--anyway", "--yes", "--json")
    assert again.code == 0, "the account goes on"
