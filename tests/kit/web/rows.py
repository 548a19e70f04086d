"""Many markets on a page: rows of a real reading of a few markets, repeated under other names with other figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.app.service import Service

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "javascript:alert(1)",
    "\u202eevil\u2066 name",
    "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627 100%",
    "{{ 7*7 }}${7*7}",
    "</td></table><svg onload=alert(1)>",
    "a" * 300,
    "Z\u0351\u036b\u0343\u036a\u0302" * 20,
)
"""Names that tokens and vaults of strangers may have."""
CHAINS = ("base", "ethereum", "arbitrum")
LETTERS = ((90, "A+"), (80, "A"), (70, "B"), (60, "C"), (50, "D"), (0, "F"))


def named_markets(service: Service, count: int, names: Sequence[str] = ()) -> tuple[Mapping[str, Any], ...]:
    """Put so many rows in the place of the service's markets, the first with money of ours. names: theirs, where they
    are not numbered."""
    newest = service.newest("markets")
    assert newest.rows, "the service has read its chains"
    ours = next(row for row in newest.rows if row["held"]["raw"] != "0")
    nothing = ours["held"] | {"raw": "0", "text": "0.000000"}
    rows = []
    for at in range(count):
        safety = (at * 37) % 100
        size = str(1_000 * (at + 1) ** 2)
        rows.append(
            ours
            | {
                "key": f"lend~{at}",
                "id": f"lend/{at}",
                "name": names[at] if names else f"market {at:03}",
                "chain": CHAINS[at % len(CHAINS)],
                "held": ours["held"] if at == 0 else nothing,
                "total_apy_after_deposit": ((at * 7919) % 1000) / 10_000,
                "safety": safety,
                "letter": next(letter for least, letter in LETTERS if safety >= least),
                "utilisation": (at % 97) / 100,
                "liquidity": ours["liquidity"] | {"raw": size + "000000", "text": size + ".000000"},
            }
        )
    service._newest["markets"] = replace(newest, rows=tuple(rows), version=f"many-{count}")
    return tuple(rows)
