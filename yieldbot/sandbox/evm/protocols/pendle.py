"""Pendle's real market, principal token, yield token, factories and router (npm package @pendle/core-v2), over a double
of a standardized yield token for USDC (contracts/doubles/SyDouble.sol)."""

from __future__ import annotations

from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import Artifact, packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.protocols import SandboxProtocol
from yieldbot.sandbox.evm.site import Deployed, Site
from yieldbot.sandbox.evm.tokens import USDC_ONE

PACKAGE = "@pendle/core-v2/build/artifacts/contracts"
PROXY = "@openzeppelin/contracts/build/contracts/ERC1967Proxy.json"
DAY = 86_400
DAYS = 360
"""Days from the deployment to the expiry."""
POOL = 4_000_000
"""Whole USDC: so much PT is in the market, and SY of this worth."""
RESERVE = 1_000_000
"""Whole USDC from which the yield token pays what it earns."""
GROWTH = 5 * 10**16
"""What the yield token earns a year; 10^18 is one."""
SCALAR_ROOT, ANCHOR = 75 * 10**18, 106 * 10**16
"""How steep the price is, and the exchange rate at an equal share of PT and SY."""
LN_FEE_RATE_ROOT = 199_980_002_666_266
"""The fee: the logarithm of 1.0002."""
RESERVE_FEE_PERCENT = 80
ROUTES = {
    "ActionSwapPTV3": ("swapExactTokenForPt", "swapExactPtForToken"),
    "ActionSimple": ("swapExactTokenForPtSimple",),
    "ActionMiscV3": ("redeemPyToToken",),
}
"""Functions of the router, by the contract that has them."""


def _of(path: str) -> Artifact:
    return packaged(f"{PACKAGE}/{path}.sol/{path.rpartition('/')[2]}.json")


async def _split(d: Deployer, splitter: Contract, name: str, artifact: Artifact) -> list[object]:
    """Store a contract's creation code; its places and sizes, as factories take them."""
    receipt = await d.send(splitter, "deploy", name, "0x" + artifact.linked(d.libraries))
    data = bytes.fromhex(str(receipt["logs"][-1]["data"])[2:])
    words = [int.from_bytes(data[at : at + 32], "big") for at in range(0, 128, 32)]
    return [_address(words[0]), words[1], _address(words[2]), words[3]]


def _address(word: int) -> str:
    from web3 import Web3

    return str(Web3.to_checksum_address(f"0x{word:040x}"))


async def _behind_proxy(d: Deployer, artifact: Artifact, args: list[object], *first: object) -> Contract:
    made = await d.deploy(artifact, *args)
    proxy = await d.deploy(packaged(PROXY), made.address, made.data("initialize", *first))
    return Contract(proxy.address, artifact.abi)


async def _router(d: Deployer) -> Contract:
    from eth_utils.abi import function_abi_to_4byte_selector

    storage = _of("router/ActionStorageV4")
    made = await d.deploy(_of("router/PendleRouterV4"), d.me, (await d.deploy(storage)).address)
    facets = []
    for name, functions in ROUTES.items():
        artifact = _of(f"router/{name}")
        found = [e for e in artifact.abi if e["type"] == "function" and e["name"] in functions]
        selectors = ["0x" + function_abi_to_4byte_selector(e).hex() for e in found]  # type: ignore[arg-type]
        facets.append(((await d.deploy(artifact)).address, selectors))
    router = Contract(made.address, storage.abi)
    await d.send(router, "setSelectorToFacets", facets)
    return router


async def deploy(site: Site) -> Deployed:
    """A market of 4,000,000 PT and as much SY, whose PT expires in 360 days."""
    d, usdc = site.d, site.tokens.usdc
    await d.library("OracleLib", _of("core/Market/OracleLib"))
    gauge = await d.deploy(site.ours["PendleGaugeDouble"], site.tokens.weth.address)
    splitter = await d.deploy(_of("offchain-helpers/BaseSplitCodeFactoryContract"))
    code = await _split(d, splitter, "YT", _of("core/YieldContracts/PendleYieldToken"))
    yields = await _behind_proxy(
        d, _of("core/YieldContracts/PendleYieldContractFactoryUpg"), code, DAY, 3 * 10**16, 3 * 10**16, d.me, d.me
    )
    code = await _split(d, splitter, "Market", _of("core/Market/PendleMarketV7"))
    made_by: list[object] = [yields.address, *code, gauge.address]
    factory = await _behind_proxy(
        d, _of("core/Market/PendleMarketFactoryV7Upg"), made_by, d.me, d.me, RESERVE_FEE_PERCENT
    )
    sy = await d.deploy(site.ours["SyDouble"], usdc.address, 6, GROWTH)
    await d.send(usdc, "approve", sy.address, MAX_UINT256)
    await d.send(usdc, "mint", sy.address, RESERVE * USDC_ONE)
    now = int((await d.node.request("eth_getBlockByNumber", ["latest", False]))["timestamp"], 16)
    expiry = now // DAY * DAY + DAYS * DAY
    await d.send(yields, "createYieldContract", sy.address, expiry, True)
    pt = Contract(await d.read_address(yields, "getPT", sy.address, expiry), site.ours["TestToken"].abi)
    yt = Contract(
        await d.read_address(yields, "getYT", sy.address, expiry), _of("core/YieldContracts/PendleYieldToken").abi
    )
    receipt = await d.send(factory, "createNewMarket", pt.address, SCALAR_ROOT, ANCHOR, LN_FEE_RATE_ROOT)
    market = Contract(_address(int(str(receipt["logs"][-1]["topics"][1]), 16)), _of("core/Market/PendleMarketV7").abi)
    for receiver in (yt.address, market.address):
        await d.send(sy, "deposit", receiver, usdc.address, POOL * USDC_ONE, 0)
    await d.send(yt, "mintPY", market.address, d.me)
    there = [int.from_bytes(await d.read(one, "balanceOf", market.address), "big") for one in (sy, pt)]
    await d.send(market, "mint", d.me, *there)
    router = await _router(d)
    row = {"protocol": "pendle", "name": "Pendle", "router": router.address, "factory": factory.address}
    registry = {"kind": "pendle", "name": "Pendle", "factory": factory.address, "router": router.address}
    addresses = {"pt": pt.address, "yt": yt.address, "sy": sy.address, "pt_market": market.address}
    return Deployed(
        tables=[row | {"markets": [market.address]}],
        addresses=addresses | {"pendle_router": router.address},
        registries=[registry | {"from_block": 0}],
    )


SANDBOX = SandboxProtocol(protocol="pendle", deploy=deploy, tolerance_bp={"pendle": 0.01})
