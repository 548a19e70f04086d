"""What staked tokens are worth by their own contracts, remembered: their growth where the chain does not say what they
were worth before (a node without an archive, a program that keeps only the present price).

One small JSON file in memory's folder: by chain and token, (unix seconds, worth) of at most one reading in six hours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from yieldbot.errors import ConfigError
from yieldbot.model.json_text import loads
from yieldbot.model.market import Snapshot
from yieldbot.model.units import SECONDS_PER_YEAR

FILE = "worths.json"
APART_SECONDS = 6 * 3600
"""A reading is not kept if another is nearer than this."""
KEPT_SECONDS = 21 * 86_400
"""Older readings are forgotten."""
LEAST_SECONDS, MOST_SECONDS = 6 * 86_400, 14 * 86_400
"""Growth is measured between a reading of at least and of at most this age and now: staking pays in steps, of a day or
of two."""

Rows = dict[str, dict[str, list[tuple[int, float]]]]
"""By chain and token address, (unix seconds, worth), oldest first."""


def remembered(folder: Path) -> Rows:
    """What is kept. Raises ConfigError if the file is not as it was written, OSError."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        return {
            str(chain): {
                str(token): sorted((int(at), float(worth)) for at, worth in rows) for token, rows in tokens.items()
            }
            for chain, tokens in loads(path.read_text()).items()
        }
    except (ValueError, TypeError, AttributeError) as bad:
        raise ConfigError(f"{path} is damaged ({bad}): remove it, its readings come again within a week") from None


def remember(folder: Path, snapshot: Snapshot) -> None:
    """Keep what a snapshot's tokens are worth. Raises ConfigError, OSError."""
    if not snapshot.worths:
        return
    rows, at, changed = remembered(folder), snapshot.block.timestamp, False
    tokens = rows.setdefault(snapshot.block.chain, {})
    for token, worth in snapshot.worths.items():
        known = tokens.get(token.address, [])
        if all(abs(at - then) >= APART_SECONDS for then, _ in known):
            newest, changed = max([at, *(then for then, _ in known)]), True
            tokens[token.address] = sorted(one for one in [*known, (at, worth)] if newest - one[0] <= KEPT_SECONDS)
    if changed:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{FILE}.{os.getpid()}.part"
        part.write_text(json.dumps(rows))
        os.replace(part, folder / FILE)


def growth(rows: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], snapshot: Snapshot) -> dict[str, float]:
    """By address of each token of the snapshot whose worth was remembered long enough: its growth, a simple annual
    fraction, since the oldest reading that is not too old. Pure."""
    now, found = snapshot.block.timestamp, dict[str, float]()
    tokens = rows.get(snapshot.block.chain, {})
    for token, worth in snapshot.worths.items():
        past = [one for one in tokens.get(token.address, ()) if LEAST_SECONDS <= now - one[0] <= MOST_SECONDS]
        if past and past[0][1] > 0.0:
            then, before = past[0]
            found[token.address] = (worth / before - 1.0) * SECONDS_PER_YEAR / (now - then)
    return found
