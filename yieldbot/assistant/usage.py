"""What the assistant used, by version of the prompts and by model: requests, failures, tokens, time and money; and
whether it spends much more than usual. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from yieldbot.app.answer_documents import AssistantUsageDocument, PromptUsage
from yieldbot.assistant.budget import Row

HOUR = 3600
SPIKE = 5
"""An hour is a spike if it costs so many times what an hour with questions usually does."""
LEAST_PART = 10
"""... and at least one part in so many of a day's budget."""


def document(rows: Sequence[Row], days: int) -> AssistantUsageDocument:
    """The rows of so many days, summed up."""
    groups = defaultdict[tuple[str, str], list[Row]](list)
    for row in rows:
        groups[row.prompt, row.model].append(row)
    return AssistantUsageDocument(
        days=days,
        prompts=tuple(
            PromptUsage(
                prompt=prompt,
                model=model,
                requests=len(some),
                failures=dict(Counter(row.outcome for row in some if row.outcome not in ("done", "open"))),
                input_tokens=sum(row.input for row in some),
                cached_tokens=sum(row.cached for row in some),
                output_tokens=sum(row.output for row in some),
                nanodollars=sum(row.nanodollars for row in some),
                median_milliseconds=percentile(some, 50),
                p95_milliseconds=percentile(some, 95),
            )
            for (prompt, model), some in sorted(groups.items())
        ),
    )


def percentile(rows: Sequence[Row], percent: int) -> int | None:
    """The time within which so many percent of the complete requests ended; None: there were none."""
    times = sorted(row.milliseconds for row in rows if row.outcome == "done")
    return times[min(len(times) - 1, len(times) * percent // 100)] if times else None


def spike(rows: Sequence[Row], now: int, daily_nanodollars: int) -> tuple[int, int] | None:
    """(nanodollars of the last hour, of a usual hour) where it spends much more than usual; None: it does not."""
    hours = Counter[int]()
    for row in rows:
        hours[(now - row.at) // HOUR] += row.nanodollars
    last = hours.pop(0, 0)
    usual = sum(hours.values()) // len(hours) if hours else 0
    return (last, usual) if hours and last > SPIKE * usual and last * LEAST_PART >= daily_nanodollars else None
