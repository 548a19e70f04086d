"""``discover --pin``: writes found markets into a chain's file, after a person has read the change and agreed to it."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.config.pinning import Draft, Pin, draft, write
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.discover import Pinnable
    from yieldbot.app.discover_documents import DiscoveredMarket

LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one chain's file."""

    chain: str
    """The chain's name."""
    path: Path
    """The file that is written."""
    lines: tuple[str, ...]
    """The change, in unified form: lines with + are added, lines with - removed."""
    facts: tuple[str, ...]
    """What was read of each market that would be pinned, a line each."""
    warnings: tuple[str, ...]
    """What is odd about them."""


def pin(
    keys: Sequence[str],
    found: Sequence[Pinnable],
    context: Context,
    show: Callable[[Change], None],
    ask: Callable[[], bool],
) -> tuple[Path, ...]:
    """Write the markets with these keys into their chains' files: ``show`` gets each change, then ``ask`` must return
    True. Returns the files written; none if ``ask`` did not. Raises ConfigError, before anything is written, for a key
    that is not among those found or cannot be pinned, and for a file that cannot be changed."""
    chosen = [_one(key, found) for key in dict.fromkeys(keys)]
    drafts = list[Draft]()
    for chain in dict.fromkeys(one.chain.name for one in chosen):
        mine = [one for one in chosen if one.chain.name == chain]
        made = draft(context.settings.source, chain, [_pin(one) for one in mine], context.environment)
        diff = difflib.unified_diff(
            made.before.splitlines(), made.after.splitlines(), str(made.source), str(made.target), lineterm="", n=2
        )
        odd = tuple(f"{one.shown.name or one.shown.key}: {flag}" for one in mine for flag in one.shown.flags)
        show(Change(chain, made.target, tuple(diff), tuple(_facts(one.shown) for one in mine), odd))
        drafts.append(made)
    if not ask():
        return ()
    for made in drafts:
        write(made)
    return tuple(made.target for made in drafts)


def _one(key: str, found: Sequence[Pinnable]) -> Pinnable:
    some = [one for one in found if one.shown.key.lower() == key.lower()]
    if not some:
        raise ConfigError(
            f"--pin {key}: no registry of these chains lists it for an asset of yours: see `yieldbot discover`"
        )
    if len({one.chain.name for one in some}) > 1:
        names = ", ".join(sorted({one.chain.name for one in some}))
        raise ConfigError(f"--pin {key}: {names} have it: add --chain")
    one = some[0]
    if one.shown.state == "listed":
        raise ConfigError(f"--pin {key}: chains/{one.chain.name}.toml has it already")
    if one.shown.state == "gone" or one.row is None or one.shown.unfit:
        raise ConfigError(f"--pin {key}: it cannot be pinned: {one.shown.unfit or 'it is gone'}")
    return one


def _facts(one: DiscoveredMarket) -> str:
    """What was read of a market, for the person who decides."""
    parts = [f"{one.registry} {one.name}".strip(), one.key, f"{one.supplied:z,.0f} {one.asset} supplied"]
    parts += [] if one.quoted_apy is None else [f"quoted {one.quoted_apy:z.2%} APY"]
    parts += [] if one.safety is None else [f"safety {one.safety} ({one.letter})"]
    parts += [] if one.age_days is None else [f"about {one.age_days:z,.0f} days old"]
    if one.collateral:
        parts.append(f"lends against {one.collateral} ({one.collateral_symbol or 'without a symbol'})")
    parts += [f"curated by {one.curator}"] if one.curator else []
    return one_line("; ".join(parts))


def _pin(one: Pinnable) -> Pin:
    assert one.row is not None
    name = "".join(sign for sign in one.shown.name if " " <= sign <= "~")[:LONGEST_NAME].strip()
    comment = f"{name}; found on {time.strftime('%Y-%m-%d', time.gmtime())}" if name else ""
    return Pin(one.row, one.asset.symbol, comment)
