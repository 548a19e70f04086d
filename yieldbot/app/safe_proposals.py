"""Hands a Safe's proposals to its other owners."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from yieldbot.errors import YieldbotError
from yieldbot.model.settings import SafeOwner
from yieldbot.rpc.service import post

if TYPE_CHECKING:
    from pathlib import Path

    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Report
    from yieldbot.execution.results import Proposed


def deliver(context: Context, report: Report) -> None:
    """Write a Safe's proposals to data_dir/proposals, and post them to the transaction service if one is configured."""
    assert report.proposed is not None
    folder = context.settings.data_dir / "proposals"
    folder.mkdir(mode=0o700, exist_ok=True)
    for one in report.proposed.every:
        _deliver(context, report, one, folder / f"{one.hash}.json")


def _deliver(context: Context, report: Report, one: Proposed, file: Path) -> None:
    assert isinstance(report.job.wallet.held, SafeOwner)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        json.dump(one.document, out, indent=2)
    context.say(f"the proposal is in {file}")
    if (url := report.job.wallet.held.service_url) is None:
        return
    path = f"{url.rstrip('/')}/api/v1/safes/{report.job.wallet.address}/multisig-transactions/"
    try:
        post(path, one.document)
    except YieldbotError as failure:
        context.complain(f"{failure}; the proposal is in {file}: hand it to the owners yourself")
    else:
        context.say("the Safe's transaction service has it: the other owners see it in their wallets")
