"""What every adapter of a Solana program must do, tried on the sandbox's doubles. A new one is picked up by being in
the package, and its double by being in yieldbot/sandbox/solana/protocols."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.chains.leg_limits import shares_for
from yieldbot.chains.readings import row_by_row
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.build import (
    NO_BLOCKHASH,
    Bid,
    budget,
    compiled,
    message_bytes,
    own_accounts,
    steps,
)
from yieldbot.chains.solana.execution.clear import KnownNames, read
from yieldbot.chains.solana.execution.roles import SIZES, has_roles, role_fault
from yieldbot.chains.solana.node.answers import answer_of
from yieldbot.errors import MarketError, ReadReverted
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import Market, MarketState, Status
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols import svm_adapters, svm_exchanges
from yieldbot.protocols.solana.layout import SYSVAR_CLOCK, ata
from yieldbot.resources import folder
from yieldbot.rpc.lockstep import run
from yieldbot.sandbox.solana.images import token_account
from yieldbot.sandbox.solana.market import SvmMarket
from yieldbot.sandbox.solana.market import market as sandbox_market

STRANGER = Address("9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM")
PROTOCOLS = sorted(name for name in svm_adapters() if name != "idle")


@pytest.fixture(params=PROTOCOLS)
def tried(request: pytest.FixtureRequest) -> tuple[Ledger, SvmMarket, Any, list[Market]]:
    ledger = Ledger()
    found = sandbox_market(CHAIN, SLOT, ledger.now, ledger.me, (request.param,))
    ledger.set(found.images)
    ledger.set({ledger.me: replace(found.images[ledger.me], lamports=10**13)})
    tokens = {token.symbol: token for token in found.tokens}
    adapter = svm_adapters()[request.param]
    markets: list[Market] = []
    for row in found.rows:
        if row["protocol"] == request.param:
            params = {key: value for key, value in row.items() if key not in ("protocol", "name", "assets")}
            assets = tuple(tokens[str(a)] for a in row["assets"])  # type: ignore[attr-defined]
            markets += ledger.run(adapter.discover(Deployment(request.param, CHAIN, str(row["name"]), params, assets)))
    assert markets, f"the sandbox has no market of {request.param}: put its double into sandbox/solana/protocols"
    for token in {market.asset for market in markets}:
        if token not in (found.usdc, found.sol):  # those of our wallet on the sandbox
            ledger.set({ata(ledger.me, token.address): token_account(token.address, ledger.me, 10_000 * token.one)})
    return ledger, found, adapter, markets


def leg(ledger: Ledger, adapter: Any, state: MarketState, kind: LegKind, amount: Amount, *, everything: bool) -> Any:
    """A leg as it is really built: our accounts, wrapping and closing around the adapter's calls."""
    market, name = state.market, state.market.name
    if kind is LegKind.DEPOSIT:
        calls = adapter.deposit(state, amount, ledger.me)
    else:
        calls = adapter.withdraw(state, None if everything else amount, ledger.me)
    assert calls and any(name in call.description for call in calls)
    assert everything or any(str(amount) in call.description for call in calls)
    tags = adapter.tags(market)
    assert all(any(call.data.startswith(tag) for tag in tags[call.program]) for call in calls)
    work = LegWork(
        index=0,
        leg=Leg(kind, market.id, amount, all=everything),
        market=market,
        calls=calls,
        share_token=state.share_token,
        tags=tags,
        token_program=TOKEN_PROGRAM,
        share_program=TOKEN_PROGRAM,
        native=bool(market.params.get("native", False)),
        observe=lambda block: adapter.observe(market, ledger.me, block),
        most_shares=shares_for(state, Leg(kind, market.id, amount, all=everything)),
    )
    refused_when_changed(ledger.me, work)
    (step,) = steps(work, ledger.me, {a: ledger.get(a) for a in own_accounts(work, ledger.me).values()})
    ledger.send(step.instructions)
    return step


def refused_when_changed(me: Address, work: LegWork) -> None:
    """Each call keeps to its roles; twice its amount, another recipient or signer, and a byte more do not."""
    tried = set[str]()
    for call in work.calls:
        assert role_fault(me, work, call) is None, call.description
        kinds = layout(work.market.protocol)
        name, kind = next((n, k) for n, k in kinds.items() if call.data.startswith(bytes.fromhex(k["tag"])))
        at = len(bytes.fromhex(kind["tag"]))
        wrong: dict[str, SvmInstruction] = {f"{name} a byte more": replace(call, data=call.data + b"\0")}
        for size, role in zip((SIZES[a] for a in kind["args"]), kind["roles"], strict=True):
            value = int.from_bytes(call.data[at : at + size], "little")
            if role in ("amount", "shares") and not (work.leg.all and role == "amount"):
                twice = call.data[:at] + (2 * value).to_bytes(size, "little") + call.data[at + size :]
                wrong[f"{name} twice"] = replace(call, data=twice)
            at += size
        for place, entry in enumerate(kind["accounts"]):
            label, _, flags = entry.partition(":")
            if label in kind.get("mine", ()) or "s" in flags:
                accounts = list(call.accounts)
                accounts[place] = replace(accounts[place], address=STRANGER)
                wrong[f"{name} {label}"] = replace(call, accounts=tuple(accounts))
        for what, changed in wrong.items():
            assert role_fault(me, work, changed) is not None, f"{what} is let pass"
        tried |= {what.partition(" ")[2] for what in wrong}
    assert "a byte more" in tried and tried - {"a byte more", "twice"}, "nobody's money is named"


def layout(protocol: str) -> Any:
    return json.loads((folder("abis") / f"{protocol}.json").read_text())["instructions"]


def test_every_instruction_of_ours_has_roles() -> None:
    for protocol in (*PROTOCOLS, *svm_exchanges()):
        kinds = layout(protocol) if (folder("abis") / f"{protocol}.json").exists() else {}
        assert all(has_roles(kind) for kind in kinds.values()), protocol
        for kind in (k for k in kinds.values() if k["args"]):
            assert not has_roles(kind | {"roles": kind["roles"][1:]})
            assert not has_roles(kind | {"roles": [{"free": ""}, *kind["roles"][1:]]})


def test_money_goes_in_and_all_of_it_comes_out(tried: tuple[Ledger, SvmMarket, Any, list[Market]]) -> None:
    ledger, found, adapter, markets = tried
    book = KnownNames(
        {m.params["program"]: adapter.protocol for m in markets},
        {m.address: m.name for m in markets},
        {t.address: t for t in found.tokens},
        {m.params["program"]: json.loads((folder("abis") / f"{adapter.protocol}.json").read_text()) for m in markets},
    )
    for market in markets:
        state = ledger.observe(adapter, market)
        assert state.status is Status.ACTIVE and state.held.raw == 0 and state.liquidity.raw > 0
        assert state.pools and state.gas_deposit > 0 and state.gas_withdraw > 0 and state.rent_deposit > 0
        amount = market.asset.parse("1000")
        opened = leg(ledger, adapter, state, LegKind.DEPOSIT, amount, everything=False)
        told = read(message_bytes(compiled((*budget(Bid(1, 1)), *opened.instructions), ledger.me, NO_BLOCKHASH)), book)
        assert told is not None
        ours = [said for said in told.instructions if said.contract == adapter.protocol]
        assert ours and all(said.known and not said.warnings for said in ours)
        assert any("deposit 1,000 " in said.description and market.name in said.description for said in ours)
        state = ledger.observe(adapter, market)
        worth = amount.raw * (1 - state.entry_cost_bps / 10_000)
        assert worth - 3 <= state.held.raw <= worth + 3 and state.rent_deposit == 0
        ledger.warp(1000)
        state = ledger.observe(adapter, market)
        assert state.held.raw >= int(worth) - 3, "it only grows"
        half = Amount(market.asset, state.held.raw // 2)
        leg(ledger, adapter, state, LegKind.WITHDRAW, half, everything=False)
        rest = ledger.observe(adapter, market)
        assert abs(rest.held.raw - (state.held.raw - half.raw)) <= max(5, half.raw // 10**6)
        leg(ledger, adapter, rest, LegKind.WITHDRAW, rest.held, everything=True)
        gone = ledger.observe(adapter, market)
        assert gone.held.raw == gone.shares == 0 and gone.rent_deposit > 0, "nothing is left, and its rent came back"


def test_what_does_not_exist_is_quarantined(tried: tuple[Ledger, SvmMarket, Any, list[Market]]) -> None:
    ledger, _, adapter, markets = tried
    for market in markets:
        image = ledger.get(market.address)
        assert image is not None
        for data in (b"", b"\0" * len(image.data), b"\xff" * len(image.data), image.data[: len(image.data) // 3]):
            ledger.set({market.address: replace(image, data=data)})
            with pytest.raises((MarketError, ReadReverted)):
                ledger.observe(adapter, market)


async def test_a_wrong_address_loses_its_own_market_and_no_other(
    tried: tuple[Ledger, SvmMarket, Any, list[Market]],
) -> None:
    """An address without an account, and one of another program, in a table that lists both after a good one."""
    ledger, found, adapter, markets = tried
    row = next(one for one in found.rows if one["protocol"] == adapter.protocol)
    params = {key: value for key, value in row.items() if key not in ("protocol", "name", "assets")}
    (key,) = (name for name, value in params.items() if isinstance(value, list | tuple))
    assets = tuple(one for one in found.tokens if one.symbol in row["assets"])  # type: ignore[operator]
    params[key] = [*params[key], STRANGER, ledger.me]  # type: ignore[misc]
    table = Deployment(adapter.protocol, CHAIN, "Longer", params, assets)

    class Node:
        """Runs flows on the ledger's accounts."""

        async def run(self, flows: Any, block: BlockRef) -> list[Any]:
            async def answers(reads: Any) -> Any:
                known = {one.address: ledger.get(one.address) for one in reads}
                known[SYSVAR_CLOCK] = ledger.clock_image()
                return [answer_of(one, known) for one in reads]

            return await run(flows, answers)

    rows = await row_by_row(Node(), [(table, MarketError("one of them"))], adapter.discover, ledger.block())
    assert {market.id for _, each in rows if isinstance(each, tuple) for market in each} <= {m.id for m in markets}
    assert [one.entry for one, each in rows if isinstance(each, MarketError)] == [STRANGER, ledger.me]
    assert len(rows) == len(params[key])  # type: ignore[arg-type]
    with pytest.raises(MarketError):
        ledger.run(adapter.discover(table))
