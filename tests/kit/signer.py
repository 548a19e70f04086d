"""A signer's data folder, persons with keys, a plan that they sign, and the server's data folder."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit.config.files import USDC as USDC_AT
from tests.kit.config.files import WALLET, written
from tests.kit.journal.store import plan as some_plan
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers
from yieldbot.app.signer_intake import Intake
from yieldbot.app.signer_requests import HEAD
from yieldbot.execution.persons import to_approve
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.codec import plan_to_doc
from yieldbot.journal.fold import StoredPlan
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.plan import Plan, identified

ANNA, BEN, EVE = (Account.from_key(bytes([number]) * 32) for number in (7, 8, 9))
CHAIN = evm_chain(31337)
USDC = Token(CHAIN, Address(USDC_AT), "USDC", 6)


def folder(path: Path, needed: int = 2) -> Quiet:
    """A configuration that needs ``needed`` signatures, with Anna and Ben in its register."""
    path.mkdir()
    made = Quiet(written(path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))
    made._settings = replace(made.settings, policy=replace(made.settings.policy, approvals_needed=needed))
    for name, key in (("anna", ANNA), ("ben", BEN)):
        approvers.add(approvers.person(name, wallet=str(key.address)), made)
    return made


def plan(height: int = 7, raw: int = 5, seconds: float = 1800) -> Plan:
    """A plan for the configuration's account, decided at this height."""
    made = some_plan()
    (leg,) = made.legs
    leg = replace(leg, amount=USDC.amount(raw))
    allocation = replace(made.allocation, targets={leg.market_id: leg.amount})
    block = BlockRef(CHAIN, height, f"0x{height:02x}", 1_700_000_000)
    return identified(
        replace(
            made,
            owner=Address(WALLET),
            block=block,
            legs=(leg,),
            allocation=allocation,
            expires_at=int(time.time() + seconds),
        )
    )


def signature(plan: Plan, key: Any) -> str:
    """A person's signature over a plan."""
    asked = to_approve(StoredPlan(plan, (), PlanStatus.QUEUED, "", "", 0))
    return "0x" + bytes(key.sign_message(encode_typed_data(full_message=asked.typed())).signature).hex()


def handed(plan: Plan, **keys: Any) -> dict[str, Any]:
    """The request to carry out a plan that these persons have signed."""
    return {
        "request": "carry out",
        "plan": plan_to_doc(plan),
        "lines": list(plan_lines(plan)),
        "approvals": [{"approver": name, "signature": signature(plan, key)} for name, key in keys.items()],
        "rehearsal": ["supply 5 USDC"],
    }


class Signer:
    """A signer's intake with its own folder."""

    def __init__(self, path: Path) -> None:
        self.context = folder(path)
        self.journal = Journal.open(self.context.settings.data_dir / "journal.sqlite")
        self.intake = Intake(self.context, self.journal)

    def ask(self, request: Any) -> Any:
        """The answer, or the code of the problem."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        frame = self.intake.answer(body, "uid 1 gid 1")
        assert HEAD.unpack(frame[:4])[0] == len(frame) - 4
        found = json.loads(frame[4:])
        return found["answer"] if "answer" in found else found["problem"]["code"]
