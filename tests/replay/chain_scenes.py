"""Incidents on the sandbox's real contracts: borrowers, depositors, oracles, owners and storage are moved along the
shapes of scenes.py. No threshold was set by them."""

from __future__ import annotations

import asyncio
from functools import partial

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from tests.evm.test_controls import safe_of
from tests.faults.control import proxies
from tests.kit import incentives
from tests.kit.contracts import call
from tests.kit.evm.several_assets import BASE
from tests.kit.pools import without_exchange
from tests.replay.chain_run import ChainScene, Step
from tests.replay.stage import ETHER, MUCH, PARAMS, USDC, WEALTH, Stage, market_id
from yieldbot.model.ids import Address, MarketId
from yieldbot.sandbox.evm.artifacts import compiled, own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.traps import deploy_trap, trap_table

AAVE, QUIET = "Aave v3", "Morpho Blue WETH 86 %"
CALM = (Step(hours=24), Step(hours=24))
"""Two quiet days that are remembered."""


def _aave(stage: Stage) -> None:
    stage.failing = MarketId(f"aave_v3/31337/{stage.at('aave_pool').lower()}/{stage.at('usdc').lower()}")


def _in_aave(stage: Stage) -> None:
    """All of our money in Aave's pool, and a borrower who could take all of its cash."""
    _aave(stage)
    stage.aave_collateral()
    stage.only(AAVE, QUIET)
    stage.put_in_aave()


def _weth_too(stage: Stage) -> None:
    """WETH's own market is looked at as well: a second job, whose wallet has none."""
    stage.aave_dollars_for_weth()
    stage.aave_use(0.6, "weth")
    file, text = stage.sandbox.config, stage.sandbox.config.read_text()
    job = '[[jobs]]\nwallet = "main"\nchain = "sandbox"\nasset = "USDC"\n'
    assert job in text
    file.write_text(text.replace(job, job + "\n" + job.replace("USDC", "WETH")))
    chain = stage.sandbox.directory / "chains" / "sandbox.toml"
    written = chain.read_text()
    assert written.count('["USDC", "DAI"]') == 1
    chain.write_text(written.replace('["USDC", "DAI"]', '["USDC", "DAI", "WETH"]'))
    _in_aave(stage)


def _trickle(stage: Stage, whole: int) -> None:
    """A borrower pays back a little, which is there for one look."""
    stage.aave_leave()
    stage.aave_repay(whole * USDC)


def _in_curated(stage: Stage, lent: float = 0.91) -> None:
    stage.curator_vault(lent, 20_000_000)
    stage.only("Curated", QUIET)
    stage.put_in_vault(stage.at("curated"))
    stage.morpho_use(lent)


def _depositors_leave(stage: Stage, used: float) -> None:
    """Depositors take cash out of the curated vault until so much of it is lent."""
    supplied, _, lent, *_ = stage.morpho_market(stage.found["params"])
    gone = supplied - round(lent / used)
    if gone > 0:
        stage.send(stage.at("curated"), "withdraw(uint256,address,address)", gone, stage.lender, stage.lender)


def _mint_and_borrow(stage: Stage) -> None:
    """Four times the collateral's supply is minted, and all of the cash borrowed against it."""
    stage.send(stage.at("coin"), "mint(address,uint256)", stage.borrower, 800_000_000 * ETHER)
    collateral = f"supplyCollateral({PARAMS},uint256,address,bytes)"
    stage.send(
        stage.at("morpho"), collateral, stage.found["params"], 50_000_000 * ETHER, stage.borrower, b"",
        sender=stage.borrower,
    )  # fmt: skip
    stage.morpho_use(1.0)


def _in_drip(stage: Stage) -> None:
    stage.failing = MarketId(f"erc4626/31337/{stage.at('drip').lower()}")
    stage.only("Drip Vault dvUSDC", AAVE)
    stage.put_in_vault(stage.at("drip"))


def _donate(stage: Stage) -> None:
    stage.mint(stage.lender, 2_200_000)
    stage.send(stage.at("usdc"), "transfer(address,uint256)", stage.at("drip"), 2_200_000 * USDC)


def _drain_drip(stage: Stage) -> None:
    total = stage.number(stage.at("drip"), "totalAssets()")
    stage.take_from(stage.at("drip"), total * 9 // 10)


def _in_moonwell(stage: Stage) -> None:
    market = stage.at("moonwell_usdc")
    (stage.failing,) = [s.market.id for s in stage.observed().markets if s.market.id.endswith(market.lower())]
    stage.only("Moonwell (double)")
    ours = stage.sandbox.wallet
    stage.send(stage.at("usdc"), "approve(address,uint256)", market, WEALTH * USDC, sender=ours)
    stage.send(market, "mint(uint256)", WEALTH * USDC, sender=ours)
    stage.send(market, "borrow(uint256)", 165_000 * USDC, sender=stage.borrower)


def _past_the_cap(stage: Stage) -> None:
    """A donation moves the capped market's exchange rate, and what its shares are now worth borrows all that the other
    market has; a tenth of that is never paid back, which its books do not say yet."""
    capped, market = stage.at("moonwell_capped"), stage.at("moonwell_usdc")
    stage.mint(stage.lender, 3_000_000)
    stage.send(stage.at("usdc"), "transfer(address,uint256)", capped, 3_000_000 * USDC)
    cash = stage.number(market, "getCash()")
    stage.send(market, "borrow(uint256)", cash, sender=stage.other)


def _moonwell_writes_off(stage: Stage) -> None:
    """A tenth of what suppliers own is struck out of the market's books (storage slot 4, totalBorrows)."""
    market = stage.at("moonwell_usdc")
    lent = stage.number(market, "totalBorrows()")
    assert int(stage.sandbox.rpc("eth_getStorageAt", market, "0x4", "latest"), 16) == lent
    owned = stage.number(market, "getCash()") + lent
    stage.sandbox.rpc("anvil_setStorageAt", market, "0x" + f"{4:064x}", "0x" + f"{lent - owned // 10:064x}")


def _moonwell_pays_back(stage: Stage) -> None:
    market, token = stage.at("moonwell_usdc"), stage.at("usdc")
    stage.send(token, "mint(address,uint256)", stage.borrower, 400_000 * USDC)
    stage.send(token, "approve(address,uint256)", market, MUCH, sender=stage.borrower)
    stage.send(market, "repayBorrow(uint256)", 400_000 * USDC, sender=stage.borrower)


def _frozen(stage: Stage) -> None:
    """The guardian freezes the reserve whose rate is the highest."""
    stage.aave_use(0.93)
    stage.send(stage.at("aave_configurator"), "setReserveFreeze(address,bool)", stage.at("usdc"), True)


def _before_frozen(stage: Stage) -> None:
    _aave(stage)
    stage.aave_collateral()
    stage.only(AAVE, QUIET)
    _frozen(stage)


def _in_metamorpho(stage: Stage) -> None:
    """A vault whose owner is a Safe of three keys, two of which must sign."""
    vault = stage.at("metamorpho")
    stage.failing = MarketId(f"erc4626/31337/{vault.lower()}")
    keys = [Address("0x" + n * 20) for n in ("a1", "b2", "c3")]
    safe = safe_of(stage.sandbox, [Address(to_checksum_address(key)) for key in keys], 2)
    stage.found |= {"safe": safe, "thief": Address(to_checksum_address("0x" + "d4" * 20))}
    stage.send(vault, "transferOwnership(address)", safe)
    stage.send(vault, "acceptOwnership()", sender=safe)
    stage.only("MetaMorpho mmUSDC")  # Morpho Blue's own markets are what the vault is drained of
    stage.put_in_vault(vault)
    first = call(
        stage.sandbox, stage.at("morpho"), "idToMarketParams(bytes32)", bytes.fromhex(stage.at("morpho_market_a")[2:])
    )
    borrow = f"borrow({PARAMS},uint256,uint256,address,address)"
    params = decode([PARAMS], first)[0]
    stage.send(stage.at("morpho"), borrow, params, 240_000 * USDC, 0, stage.lender, stage.lender)


def _key_in_place_of_safe(stage: Stage) -> None:
    vault, thief = stage.at("metamorpho"), stage.at("thief")
    stage.send(vault, "transferOwnership(address)", thief, sender=stage.at("safe"))
    stage.send(vault, "acceptOwnership()", sender=thief)


def _thief_lists_his_market(stage: Stage) -> None:
    """A market with worthless collateral, as the vault's new owner wants it."""

    async def made() -> tuple[str, ...]:
        async with stage.sandbox.node() as node:
            d = Deployer(node, [stage.lender])
            coin = await d.deploy(own()["TestToken"], "Nothing", "NIL", 18)
            oracle = await d.deploy(compiled()["morpho"]["OracleMock"])
            await d.send(oracle, "setPrice", 10**24)
            params = (stage.at("usdc"), coin.address, oracle.address, stage.at("irm"), 86 * 10**16)
            await d.send(Contract(stage.at("morpho"), compiled()["morpho"]["Morpho"].abi), "createMarket", params)
            return params  # type: ignore[return-value]

    stage.found["evil"] = asyncio.run(made())
    stage.send(
        stage.at("metamorpho"), f"submitCap({PARAMS},uint256)", stage.found["evil"], 10**14, sender=stage.at("thief")
    )


def _drain_metamorpho(stage: Stage) -> None:
    """All that is not lent out is moved into the thief's market and borrowed there."""
    vault, morpho, thief, evil = stage.at("metamorpho"), stage.at("morpho"), stage.at("thief"), stage.found["evil"]
    stage.send(vault, f"acceptCap({PARAMS})", evil, sender=thief)
    rows, taken = [], 0
    for letter in "ab":
        key = bytes.fromhex(stage.at(f"morpho_market_{letter}")[2:])
        params = decode([PARAMS], call(stage.sandbox, morpho, "idToMarketParams(bytes32)", key))[0]
        stage.send(morpho, f"accrueInterest({PARAMS})", params)
        supplied, shares, lent, *_ = decode(["uint256"] * 4, call(stage.sandbox, morpho, "market(bytes32)", key)[:128])
        mine = stage.number(morpho, "position(bytes32,address)", key, vault) * supplied // shares
        out = max(0, min(mine, supplied - lent) - 100 * USDC)
        taken += out
        rows.append((params, mine - out))
    stage.send(vault, f"reallocate(({PARAMS},uint256)[])", [*rows, (evil, 2**256 - 1)], sender=thief)
    coin = evil[1]
    stage.send(coin, "mint(address,uint256)", thief, 10**10 * ETHER, sender=thief)
    stage.send(coin, "approve(address,uint256)", morpho, MUCH, sender=thief)
    collateral = f"supplyCollateral({PARAMS},uint256,address,bytes)"
    stage.send(morpho, collateral, evil, 10**7 * ETHER, thief, b"", sender=thief)
    there = stage.number(morpho, "market(bytes32)", market_id(evil))
    borrow = f"borrow({PARAMS},uint256,uint256,address,address)"
    stage.send(morpho, borrow, evil, there, 0, thief, thief, sender=thief)
    stage.found |= {"params": evil, "hard_coded": evil[2], "coin": coin}


def _thief_is_written_off(stage: Stage) -> None:
    stage.borrower = stage.at("thief")
    stage.write_off(1e-9)


def _with_rewards(stage: Stage) -> None:
    async def deployed() -> None:
        async with stage.sandbox.node() as node:
            await incentives.pay_in_weth(node, stage.sandbox.addresses)

    asyncio.run(deployed())
    file, pool = stage.sandbox.directory / "chains" / "sandbox.toml", stage.at("aave_pool")
    controller = f'rewards_controller = "{stage.at("aave_rewards")}"'
    file.write_text(file.read_text().replace(f'pool = "{pool}"', f'pool = "{pool}"\n{controller}', 1))
    _aave(stage)
    stage.only(AAVE, "MetaMorpho mmUSDC")
    stage.put_in_aave()


def _rewards_end(stage: Stage) -> None:
    a_token = (
        "0x" + call(stage.sandbox, stage.at("aave_pool"), "getReserveAToken(address)", stage.at("usdc"))[12:].hex()
    )
    now = stage.sandbox.status().timestamp
    stage.send(
        stage.at("aave_emissions"), "setDistributionEnd(address,address,uint32)", a_token, stage.at("weth"), now + 60
    )


def _dead(stage: Stage) -> None:
    """A vault whose interest grows on paper at 40 % a year; what goes in is gone."""

    async def made() -> str:
        async with stage.sandbox.node() as node:
            vault = await deploy_trap(node, "DeadVault", stage.at("usdc"), 1_000_000 * USDC, 4_000, history=True)
            return str(vault[1].address)

    address = asyncio.run(made())
    stage.table(trap_table(address))
    stage.failing = MarketId(f"erc4626/31337/{address.lower()}")
    stage.only("Trap", AAVE)


def _dollars(stage: Stage) -> None:
    """A job over two dollars, whose pool is a second source for the price of each."""
    without_exchange(stage.sandbox, "uniswap_v4")
    text = stage.sandbox.config.read_text()
    stage.sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
    _aave(stage)
    stage.only(stage.failing, QUIET)
    stage.put_in_aave()


def _usdc_at(stage: Stage, usd: float, sold: int = 0) -> None:
    """The feed says so, and somebody sells so many USDC for DAI in the pool."""
    stage.send(stage.at("usdc_feed"), "set(int256)", round(usd * 10**8))
    if sold:
        router, kinds = stage.at("uniswap_router"), "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
        stage.mint(stage.other, sold)
        stage.send(stage.at("usdc"), "approve(address,uint256)", router, MUCH, sender=stage.other)
        swap = (stage.at("usdc"), stage.at("dai"), 100, stage.other, 2**40, sold * USDC, 0, 0)
        stage.send(router, f"exactInputSingle({kinds})", swap, sender=stage.other)


def _three_endpoints(stage: Stage) -> None:
    """Three endpoints before the node, two of which must agree."""
    _in_aave(stage)
    started = stage.closing.enter_context(proxies(stage.sandbox.rpc_url, 3))
    stage.found["proxies"] = started
    file = stage.sandbox.directory / ".env"
    file.write_text(f"SANDBOX_RPC_URL={','.join(started.urls)}\n")
    file.chmod(0o600)


def _one_lies(stage: Stage, used: float) -> None:
    """The first of them says what was, or something else, from now on."""
    stage.found["proxies"].set(0, kinds=["stale_block", "wrong_state"])
    stage.aave_use(used)


def _used(used: float, asset: str = "usdc") -> Step:
    return Step(hours=1, do=lambda stage: stage.aave_use(used, asset))


SCENES = (
    ChainScene(
        name="a market is full for four days, its collateral's first", source="class of April 2026",
        contracts="Aave v3.6", set_up=_weth_too,
        steps=(
            *CALM, *(_used(u, "weth") for u in (0.8, 0.95, 1.0)), *(_used(u) for u in (0.85, 0.93, 0.97, 1.0)),
            *(Step(hours=24) for _ in range(4)),
        ),
    ),
    ChainScene(
        name="the same in one block, then cash in trickles", source="class of April 2026", contracts="Aave v3.6",
        set_up=_in_aave,
        steps=(
            *CALM, _used(1.0), Step(hours=12), *(Step(hours=12, do=partial(_trickle, whole=n)) for n in
                                                 (20_000, 5_000, 30_000, 10_000, 40_000, 10_000)),
        ),
    ),
    ChainScene(
        name="a curator's vault with a hard-coded oracle", source="class of November 2025",
        contracts="MetaMorpho, Morpho Blue", set_up=_in_curated,
        steps=(
            *CALM, *(Step(hours=3, do=partial(_depositors_leave, used=u)) for u in (0.93, 0.96, 0.985, 1.0)),
            Step(hours=24), Step(hours=72), Step(hours=120, do=lambda stage: stage.write_off(0.07)), Step(hours=1),
        ),
    ),
    ChainScene(
        name="collateral minted out of nothing", source="class of March 2026", contracts="MetaMorpho, Morpho Blue",
        set_up=partial(_in_curated, lent=0.905),
        steps=(*CALM, Step(hours=1, do=_mint_and_borrow), Step(hours=6),
               Step(hours=18, do=lambda stage: stage.write_off(0.05)), Step(hours=1)),
    ),
    ChainScene(
        name="a donation triples a vault's share price, then it is drained", source="donation attacks, 2022-26",
        contracts="OpenZeppelin's ERC-4626", set_up=_in_drip,
        steps=(*CALM, Step(hours=1, do=_donate), Step(hours=1), Step(hours=1, do=_drain_drip), Step(hours=1)),
    ),
    ChainScene(
        name="an exchange rate is moved past a cap", source="class of March 2026", contracts="doubles of cTokens",
        set_up=_in_moonwell, needs=("compound_v2",),
        steps=(*CALM, Step(hours=1, do=_past_the_cap), Step(hours=12),
               Step(hours=12, do=_moonwell_writes_off), Step(hours=24, do=_moonwell_pays_back), Step(hours=1)),
    ),
    ChainScene(
        name="a reserve is frozen at a high rate: would we enter?", source="guardians, often", contracts="Aave v3.6",
        set_up=_before_frozen, calm=0, steps=(Step(hours=1), Step(hours=24), Step(hours=24)),
    ),
    ChainScene(
        name="a Safe gives a vault to one key, then it is drained", source="class of April 2026",
        contracts="MetaMorpho, Safe 1.4.1", set_up=_in_metamorpho,
        steps=(
            *CALM, Step(hours=1, do=_key_in_place_of_safe), Step(hours=1, do=_thief_lists_his_market),
            Step(hours=25, do=_drain_metamorpho), Step(hours=1, do=_thief_is_written_off), Step(hours=1),
        ),
    ),
    ChainScene(
        name="a reward programme ends", source="often", contracts="Aave's RewardsController", set_up=_with_rewards,
        steps=(*CALM, Step(hours=1, do=_rewards_end), Step(hours=24), Step(hours=24)),
    ),
    ChainScene(
        name="an endpoint that says what was", source="lying or hanging nodes, often", contracts="Aave v3.6",
        set_up=_three_endpoints, stale=True,
        steps=(*CALM, *(Step(hours=1, do=partial(_one_lies, used=u)) for u in (0.9, 0.955, 1.0)), Step(hours=24),
               Step(hours=24)),
    ),
    ChainScene(
        name="a dead vault with phantom interest: would we enter?", source="dead vaults of 2024-25",
        contracts="OpenZeppelin's ERC-4626", set_up=_dead, calm=0,
        steps=(Step(hours=1), Step(hours=24), Step(hours=24)),
    ),
    ChainScene(
        name="USDC falls to 0.87", source="10-13 March 2023", contracts="Aave v3.6, Uniswap v3, price feeds",
        set_up=_dollars,
        steps=(
            *CALM, Step(hours=1, do=partial(_usdc_at, usd=0.996, sold=1)),
            Step(hours=2, do=partial(_usdc_at, usd=0.985, sold=2_000_000)),
            *(Step(hours=h, do=partial(_usdc_at, usd=usd)) for h, usd in ((1, 0.98), (2, 0.97), (4, 0.91), (2, 0.87))),
            *(Step(hours=h, do=partial(_usdc_at, usd=usd)) for h, usd in ((6, 0.92), (18, 0.96), (18, 0.999))),
        ),
    ),
)  # fmt: skip
