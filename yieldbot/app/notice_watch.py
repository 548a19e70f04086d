"""Findings of a look at who controls the contracts that our markets depend on. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.app.notice_findings import DAY, alarm_key
from yieldbot.model.notices import Finding, Severity, Topic
from yieldbot.model.risk import Act

if TYPE_CHECKING:
    from yieldbot.model.market import Snapshot
    from yieldbot.risk.watching import Message


def watched(snapshot: Snapshot, messages: Sequence[Message]) -> tuple[Finding, ...]:
    """Findings in what has changed since the last look: one for each line, as grave as it is where we hold
    money, and one for each alarm that was raised."""
    block, found = snapshot.block, list[Finding]()
    for message in messages:
        state = snapshot.states.get(message.market)
        held = state is not None and bool(state.held)
        name = f"{state.market.name if state else message.market}{'' if held else ', not held'}"
        for line, severity in zip(message.lines, message.severities, strict=True):
            digest = hashlib.sha256(line.encode(errors="replace")).hexdigest()[:16]
            found.append(
                Finding(
                    key=f"watch:{block.chain}:{message.market}:{block.height}:{digest}",
                    topic=Topic.WATCH,
                    severity=severity if held else Severity.INFO,
                    text=f"{name}: {line}",
                    at=block.timestamp,
                )
            )
        for alarm in message.alarms:
            leaves = Severity.CRITICAL if alarm.act is Act.LEAVE else Severity.WARNING
            found.append(
                Finding(
                    key=alarm_key(block.chain, message.market, alarm.code),
                    topic=Topic.ALARM,
                    severity=leaves if held else Severity.INFO,
                    text=f"alarm {alarm.code} ({alarm.act}) in {name}: {alarm.saw}",
                    at=block.timestamp,
                    again_seconds=7 * DAY,
                )
            )
    return tuple(found)
