"""A person's own alerts: they stand exactly while the value that was measured says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from tests.kit.cron.place import Place

MADE = (
    ("rate", "Drip Vault", "--above", "4.5%", "--hysteresis", "0.2%"),
    ("rate", "Aave v3", "--below", "3%", "--hysteresis", "0.1%"),
    ("utilisation", "Aave v3", "--above", "85%", "--hysteresis", "2%"),
    ("depeg", "USDC", "--above", "10bp", "--hysteresis", "2bp"),
    ("wealth", "w0", "--below", "150000"),
)


class Alerts:
    """Alerts of every kind that a sandbox can move."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.stood: dict[tuple[str, str], tuple[bool, int]] = {}
        """By alert and subject: whether it stood, and how often it has begun."""
        for words in MADE:
            made = place.run("alert", "add", *words)
            assert made.code == 0, made

    def seen(self, counts: Counter[str]) -> Iterator[str]:
        """Faults in the state that the last pass stored."""
        for kept in json.loads((self.place.folder / "alerts.json").read_text()):
            alert = kept["alert"]
            sign = 1 if alert["above"] else -1
            for subject, one in kept["reached"].items():
                name = f"alert {alert['measure']} {alert['subject']} of {subject}"
                value = one["last"]["value"] if isinstance(one["last"], dict) else one["last"]
                before, times = self.stood.get((alert["id"], subject), (False, 0))
                past, back = (sign * (value - alert["threshold"]) > more for more in (0.0, -alert["hysteresis"]))
                if one["stands"] != (past or (before and back)):
                    yield f"{name} stands: {one['stands']}, though its value is {value} (it stood: {before})"
                if one["crossings"] != times + (one["stands"] and not before):
                    yield f"{name} has begun {one['crossings']} times, not {times} or once more"
                counts[f"alert {alert['measure']} began"] += one["stands"] and not before
                counts[f"alert {alert['measure']} ended"] += before and not one["stands"]
                self.stood[alert["id"], subject] = one["stands"], one["crossings"]
