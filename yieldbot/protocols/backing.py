"""What finally backs a market, from what each vault, pool and token on the way holds. Pure, the same for all families.

Keys of what is held: ``token:`` and an address, or a pool's kind and its address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backer, Backing, HeldBy

DEEPEST = 10
"""Most levels of vaults within vaults that are followed; deeper ones count as unknown."""
LEAST = 0.0005
"""Fraction of a market's money below which a part is not followed; it counts as unknown."""
MOST_MISSING = 8
"""Most reasons that are named for one market."""
TOKEN = "token:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A market with its direct holdings, as its adapter states them: the start of the look-through."""

    market: MarketId
    """The market."""
    asset: str
    """Key of its asset."""
    held: HeldBy
    """Its direct holdings."""
    oracles: tuple[str, ...] = ()
    """Keys of the oracles that price what it lends against, if it names them itself."""


@dataclass(slots=True)
class _Found:
    """The backing of one market as far as it has been found."""

    shares: dict[str, float] = field(default_factory=dict)
    """By token key, the fraction of the market's money that the token backs."""
    through: dict[str, dict[str, None]] = field(default_factory=dict)
    """By token key, the vaults and pools in between."""
    used: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """By token key, (utilisation of its own market, whether that market is in the pool that lends against it)."""
    idle: float = 0.0
    """Fraction that lies idle as the market's asset."""
    unknown: float = 0.0
    """Fraction that is not known."""
    cycle: tuple[str, ...] = ()
    """The first cycle that was found."""
    missing: dict[str, None] = field(default_factory=dict)
    """Reasons for what is not known."""


def backing_of(root: Root, nodes: Mapping[str, HeldBy], block: int, time: int) -> Backing:
    """The backing of a market. nodes: the holdings that were read, by key; a missing key was not read."""
    found, elsewhere = _Found(), markets_of(nodes)
    own = (str(root.market),)
    _spread(root.held, 1.0, own, root.asset, root.asset, nodes, found)
    parts = []
    for key, share in found.shares.items():
        used, shared = found.used.get(key, (None, False))
        parts.append(
            Backer(
                backing=bare(key),
                symbol=nodes[key].symbol if key in nodes else "",
                share=min(1.0, share),
                through=tuple(map(bare, found.through[key])),
                utilisation=used if used is not None else elsewhere.get(key),
                shared=shared,
            )
        )
    return Backing(
        market=root.market,
        parts=tuple(sorted(parts, key=lambda one: (-one.share, one.backing))),
        idle=min(1.0, found.idle),
        unknown=min(1.0, found.unknown),
        cycle=tuple(map(bare, found.cycle)),
        missing=tuple(found.missing)[:MOST_MISSING],
        block=block,
        time=time,
        lost=_lost(root, nodes),
        oracles=root.oracles,
    )


def _lost(root: Root, nodes: Mapping[str, HeldBy]) -> float:
    """Bad debt of the pool that a market is, in base units; 0 for a market of several pools, which shares it with
    others."""
    keys = [key for key, _ in root.held.children]
    return nodes[keys[0]].lost if len(keys) == 1 and keys[0] in nodes else 0.0


def bare(key: str) -> str:
    """A key in the form shown to users: of a token only its address."""
    return key.removeprefix(TOKEN)


def markets_of(nodes: Mapping[str, HeldBy]) -> dict[str, float]:
    """Utilisation of each token's own market on the chain; of several pools the first by key (Aave before Compound)."""
    found: dict[str, float] = {}
    for key in sorted(nodes):
        for token, used in nodes[key].used:
            found.setdefault(token, used)
    return found


def _spread(
    held: HeldBy,
    share: float,
    path: Sequence[str],
    own: str,
    first: str,
    nodes: Mapping[str, HeldBy],
    found: _Found,
) -> None:
    """Distribute ``share`` of the money over a holder's holdings. own: key of the asset that was put into it, which
    backs nothing in a pool and lies idle in a vault; first: key of the market's asset."""
    children = [(key, weight) for key, weight in held.children if key != own and weight > 0.0]
    lies = sum(weight for key, weight in held.children if key == own) if held.asset else 0.0
    idle = held.idle + max(0.0, lies)
    whole = sum(weight for _, weight in children) + idle + held.unknown
    if held.why:
        found.missing[held.why] = None
    if whole <= 0.0:
        found.unknown += share
        found.missing[f"{bare(path[-1])}: what it holds"] = None
        return
    found.unknown += share * held.unknown / whole
    used = dict(held.used)
    if idle > 0.0:
        part = share * idle / whole
        if own == first:
            found.idle += part
        else:
            _follow(own, part, path, own, first, nodes, found, (None, False))
    for key, weight in children:
        mark = (used[key], True) if key in used else (None, False)
        _follow(key, share * weight / whole, path, own, first, nodes, found, mark)


def _follow(
    key: str,
    share: float,
    path: Sequence[str],
    own: str,
    first: str,
    nodes: Mapping[str, HeldBy],
    found: _Found,
    mark: tuple[float | None, bool],
) -> None:
    if share <= 0.0:
        return
    if key in path:
        found.cycle = found.cycle or tuple(path[path.index(key) :])
        found.unknown += share
        found.missing[f"{bare(key)} holds itself, through {len(path) - path.index(key)} others"] = None
        return
    node = nodes.get(key)
    if share < LEAST or node is None or len(path) > DEEPEST:
        found.unknown += share
        if share >= LEAST:
            found.missing[f"{bare(key)}: " + ("not read yet" if node is None else "too deep")] = None
        return
    if not node.children and node.idle <= 0.0 and node.unknown <= 0.0:
        found.shares[key] = found.shares.get(key, 0.0) + share
        found.through.setdefault(key, {}).update(dict.fromkeys(path))
        if mark[0] is not None:
            before = found.used.get(key, (0.0, False))
            found.used[key] = (max(before[0], mark[0]), before[1] or mark[1])
        return
    _spread(node, share, (*path, key), node.asset or own, first, nodes, found)
