"""Each argument of a lending instruction keeps to the role that abis/*.json gives it; accounts of ours are ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana.gate import OWNER, STRANGER, USDC
from tests.kit.solana.judge import RAW, SAVE, SHARES, call_of, mine, work_of
from tests.kit.solana_fork_double import address
from yieldbot.chains.solana.execution import roles
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.roles import OF_SWAPS, SIZES, has_roles, instructions_of, role_fault
from yieldbot.model.ids import Address
from yieldbot.model.plan import LegKind
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import layout

IN, OUT = work_of(), work_of(LegKind.WITHDRAW)


def fault(work: LegWork, call: SvmInstruction | None = None, **changes: Any) -> str | None:
    found = role_fault(OWNER, work, replace(call or work.calls[0], **changes))
    return None if found is None else f"{found.code}: {found.reason}"


def raw_of(kind: LegKind, raw: int) -> SvmInstruction:
    return call_of(kind, USDC, raw)


def test_an_amount_is_the_legs_at_most_and_shares_what_may_be_given_back() -> None:
    assert fault(IN) is None and fault(IN, raw_of(LegKind.DEPOSIT, 1)) is None
    said = fault(IN, raw_of(LegKind.DEPOSIT, RAW + 1))
    assert said == (f"AMOUNT_ABOVE_PLAN: deposit_reserve_liquidity: {RAW + 1} base units, {RAW} were approved")
    more = replace(IN, leg=replace(IN.leg, all=True))
    assert fault(more, raw_of(LegKind.DEPOSIT, RAW + 1)), "all of what is held is of withdrawals alone"
    assert fault(OUT) is None and fault(replace(OUT, most_shares=RAW - 1)) == (
        f"AMOUNT_ABOVE_PLAN: redeem_reserve_collateral: {RAW} shares, {RAW - 1} may be given back"
    )
    assert fault(replace(OUT, leg=replace(OUT.leg, all=True), most_shares=RAW - 1)), "all is no more shares than that"


def test_bytes_are_an_exact_instruction_that_is_described() -> None:
    data = IN.calls[0].data
    for other in (data + b"\0", data[:-1]):
        said = fault(IN, data=other)
        assert said == "CALLDATA_MALFORMED: the bytes are not an exact deposit_reserve_liquidity"
    accounts = IN.calls[0].accounts
    assert str(fault(IN, accounts=accounts[:-1])).startswith("CALLDATA_MALFORMED")
    assert fault(IN, accounts=(*accounts, SvmMeta(STRANGER))) is None, "more accounts are the adapter's"
    said = fault(IN, data=b"\xfe" + data[1:])
    assert said is not None and said.startswith("CALLDATA_UNKNOWN: nothing in abis/ describes fe")
    nowhere = replace(IN, market=replace(IN.market, protocol="nothing"))
    assert str(fault(nowhere)).startswith("CALLDATA_UNKNOWN") and instructions_of("nothing") == {}
    evm = replace(IN, market=replace(IN.market, protocol="aave_v3"))
    assert str(fault(evm)).startswith("CALLDATA_UNKNOWN"), "functions of a contract are no instructions"


def test_accounts_of_ours_and_who_signs_are_ourselves() -> None:
    for work in (IN, OUT):
        metas = work.calls[0].accounts
        ours = [i for i, meta in enumerate(metas) if meta.address in (mine(USDC), mine(SHARES))]
        (signs,) = (i for i, meta in enumerate(metas) if meta.address == OWNER)
        assert len(ours) == 2
        for place in (*ours, signs):
            other = tuple(replace(m, address=STRANGER) if i == place else m for i, m in enumerate(metas))
            said = fault(work, accounts=other)
            assert said is not None and said.startswith("RECIPIENT_NOT_SELF") and str(STRANGER) in said
        for place in range(len(metas)):
            if place not in (*ours, signs):
                other = tuple(replace(m, address=STRANGER) if i == place else m for i, m in enumerate(metas))
                assert fault(work, accounts=other) is None, "whose those are the adapter's targets say"
        swapped = tuple(
            replace(m, address=metas[ours[1 - ours.index(i)]].address) if i in ours else m for i, m in enumerate(metas)
        )
        assert fault(work, accounts=swapped) is None
    wallet = tuple(replace(m, address=OWNER) if m.address == mine(SHARES) else m for m in IN.calls[0].accounts)
    assert fault(IN, accounts=wallet) is None


def named(protocol: str, instruction: str) -> dict[str, Address]:
    """Every account of an instruction, somebody's."""
    accounts = instructions_of(protocol)[instruction]["accounts"]
    return {entry.partition(":")[0]: address(50) for entry in accounts}


def marginfi(raw: int, everything: int, work: LegWork) -> str | None:
    names = named("marginfi", "lending_account_withdraw")
    names |= {"owner": OWNER, "user_liquidity": mine(USDC)}
    call = layout("marginfi").build("lending_account_withdraw", SAVE, names, raw, 1, everything)
    return fault(replace(work, market=replace(work.market, protocol="marginfi")), call)


def test_everything_is_asked_for_where_the_leg_means_it_alone() -> None:
    whole = replace(OUT, leg=replace(OUT.leg, all=True))
    assert marginfi(RAW, 0, OUT) is None and marginfi(RAW, 0, whole) is None
    assert marginfi(RAW, 1, whole) is None and marginfi(0, 1, whole) is None
    assert marginfi(RAW, 1, OUT) == (
        "AMOUNT_ABOVE_PLAN: lending_account_withdraw: the whole position, a part was approved"
    )
    assert marginfi(RAW + 1, 0, whole) is None, "all that is there, whatever it has become"
    assert str(marginfi(RAW + 1, 0, OUT)).startswith("AMOUNT_ABOVE_PLAN")
    into = replace(IN, leg=replace(IN.leg, all=True))
    assert marginfi(0, 1, into) is not None and marginfi(RAW + 1, 0, into) is not None


def test_the_least_is_above_nothing() -> None:
    names = named("spl_stake_pool", "withdraw_sol_with_slippage")
    names |= {"owner": OWNER, "user_shares": mine(SHARES), "receiver": OWNER}
    pool = replace(OUT, market=replace(OUT.market, protocol="spl_stake_pool"))

    def said(shares: int, least: int) -> str | None:
        return fault(pool, layout("spl_stake_pool").build("withdraw_sol_with_slippage", SAVE, names, shares, least))

    assert said(RAW, 1) is None
    assert said(RAW, 0) == "BELOW_LEAST: withdraw_sol_with_slippage: nothing at all would be enough"
    assert str(said(RAW + 1, 1)).startswith("AMOUNT_ABOVE_PLAN")


def test_a_swap_is_no_lending_leg() -> None:
    names = named("orca_whirlpool", "swap")
    call = layout("orca_whirlpool").build(
        "swap", SAVE, names | {"owner": OWNER, "owner_a": mine(USDC), "owner_b": mine(USDC)}, 0, 0, 0, 0, 0
    )
    work = replace(IN, market=replace(IN.market, protocol="orca_whirlpool"))
    assert fault(work, call) == "SWAP_NOT_PLANNED: swap: a swap, and the leg is none"


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (["amount"], True),
        ([{"free": "moves no money"}], True),
        ([{"free": ""}], False),
        ([{}], False),
        (["size"], False),
        ([7], False),
        ([], False),
        (["amount", "amount"], False),
    ],
)
def test_an_instruction_with_an_argument_without_a_role_is_never_signed(
    monkeypatch: pytest.MonkeyPatch, given: list[Any], whole: bool
) -> None:
    kind = {"tag": "04", "args": ["u64"], "roles": given, "accounts": []}
    assert has_roles(kind) is whole
    monkeypatch.setattr(roles, "instructions_of", lambda protocol: {"deposit": kind})
    said = fault(IN)
    assert (said is None) is whole and (whole or str(said).startswith("ARGUMENT_WITHOUT_ROLE: deposit"))
    assert has_roles({"tag": "04", "args": []}) and not has_roles({"tag": "04", "args": ["u8"]})
    assert all(has_roles({"args": ["u8"], "roles": [role]}) for role in OF_SWAPS)


def test_arguments_follow_each_other_in_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever type comes before it, the amount is read where it lies."""
    assert SIZES == {"bool": 1, "u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16}
    for name, size in SIZES.items():
        kind = {"tag": "0401", "args": [name, "u64"], "roles": [{"free": "x"}, "amount"], "accounts": []}
        monkeypatch.setattr(roles, "instructions_of", lambda protocol, kind=kind: {"deposit": kind})
        for raw, passes in ((RAW, True), (RAW + 1, False)):
            data = b"\x04\x01" + b"\xff" * size + raw.to_bytes(8, "little")
            assert (fault(IN, data=data) is None) is passes
