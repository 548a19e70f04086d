"""Thousands of real Morpho Blue markets on the sandbox's Morpho, each with its own size and utilisation.

One transaction makes fifty of them through Multicall3, which owns Morpho meanwhile, supplies and borrows.
"""

from __future__ import annotations

import random
from pathlib import Path

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from yieldbot.config.load import load
from yieldbot.model.known import MULTICALL3
from yieldbot.model.units import MAX_UINT256, WAD
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.tokens import USDC_ONE, WETH_ONE

PARAMS = "(address,address,address,address,uint256)"
A_TIME = 50
"""Markets that one transaction makes."""
ETH_USD = 3000
GAS = 30_000_000


def make(sandbox: Sandbox, count: int, seed: int = 7) -> tuple[str, ...]:
    """Make markets that lend USDC against WETH, and return their ids. A fifth stays empty, as on the real chain; sizes
    are from a few dollars to millions, utilisations from nothing to all."""
    draw = random.Random(seed)
    at, (job,) = sandbox.addresses, load(sandbox.config).jobs
    usdc, morpho, oracle, irm = job.asset.address, at["morpho"], at["morpho_oracle"], at["irm"]
    weth = next(token.address for token in job.chain.tokens.values() if token.symbol == "WETH")
    owner = "0x" + sandbox.rpc("eth_call", {"to": morpho, "data": "0x" + _data("owner()").hex()}, "latest")[-40:]
    sandbox.rpc("anvil_impersonateAccount", owner)
    _send(sandbox, owner, morpho, _data("setOwner(address)", MULTICALL3))
    _send(sandbox, owner, usdc, _data("mint(address,uint256)", MULTICALL3, 10**10 * USDC_ONE))
    collateral = 10**8 * WETH_ONE
    sandbox.rpc("anvil_setBalance", owner, hex(2 * collateral))
    _send(sandbox, owner, weth, _data("deposit()"), collateral)
    _send(sandbox, owner, weth, _data("transfer(address,uint256)", MULTICALL3, collateral))
    approve = _data("approve(address,uint256)", morpho, MAX_UINT256)
    _together(sandbox, owner, [(usdc, approve), (weth, approve)])
    ids: list[str] = []
    for start in range(0, count, A_TIME):
        calls: list[tuple[str, bytes]] = []
        for k in range(start, min(start + A_TIME, count)):
            lltv = WAD // 2 + k * 10**12
            params = (usdc, weth, oracle, irm, lltv)
            ids.append("0x" + keccak(encode([PARAMS], [params])).hex())
            supplied = 0 if draw.random() < 0.2 else int(10 ** draw.uniform(0, 6.5) * USDC_ONE)
            borrowed = int(supplied * draw.choice((draw.random(), 0.9, draw.uniform(0.8, 1.0), 1.0)))
            calls.append((morpho, _data("enableLltv(uint256)", lltv)))
            calls.append((morpho, _of_market("createMarket", params)))
            if supplied:
                calls.append((morpho, _of_market("supply", params, supplied, 0, MULTICALL3, b"")))
            if borrowed:
                pledged = (3 * borrowed // ETH_USD + USDC_ONE) * WETH_ONE // USDC_ONE
                calls.append((morpho, _of_market("supplyCollateral", params, pledged, MULTICALL3, b"")))
                calls.append((morpho, _of_market("borrow", params, borrowed, 0, MULTICALL3, MULTICALL3)))
        _together(sandbox, owner, calls)
    return tuple(ids)


def supply(sandbox: Sandbox, market_id: str, owner: str) -> None:
    """Supply one dollar to a market for an owner."""
    morpho = sandbox.addresses["morpho"]
    to_params = {"to": morpho, "data": "0x" + _data("idToMarketParams(bytes32)", bytes.fromhex(market_id[2:])).hex()}
    (params,) = decode([PARAMS], bytes.fromhex(sandbox.rpc("eth_call", to_params, "latest")[2:]))
    data = _of_market("supply", params, USDC_ONE, 0, owner, b"")
    sandbox.rpc("anvil_impersonateAccount", MULTICALL3)
    sandbox.rpc("anvil_setBalance", MULTICALL3, hex(WETH_ONE))
    _send(sandbox, MULTICALL3, morpho, data)
    sandbox.rpc("anvil_stopImpersonatingAccount", MULTICALL3)


def listed(sandbox: Sandbox, ids: tuple[str, ...]) -> Path:
    """Write the markets into the sandbox's chain file, beside those that are there; returns its configuration."""
    file = sandbox.config.parent / "chains" / "sandbox.toml"
    before, rest = file.read_text().split('protocol = "morpho_blue"', 1)
    rows = "".join(f', "{one}"' for one in ids)
    table, after = rest.split("markets = [", 1)
    own, after = after.split("]", 1)
    file.write_text(f'{before}protocol = "morpho_blue"{table}markets = [{own.rstrip().rstrip(",")}{rows}]{after}')
    return sandbox.config


def _of_market(function: str, params: tuple[object, ...], *further: object) -> bytes:
    types = {
        "createMarket": "",
        "supply": ",uint256,uint256,address,bytes",
        "supplyCollateral": ",uint256,address,bytes",
        "borrow": ",uint256,uint256,address,address",
    }[function]
    return _encoded(f"{function}({PARAMS}{types})", [PARAMS, *types.split(",")[1:]], [params, *further])


def _data(signature: str, *values: object) -> bytes:
    inner = signature[signature.index("(") + 1 : -1]
    return _encoded(signature, inner.split(",") if inner else [], list(values))


def _encoded(signature: str, types: list[str], values: list[object]) -> bytes:
    return keccak(text=signature)[:4] + encode(types, values)


def _together(sandbox: Sandbox, sender: str, calls: list[tuple[str, bytes]]) -> None:
    parts = [(to, False, data) for to, data in calls]
    data = _encoded("aggregate3((address,bool,bytes)[])", ["(address,bool,bytes)[]"], [parts])
    _send(sandbox, sender, MULTICALL3, data)


def _send(sandbox: Sandbox, sender: str, to: str, data: bytes, value: int = 0) -> None:
    call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(GAS)}
    sent = sandbox.rpc("eth_sendTransaction", call)
    while (receipt := sandbox.rpc("eth_getTransactionReceipt", sent)) is None:
        pass  # anvil mines it at once, beside this request
    assert receipt["status"] == "0x1", f"{to} refused {data[:4].hex()} with {int(receipt['gasUsed'], 16)} gas"
