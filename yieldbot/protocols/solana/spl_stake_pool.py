"""SPL stake pools (the JitoSOL class): SOL for pool tokens, whose value grows with what the pool's stake earns.

Layout and instructions: npm @solana/spl-stake-pool 1.1.8 (src/layouts.ts, src/instructions.ts); behaviour: the stake
pool program's state.rs and processor.rs. The yield is what the stake must have earned for the pool token to grow as it
did in the last epoch, assuming that every epoch is like that and has its real length, and at most ``MOST_A_YEAR``. New
money is assumed to dilute it until the horizon's end, as if nobody staked it. Entry and exit fees are in the curve, and
``entry_cost_bps`` states them.

Deposits and withdrawals are in SOL itself, at once, into and out of the pool's reserve, which is all of the liquidity:
unstaking is not used. At each epoch's start both are refused until somebody has updated the pool, which takes its
validators' accounts and some minutes: until then the market counts as paused.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.math.stake_pool import Fee, StakeCurve, StakePool, rate
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_ACCOUNT_BYTES, TOKEN_PROGRAM, WRAPPED_SOL
from yieldbot.model.market import Exit, ExitKind, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow, SvmAccount, SvmLamports
from yieldbot.model.tx import SvmInstruction
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.protocols.doubts import minted
from yieldbot.protocols.solana.base import ProgramParams
from yieldbot.protocols.solana.layout import (
    SLOTS_PER_EPOCH,
    SYSTEM_PROGRAM,
    SYSVAR_CLOCK,
    TERMS,
    Clock,
    ata,
    clock_read,
    key_bytes,
    layout,
    pda,
    rent_exempt,
    rounding,
    token_amount,
)

STAKE_PROGRAM = Address("Stake11111111111111111111111111111111111111")
STAKE_HISTORY = Address("SysvarStakeHistory1111111111111111111111111")
IS_STAKE_POOL = 1
SPARE_LAMPORTS = 1
"""Lamports that older versions of the program keep in the reserve beyond its rent; the newest keeps none."""
STAKE_ACCOUNT_BYTES = 200
IMMUTABLE_OWNER_BYTES = 5
"""Bytes that Token-2022 adds to an associated account: its type, and the ImmutableOwner extension."""
LEAST_SHARE = 999, 1000
"""The minimum out as a fraction of the expected output: an epoch's growth may come in between, a new fee may not."""
MOST_A_YEAR = 0.25
"""Highest plausible annual growth of stake (inflation, fees and tips): three times what the main cluster has paid."""
NUMBERS = "numbers"
"""Key of a state's market params: the pool's numbers as they were read, for the minimum out."""


class StakePoolParams(ProgramParams):
    """A deployment's table."""

    pools: list[str]
    """Addresses of the stake pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAccount:
    """The fields that are read of a stake pool account."""

    manager: Address
    """Address that sets the pool's fees."""
    reserve_stake: Address
    """Stake account that withdrawals of SOL are paid from."""
    pool_mint: Address
    """Mint of the pool token."""
    manager_fee_account: Address
    """Token account that receives the manager's fees."""
    token_program: Address
    """Token program of the pool token."""
    validator_list: Address
    """Account with the pool's validators."""
    last_update_epoch: int
    """Epoch of the pool's last update."""
    lockup_timestamp: int
    """Unix seconds until which stake is locked."""
    lockup_epoch: int
    """Epoch until which stake is locked."""
    sol_deposit_authority: Address | None
    """Address whose signature deposits of SOL need; None: nobody's."""
    sol_withdraw_authority: Address | None
    """Address whose signature withdrawals of SOL need; None: nobody's."""
    next_withdrawal_fee: Fee
    """Withdrawal fee that takes effect in the next epoch."""
    next_epoch_fee: Fee
    """Fee on rewards that takes effect in the next epoch."""
    numbers: StakePool
    """Totals and fees, for ``math/stake_pool.py``."""


class SplStakePool:
    """Deposits SOL for pool tokens, which stay in our wallet."""

    protocol: ClassVar[str] = "spl_stake_pool"
    params: ClassVar[type[BaseModel]] = StakePoolParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        program = Address(deployment.params["program"])
        addresses = [Address(a) for a in deployment.params["pools"]]
        read = yield [SvmAccount(address, program) for address in addresses]
        token = next((t for t in deployment.assets if t.address == WRAPPED_SOL), None)
        if token is None:
            raise MarketError(f"{deployment.name} takes SOL, which is not among its assets")
        found = []
        for address, data in zip(addresses, read, strict=True):
            pool = decode(address, data)
            if pool.token_program not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
                raise MarketError(f"pool {address} names {pool.token_program} as its token program")
            params = {
                "program": program,
                "native": True,
                "withdraw_authority": pda(program, key_bytes(address), b"withdraw"),
                "reserve_stake": pool.reserve_stake,
                "pool_mint": pool.pool_mint,
                "manager_fee": pool.manager_fee_account,
                "token_program": TOKEN_PROGRAM,
                "share_program": pool.token_program,
            }
            market_id = MarketId(f"{self.protocol}/{market_chain(token.chain)}/{address}")
            place = (Kind.STAKING, token.chain, deployment.name, token, address)
            found.append(Market(market_id, self.protocol, *place, params))
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        params = market.params
        share_program = params["share_program"]
        shares = Token(market.chain, params["pool_mint"], f"{market.name} token", market.asset.decimals)
        data, clock_data, account, reserve, share_mint = yield [
            SvmAccount(market.address, params["program"]),
            clock_read(),
            SvmAccount(ata(owner, shares.address, share_program), share_program, optional=True),
            SvmLamports(params["reserve_stake"]),
            SvmAccount(shares.address, share_program),
        ]
        pool, clock = decode(market.address, data), Clock.of(clock_data)
        named = (pool.reserve_stake, pool.pool_mint, pool.manager_fee_account, pool.token_program)
        if named != tuple(params[name] for name in ("reserve_stake", "pool_mint", "manager_fee", "share_program")):
            raise MarketError(f"pool {market.address} is no longer the one that was listed")
        numbers, one = pool.numbers, market.asset.one
        held_shares = token_amount(account)
        held = Amount(market.asset, numbers.lamports_for(held_shares))
        supplied = Amount(market.asset, numbers.total_lamports)
        cost = _entry_cost(pool)
        free = max(0, int.from_bytes(reserve, "little") - rent_exempt(STAKE_ACCOUNT_BYTES) - SPARE_LAMPORTS)
        staked = max(0, supplied.raw - free)
        epoch_seconds = SLOTS_PER_EPOCH * clock.slot_seconds
        growth, doubts = _growth(market, numbers, staked, epoch_seconds)
        doubts += minted(numbers.supply, share_mint)
        curve = StakeCurve(
            others=max(0.0, (supplied.raw - held.raw) / one),
            staked=staked / one,
            held=held.raw / one,
            growth=growth,
            fee=max(rate(numbers.epoch_fee), min(1.0, rate(pool.next_epoch_fee))),
            epoch_seconds=epoch_seconds,
            entry_cost=cost,
        )
        status, flags = _status(pool, clock)
        account_bytes = TOKEN_ACCOUNT_BYTES + (IMMUTABLE_OWNER_BYTES if share_program == TOKEN_2022_PROGRAM else 0)
        return MarketState(
            market=replace(market, params={**params, NUMBERS: numbers, TERMS: _terms(pool)}),
            block=block,
            held=held,
            shares=held_shares,
            share_token=shares,
            liquidity=Amount(market.asset, 0 if "cannot-be-left" in flags else free),
            capacity=None,
            supplied=supplied,
            borrowed=None,
            status=status,
            curve=curve,
            quoted=Apr(replace(curve, entry_cost=0.0).apr(held.raw / one, 86_400.0)),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("spl_stake_pool").deposit,
            gas_withdraw=leg_gas("spl_stake_pool").withdraw,
            exit=_exit(pool, clock),
            rounding_raw=rounding(numbers.total_lamports, numbers.supply),
            rent_deposit=0 if account else rent_exempt(account_bytes),
            entry_cost_bps=cost * BPS,
            doubts=doubts,
            flags=(*flags, *doubts),
            index=numbers.total_lamports / numbers.supply if numbers.supply else None,
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        numbers = _numbers(state)
        least = numbers.tokens_for(amount.raw, referred=False) * LEAST_SHARE[0] // LEAST_SHARE[1]
        description = f"deposit {amount} into {state.market.name}"
        return (self._call("deposit_sol_with_slippage", state, owner, amount.raw, least, description),)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        if amount is None:
            description = f"withdraw everything from {state.market.name}"
            tokens, least = state.shares, state.held.raw * LEAST_SHARE[0] // LEAST_SHARE[1]
        else:
            description = f"withdraw {amount} from {state.market.name}"
            tokens, least = min(state.shares, _numbers(state).tokens_paying(amount.raw)), amount.raw
        numbers = _numbers(state)
        if numbers.lamports_for(tokens) > state.liquidity.raw:  # rounded up, or thinner than what we hold
            tokens = min(tokens, numbers.tokens_paying(state.liquidity.raw))
            while tokens and numbers.lamports_for(tokens) > state.liquidity.raw:
                tokens -= 1
            least = numbers.lamports_for(tokens)
            description = f"withdraw {Amount(state.market.asset, least)} from {state.market.name}"
        return (self._call("withdraw_sol_with_slippage", state, owner, tokens, least, description),)

    def _call(
        self, name: str, state: MarketState, owner: Address, raw: int, least: int, description: str
    ) -> SvmInstruction:
        params, market = state.market.params, state.market
        mine = ata(owner, params["pool_mint"], params["share_program"])
        accounts = {
            "pool": market.address,
            "withdraw_authority": params["withdraw_authority"],
            "reserve_stake": params["reserve_stake"],
            "owner": owner,
            "receiver": owner,
            "user_shares": mine,
            "manager_fee": params["manager_fee"],
            "referrer": mine,  # the referrer's part of the fee goes to the depositor, which is us
            "pool_mint": params["pool_mint"],
            "system_program": SYSTEM_PROGRAM,
            "clock": SYSVAR_CLOCK,
            "stake_history": STAKE_HISTORY,
            "stake_program": STAKE_PROGRAM,
            "share_program": params["share_program"],
        }
        return layout(self.protocol).build(name, params["program"], accounts, raw, least, description=description)

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return layout(self.protocol).explain(code)

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        names = ("deposit_sol_with_slippage", "withdraw_sol_with_slippage")
        return {market.params["program"]: frozenset(layout(self.protocol).tag(name) for name in names)}


def decode(address: Address, data: bytes) -> PoolAccount:
    """A stake pool account, whose fields have no fixed offsets (borsh options vary in length).

    Raises MarketError if the bytes are not one.
    """
    at = 0

    def take(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + kind, data, at)
        at += struct.calcsize("<" + kind)
        return int(value)

    def key() -> Address:
        nonlocal at
        from solders.pubkey import Pubkey

        at += 32
        return Address(str(Pubkey(data[at - 32 : at])))

    def fee() -> Fee:
        return take("Q"), take("Q")

    def option() -> Address | None:
        return key() if _tag(take("B"), 1) else None

    def next_fee() -> Fee | None:
        return fee() if _tag(take("B"), 2) else None

    try:
        if take("B") != IS_STAKE_POOL:
            raise MarketError(f"account {address} is no stake pool")
        manager, _staker, _deposit_authority, _bump = key(), key(), key(), take("B")
        validator_list, reserve, mint, manager_fee, token_program = key(), key(), key(), key(), key()
        total, supply, epoch = take("Q"), take("Q"), take("Q")
        lockup_timestamp, lockup_epoch, _custodian = take("q"), take("Q"), key()
        epoch_fee, next_epoch_fee = fee(), next_fee()
        _preferred_deposit, _preferred_withdraw = option(), option()
        _stake_deposit_fee, _stake_fee, _next_stake_fee, _stake_referral = fee(), fee(), next_fee(), take("B")
        deposit_authority, deposit_fee, referral = option(), fee(), take("B")
        withdraw_authority, withdrawal_fee, next_withdrawal_fee = option(), fee(), next_fee()
        last_supply, last_total = take("Q"), take("Q")
    except (struct.error, ValueError):
        raise MarketError(f"these {len(data)} bytes at {address} are no stake pool") from None
    if (
        any(numerator > denominator for denominator, numerator in (deposit_fee, withdrawal_fee, epoch_fee))
        or referral > 100
    ):
        raise MarketError(f"stake pool {address} takes a fee of more than everything")
    return PoolAccount(
        manager=manager,
        reserve_stake=reserve,
        pool_mint=mint,
        manager_fee_account=manager_fee,
        token_program=token_program,
        validator_list=validator_list,
        last_update_epoch=epoch,
        lockup_timestamp=lockup_timestamp,
        lockup_epoch=lockup_epoch,
        sol_deposit_authority=deposit_authority,
        sol_withdraw_authority=withdraw_authority,
        next_withdrawal_fee=next_withdrawal_fee or (0, 0),
        next_epoch_fee=next_epoch_fee or (0, 0),
        numbers=StakePool(total, supply, last_total, last_supply, deposit_fee, withdrawal_fee, referral, epoch_fee),
    )


def _tag(value: int, most: int) -> int:
    if value > most:
        raise ValueError("no option")
    return value


def _numbers(state: MarketState) -> StakePool:
    numbers = state.market.params[NUMBERS]
    assert isinstance(numbers, StakePool)  # set by ``observe``
    return numbers


def _growth(market: Market, numbers: StakePool, staked: int, epoch_seconds: float) -> tuple[float, tuple[str, ...]]:
    """(growth of the stake in one epoch, a doubt if the last epoch grew more than stake earns: a donation, which will
    not recur)."""
    try:
        growth = numbers.stake_growth(staked)
    except OverflowError as unbelievable:
        raise MarketError(f"{market.name}: {unbelievable}") from None
    most = MOST_A_YEAR * epoch_seconds / SECONDS_PER_YEAR
    if growth <= most:
        return growth, ()
    now, before = numbers.total_lamports / numbers.supply, numbers.last_total_lamports / numbers.last_supply
    message = (
        f"a token of it is worth {now:z.6f} SOL and was {before:z.6f} an epoch ago: {growth / most * MOST_A_YEAR:z.0%}"
    )
    return most, (f"{message} a year, where stake earns {MOST_A_YEAR:z.0%} at most",)


def _terms(pool: PoolAccount) -> dict[str, Any]:
    fees = [*pool.numbers.withdrawal_fee, *pool.next_withdrawal_fee]
    return {"manager": pool.manager, "withdraw_authority": pool.sol_withdraw_authority or "", "fees": fees}


def _entry_cost(pool: PoolAccount) -> float:
    """Entry and exit fees as a fraction of a deposit, an announced higher fee included."""
    numbers = pool.numbers
    into = rate(numbers.deposit_fee) * (1.0 - numbers.referral_percent / 100)
    out = min(1.0, max(rate(numbers.withdrawal_fee), rate(pool.next_withdrawal_fee)))
    return 1.0 - (1.0 - into) * (1.0 - out)


def _status(pool: PoolAccount, clock: Clock) -> tuple[Status, tuple[str, ...]]:
    locked = pool.lockup_epoch > clock.epoch or pool.lockup_timestamp > clock.timestamp
    shut = ("cannot-be-left",) if locked or pool.sol_withdraw_authority is not None else ()
    if pool.last_update_epoch < clock.epoch:
        return Status.PAUSED, ("awaits-this-epochs-update", *shut)
    return Status.FROZEN if shut or pool.sol_deposit_authority is not None else Status.ACTIVE, shut


def _exit(pool: PoolAccount, clock: Clock) -> Exit:
    """The exit: at once out of the reserve; after a lockup; or only when somebody else signs."""
    if pool.sol_withdraw_authority is not None:
        return Exit(kind=ExitKind.REQUEST, seconds=None, limit="its own authority must sign")
    epochs = max(0, pool.lockup_epoch - clock.epoch) * SLOTS_PER_EPOCH * clock.slot_seconds
    seconds = max(int(epochs), pool.lockup_timestamp - clock.timestamp)
    if seconds > 0:
        return Exit(kind=ExitKind.MATURITY, seconds=seconds, limit="the pool is locked up")
    return Exit(limit="the reserve alone pays at once")


ADAPTER = SplStakePool()
