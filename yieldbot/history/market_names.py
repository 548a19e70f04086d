"""The names of markets, remembered beside their readings: readings hold ids alone, and people know markets by name.

One small JSON file in memory's folder: by chain (CAIP-2) and market id, the name that its adapter gave it last. A name
is shown and searched for, never decided on: without the file, or with a damaged one, ids are shown.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from yieldbot.history.once import file_state, once
from yieldbot.history.reading import MarketKey
from yieldbot.model.json_text import loads
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.text import one_line

FILE = "names.json"
LONGEST = 80
"""Most characters of a name."""
MOST_BYTES = 16 * 2**20

Names = dict[tuple[str, str], str]
"""By chain and market id."""


def names(folder: Path) -> Names:
    """The remembered names; empty if the file cannot be read."""
    try:
        state = file_state(folder / FILE)
        return dict(once("names", state, lambda: _read(folder / FILE)))
    except (OSError, ValueError, AttributeError):
        return {}


def _read(path: Path) -> Names:
    """The names in a file. Raises OSError, and ValueError or AttributeError for a damaged one."""
    with path.open("rb") as file:
        # no more than the file has, since a buffer of the greatest size costs its allocation each time
        found = loads(file.read(min(MOST_BYTES, os.fstat(file.fileno()).st_size)).decode())
    return {
        (str(chain), str(market)): one_line(str(name), LONGEST)
        for chain, some in found.items()
        for market, name in some.items()
    }


def remember(folder: Path, snapshot: Snapshot) -> None:
    """Keep the names of a snapshot's markets. Raises OSError."""
    chain, known = snapshot.block.chain, names(folder)
    new = {
        (chain, str(state.market.id)): one_line(state.market.name, LONGEST)
        for state in snapshot.markets
        if state.market.kind is not Kind.IDLE
    }
    if all(known.get(key) == name for key, name in new.items()):
        return
    chains: dict[str, dict[str, str]] = {}
    for (of, market), name in sorted((known | new).items()):
        chains.setdefault(of, {})[market] = name
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FILE}.{os.getpid()}.part"
    part.write_text(json.dumps(chains))
    os.replace(part, folder / FILE)


def called(keys: Iterable[MarketKey], known: Mapping[tuple[str, str], str]) -> dict[MarketKey, str]:
    """How people are shown each market beside its chain and asset: by its name, with its id where another market of
    that chain and asset has the same; without a name by its id. Pure."""
    plain = {key: known.get((key.chain, key.market)) or one_line(key.market) for key in keys}
    times = Counter((key.chain, key.asset, name) for key, name in plain.items())
    return {
        key: name
        if times[key.chain, key.asset, name] == 1 or name == key.market
        else f"{name} ({one_line(key.market)})"
        for key, name in plain.items()
    }


def with_names(text: str, known: Mapping[tuple[str, str], str]) -> str:
    """A line in which ids of markets are replaced by their names. Pure."""
    for (_, market), name in sorted(known.items(), key=lambda one: -len(one[0][1])):  # an id may begin another
        if len(market) > len(name) and market in text:
            text = text.replace(market, name)
    return text
