"""Several wallets that enter one market in one run: what the last plan says is what all of them are paid once they are
carried out."""

from __future__ import annotations

import pytest

from tests.kit.evm.many_chains import settings_of
from tests.kit.program import yieldbot
from yieldbot.chains.evm.signing.keystore import create
from yieldbot.config.load import load
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.files import SCRYPT_WORK, write_private

SECRET = "not a secret: made for this test alone"
IDLE = 300_000


def with_wallets(sandbox: Sandbox, count: int) -> None:
    """Makes new wallets with money, each with a job, in place of the sandbox's own; one market is left to them."""
    home = sandbox.directory
    wallets = [create(home / "keys" / f"{at}.json", SECRET, SCRYPT_WORK) for at in range(count)]
    write_private(home / "word", SECRET + "\n")
    usdc, rich = load(sandbox.config).jobs[0].asset.address, sandbox.rpc("eth_accounts")[0]
    for wallet in wallets:
        data = f"0x40c10f19{wallet[2:]:0>64}{IDLE * 10**6:064x}"  # mint(address,uint256)
        sandbox.rpc("eth_sendTransaction", {"from": rich, "to": usdc, "data": data, "gas": hex(200_000)})
        sandbox.rpc("anvil_setBalance", wallet, hex(10**19))
    text = settings_of(sandbox.config.read_text(), wallets, ["sandbox"])
    text = text.replace('.json"\n', '.json"\npassphrase_file = "word"\n')
    only = 'exclude = ["aave_v3", "metamorpho", "morpho_blue", "compound_v3", "stata"]\nmax_share_market = 1.0'
    sandbox.config.write_text(text.replace("max_share_market = 0.5", only))


def test_the_last_of_several_plans_says_what_all_are_paid(sandbox: Sandbox) -> None:
    with_wallets(sandbox, 2)
    home = sandbox.directory
    made = yieldbot("--json", "run", cwd=home)
    first, last = (row["plan"] for row in made.document["jobs"])
    (where,) = {leg["market_id"] for leg in first["legs"]}
    (put,) = [float(one["amount"]["text"]) for one in first["allocation"]["targets"] if one["market_id"] == where]
    assert made.code == 3 and first["counts"] == []
    assert last["counts"] == [f"{put:,.2f} USDC that w0 would put into Drip Vault dvUSDC first"]
    (said,) = (one["apr_after"] for one in last["allocation"]["reasons"] if one["market_id"] == where)
    (alone,) = (one["apr_after"] for one in first["allocation"]["reasons"] if one["market_id"] == where)
    (together,) = made.document["together"]
    assert (together["market_id"], together["plans"]) == (where, 2) and said < alone - 5e-4
    again = yieldbot("run", "--summary", cwd=home)
    assert [plan["id"] in again.out for plan in (first, last)] == [True, True], "what waits keeps its id"
    assert "Together: 2 plans put" in again.out
    assert yieldbot("approve", first["id"], "--yes", cwd=home).code == 0
    sandbox.rpc("anvil_mine", hex(25), hex(1))  # half of the lookback in which the vault paid the diluted rate
    assert yieldbot("approve", last["id"], "--yes", cwd=home).code == 0
    sandbox.warp(10)
    rows = yieldbot("--json", "positions", cwd=home).document["jobs"]
    paid = [row["apy_realised"] for job in rows for row in job["positions"]]
    assert len(paid) == 2 and paid[0] == pytest.approx(paid[1], abs=1e-5)
    assert paid[1] == pytest.approx(together["apy_together"], abs=5e-5)
    assert rows[1]["positions"][0]["apy_predicted"] == pytest.approx(together["apy_together"], abs=5e-5)
