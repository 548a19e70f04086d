"""Accounts of the stake pool program's double: a pool in any state, its validators, and their rewards in an epoch."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.math.stake_pool import Fee
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH, SYSTEM_PROGRAM, key_bytes, rent_exempt
from yieldbot.protocols.solana.spl_stake_pool import STAKE_ACCOUNT_BYTES, STAKE_PROGRAM
from yieldbot.sandbox.solana.cluster import Cluster
from yieldbot.sandbox.solana.compile import program
from yieldbot.sandbox.solana.images import Images, image, mint, named, program_image, token_account
from yieldbot.sandbox.solana.protocols import Placed, SandboxProtocol, Setting

POOL_BYTES = 611
"""Bytes that the real program reserves for a pool's account; the fields end before that."""
ENTRY_BYTES, LIST_HEADER_BYTES = 73, 9
UPDATE_STAKE_POOL_BALANCE = b"\x07"
ONE_E9 = 10**9
GROWTH_PPB = 360_000
"""Default growth of a pool's stake in one epoch, in parts per billion."""


def pool_token(seed: str = "stake") -> Address:
    """The mint of a pool's token."""
    return named(seed, "mint")


@dataclass(frozen=True, slots=True, kw_only=True)
class StakePoolTerms:
    """The initial state of a stake pool. Fees are (denominator, numerator)."""

    staked: int
    """Lamports staked with validators."""
    reserve: int
    """Lamports in the reserve account."""
    growth_ppb: int = GROWTH_PPB
    """Growth of the stake in one epoch, in parts per billion."""
    price_ppb: int = 1_180_000_000
    """Lamports for one whole pool token (1e9 base units)."""
    epoch_fee: Fee = (100, 5)
    """The manager's fee on rewards."""
    deposit_fee: Fee = (0, 0)
    """Fee on SOL deposits."""
    withdrawal_fee: Fee = (1000, 1)
    """Fee on SOL withdrawals."""
    next_withdrawal_fee: Fee | None = None
    """A withdrawal fee that has been announced; None: none."""
    referral_percent: int = 0
    """The referrer's part of the deposit fee, in percent."""
    deposit_authority: Address | None = None
    """Who must sign SOL deposits; None: nobody."""
    withdraw_authority: Address | None = None
    """Who must sign SOL withdrawals; None: nobody."""
    lockup_epoch: int = 0
    """Epoch until which the stake is locked up."""
    last_update_epoch: int | None = None
    """Epoch of the last update; None: the present one."""


@dataclass(frozen=True, slots=True)
class StakePlace:
    """The addresses of a stake pool."""

    program: Address
    """The stake pool program."""
    pool: Address
    """The pool's account."""
    withdraw_authority: Address
    """The program's own address that may move the stake."""
    validator_list: Address
    """The list of validators."""
    reserve_stake: Address
    """The reserve account."""
    pool_mint: Address
    """The pool token's mint."""
    manager_fee: Address
    """The manager's account of pool tokens."""
    growth_ppb: int
    """Growth of the stake in one epoch, in parts per billion."""


def stake_pool(epoch: int, terms: StakePoolTerms, seed: str = "stake") -> tuple[StakePlace, Images]:
    """The program, and a pool that was last updated in ``epoch``."""
    from solders.pubkey import Pubkey

    program_id, pool = named(seed, "program"), named(seed, "pool")
    found, bump = Pubkey.find_program_address([key_bytes(pool), b"withdraw"], Pubkey.from_string(program_id))
    authority = Address(str(found))
    names = ("validator list", "reserve", "mint", "manager's fees")
    listed, reserve, pool_mint, fees = (named(seed, name) for name in names)
    place = StakePlace(program_id, pool, authority, listed, reserve, pool_mint, fees, terms.growth_ppb)
    total = terms.staked + terms.reserve
    supply = total * ONE_E9 // terms.price_ppb
    # As if the epoch before had brought what the next one will, the manager's share taken.
    denominator, numerator = terms.epoch_fee
    reward = terms.staked * terms.growth_ppb // (ONE_E9 + terms.growth_ppb)
    fee = reward * numerator // denominator if denominator else 0
    before = (supply - supply * fee // (total - fee), total - reward)
    updated = epoch if terms.last_update_epoch is None else terms.last_update_epoch
    manager = named(seed, "manager")
    keys = b"".join(key_bytes(a) for a in (listed, reserve, pool_mint, fees, TOKEN_PROGRAM))
    data = b"\x01" + key_bytes(manager) * 3 + bytes([bump]) + keys + struct.pack("<QQQ", total, supply, updated)
    data += struct.pack("<qQ32s", 0, terms.lockup_epoch, bytes(32)) + _fee(terms.epoch_fee) + b"\0" + b"\0\0"
    data += _fee((0, 0)) + _fee((1000, 1)) + b"\0" + b"\0"  # those on stake
    data += _option(terms.deposit_authority) + _fee(terms.deposit_fee) + bytes([terms.referral_percent])
    data += _option(terms.withdraw_authority) + _fee(terms.withdrawal_fee)
    data += b"\x01" + _fee(terms.next_withdrawal_fee) if terms.next_withdrawal_fee else b"\0"
    data += struct.pack("<QQ", *before)
    entry = struct.pack("<QQQQIIB32s", terms.staked, 0, updated, 0, 0, 0, 0, key_bytes(named(seed, "validator")))
    rent = rent_exempt(STAKE_ACCOUNT_BYTES)
    stake = struct.pack("<IQ32s32sqQ32s", 1, rent, *[key_bytes(authority)] * 2, 0, terms.lockup_epoch, bytes(32))
    return place, {
        program_id: program_image(program("spl_stake_pool")),
        pool: image(program_id, data.ljust(POOL_BYTES, b"\0")),
        listed: image(program_id, b"\x02" + struct.pack("<II", 1, 1) + entry),
        reserve: AccountImage(rent + terms.reserve, STAKE_PROGRAM, stake.ljust(STAKE_ACCOUNT_BYTES, b"\0")),
        pool_mint: mint(authority, supply, 9),
        fees: token_account(pool_mint, manager, 0),
    }


def rewarded(place: StakePlace, validator_list: AccountImage, epoch: int) -> AccountImage:
    """The validators' list after a new epoch began: the stake grown as the cluster's rewards and the program's
    ``UpdateValidatorListBalance`` would leave it."""
    data = bytearray(validator_list.data)
    (entries,) = struct.unpack_from("<I", data, 5)
    for i in range(entries):
        at = LIST_HEADER_BYTES + i * ENTRY_BYTES
        (active,) = struct.unpack_from("<Q", data, at)
        struct.pack_into("<Q", data, at, active + active * place.growth_ppb // ONE_E9)
        struct.pack_into("<Q", data, at + 16, epoch)
    return replace(validator_list, data=bytes(data))


def update(place: StakePlace) -> SvmInstruction:
    """``UpdateStakePoolBalance``, which anybody may send."""
    metas = (
        SvmMeta(place.pool, writable=True),
        SvmMeta(place.withdraw_authority),
        SvmMeta(place.validator_list, writable=True),
        SvmMeta(place.reserve_stake),
        SvmMeta(place.manager_fee, writable=True),
        SvmMeta(place.pool_mint, writable=True),
        SvmMeta(TOKEN_PROGRAM),
    )
    return SvmInstruction(place.program, metas, UPDATE_STAKE_POOL_BALANCE, "bring the pool up to date")


def new_epoch(place: StakePlace, cluster: Cluster) -> None:
    """The start of an epoch: rewards are paid, and somebody updates the pool, as on a real cluster."""
    listed, epoch = cluster.newest(place.validator_list), cluster.slot // SLOTS_PER_EPOCH
    if listed is not None and struct.unpack_from("<Q", listed.data, LIST_HEADER_BYTES + 16)[0] < epoch:
        cluster.set({place.validator_list: rewarded(place, listed, epoch)})
        cluster.act(update(place))


def _fee(fee: Fee) -> bytes:
    return struct.pack("<QQ", *fee)


def _option(address: Address | None) -> bytes:
    return b"\0" if address is None or address == SYSTEM_PROGRAM else b"\x01" + key_bytes(address)


def place(setting: Setting) -> Placed:
    """One pool with 8,000,000 SOL staked. Its token is stSOL, which the pool's own rate prices."""
    sol = setting.tokens["SOL"]
    terms = StakePoolTerms(staked=8_000_000 * sol.one, reserve=40_000 * sol.one, withdrawal_fee=(10_000, 5))
    pool, images = stake_pool(setting.slot // SLOTS_PER_EPOCH, terms)
    assert pool.pool_mint == setting.tokens["stSOL"].address
    at = {"program": pool.program, "pools": [pool.pool]}
    row = {"protocol": "spl_stake_pool", "name": "Stake pool (double)", **at}
    return Placed(
        rows=({**row, "assets": ["SOL"]},), images=images, oracles=(row,), each_epoch=(partial(new_epoch, pool),)
    )


SANDBOX = SandboxProtocol(protocol="spl_stake_pool", place=place)
