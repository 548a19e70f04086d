"""``allowances`` as a use case, on a labelled double of a chain: what is shown, asked and taken back in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.app.cycle import DONE, SEEN
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app import allowances as module
from yieldbot.app.allowances import AllowancesRequest, Revocations, allowances
from yieldbot.app.context import Context
from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
from yieldbot.errors import TransientError, YieldbotError
from yieldbot.execution.lock import run_lock
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.settings import Settings

USDC = JOB.asset
SPENDER = Address("0x" + "99" * 20)
LISTED = GrantedAllowance(token=USDC, spender=SPENDER, raw=5_000_000, listed=True, name="Aave v3", at=7)
UNLISTED = replace(LISTED, listed=False, raw=2**256 - 1, name=None, at=None)
REFUSED = Declined("WOULD_REVERT", "the token refuses")


class RightsDouble:
    """Two rights, of which the second is of a token that is not listed."""

    def __init__(self) -> None:
        self.did: list[Any] = []
        self.fails: Exception | None = None
        self.unread: tuple[Any, ...] = ()
        self.tries: dict[int, Any] = {}

    @asynccontextmanager
    async def rights(self, *asked: Any) -> AsyncIterator[RightsDouble]:
        if self.fails is not None:
            raise self.fails
        self.did.append(("from", asked[3]))
        yield self

    async def settle(self) -> None:
        self.did.append("settle")

    async def find(self) -> AllowanceList:
        self.did.append("find")
        return AllowanceList(SEEN.block, 3, (LISTED, UNLISTED), self.unread)

    async def rehearse(self, chosen: Sequence[GrantedAllowance]) -> list[Any]:
        self.did.append("rehearse")
        words = SimpleNamespace(description="take it back", gas_used=9)
        return [self.tries.get(place, words) for place, _ in enumerate(chosen)]

    def beside(self, tried: Sequence[Any]) -> tuple[str, ...]:
        return ("a fee",)

    async def revoke(self, given: GrantedAllowance, index: int, rehearsed: Any) -> Any:
        self.did.append(("revoke", given.listed, index))
        return DONE


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> RightsDouble:
    made = RightsDouble()
    monkeypatch.setattr(module, "chain_of", lambda chain: made)
    return made


@pytest.fixture
def context(tmp_path: Path) -> Context:
    job = replace(JOB, chain=replace(JOB.chain, rpc_urls=("http://127.0.0.1:9",)))
    made = Context(tmp_path / "yieldbot.toml")
    made._settings = Settings(
        source=made.config,
        data_dir=tmp_path / "data",
        wallets={},
        chains={},
        jobs=(job, job),
        policy=loose(horizon_days=30.0),
    )
    return made


def taken_back(context: Context, chain: RightsDouble, answer: bool, **asked: Any) -> tuple[Any, list[Revocations]]:
    """The document, and what was shown."""
    shown: list[Revocations] = []

    def show(found: Revocations) -> None:
        chain.did.append("show")
        shown.append(found)

    def ask() -> bool:
        chain.did.append("ask")
        return answer

    done = allowances(AllowancesRequest(**asked), context, show=show, ask=ask)
    return done.document.as_json(), shown


def test_they_are_listed_and_nobody_is_asked(context: Context, chain: RightsDouble) -> None:
    document, shown = taken_back(context, chain, True, from_block=3)
    assert chain.did == [("from", 3), "find"] and not shown  # two jobs of one account
    assert list(document) == ["schema", "exit_code", "accounts"] and document["exit_code"] == 0
    (account,) = document["accounts"]
    assert list(account) == ["owner", "chain_id", "skipped", "block", "since", "cut", "allowances", "unread"]
    listed, unlisted = account["allowances"]
    assert listed == {
        "token": USDC.address,
        "symbol": USDC.symbol,
        "listed": True,
        "spender": SPENDER,
        "spender_name": "Aave v3",
        "raw": "5000000",
        "account": None,
        "right": None,
        "unlimited": False,
        "last_event": 7,
        "revoked": None,
    }
    assert unlisted["unlimited"] and unlisted["spender_name"] is unlisted["last_event"] is None


@pytest.mark.parametrize("answer", [False, True])
@pytest.mark.parametrize("unlisted", [False, True])
def test_what_is_taken_back_was_rehearsed_shown_and_agreed_to(
    answer: bool, unlisted: bool, context: Context, chain: RightsDouble
) -> None:
    document, (shown,) = taken_back(context, chain, answer, revoke=True, unlisted=unlisted)
    revoked = [("revoke", True, 0), *([("revoke", False, 1)] if unlisted else [])]
    assert chain.did == [("from", 0), "settle", "find", "rehearse", "show", "ask", *(revoked if answer else [])]
    assert len(shown.tries) == 1 + unlisted and shown.beside == ("a fee",) and shown.able
    ends = [row["revoked"] and row["revoked"]["result"] for row in document["accounts"][0]["allowances"]]
    assert ends == ["confirmed" if answer else None, "confirmed" if answer and unlisted else None]
    assert document["exit_code"] == 0


def test_nobody_who_answers_takes_nothing_back_and_others_run_meanwhile(context: Context, chain: RightsDouble) -> None:
    def ask() -> None:
        with run_lock(context.settings.data_dir, "another"):
            chain.did.append("ask")

    done = allowances(AllowancesRequest(revoke=True), context, show=lambda _: None, ask=ask)
    refused = done.document.as_json()["accounts"][0]["allowances"][0]["revoked"]
    assert chain.did[-1] == "ask" and refused["code"] == "NO_ANSWER" and done.document.exit_code == 1


def test_where_nothing_can_be_taken_back_nobody_is_asked(context: Context, chain: RightsDouble) -> None:
    chain.tries = {0: REFUSED}
    document, (shown,) = taken_back(context, chain, True, revoke=True)
    assert "ask" not in chain.did and not shown.able and document["exit_code"] == 1
    refused = document["accounts"][0]["allowances"][0]["revoked"]
    assert refused == {"code": REFUSED.code, "reason": REFUSED.reason}


def test_what_cannot_be_read_is_named_and_fails(context: Context, chain: RightsDouble) -> None:
    chain.unread = ((USDC.address, SPENDER, "no answer"),)
    document, _ = taken_back(context, chain, True)
    assert document["accounts"][0]["unread"] == [{"token": USDC.address, "spender": SPENDER, "reason": "no answer"}]
    assert document["exit_code"] == 1
    chain.fails = TransientError("no node answers")
    document, _ = taken_back(context, chain, True)
    (account,) = document["accounts"]
    assert account["skipped"] == "no node answers" and document["exit_code"] == 1
    assert account["block"] is account["since"] is None and account["allowances"] == []


def test_only_taking_back_needs_the_runs_lock(context: Context, chain: RightsDouble) -> None:
    with run_lock(context.settings.data_dir):
        assert taken_back(context, chain, True)[0]["exit_code"] == 0
        with pytest.raises(YieldbotError, match="another run is in progress"):
            taken_back(context, chain, True, revoke=True)
