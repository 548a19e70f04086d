"""What memory says that markets will pay, for the decisions of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from yieldbot.app.memory import FOLDER
from yieldbot.history.contradicted import contradictions, remembered
from yieldbot.history.files import spanned_days
from yieldbot.history.recorded import mean_held
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy
from yieldbot.model.text import one_line

LEAST_DAYS = 3
"""Calendar days that memory spans before it decides with: two have passed since its first reading."""


def with_forecasts(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
) -> Snapshot:
    """The snapshot with what memory forecasts for each market that it knows; as it was where memory is younger than
    ``LEAST_DAYS`` or was last written days before the block, or cannot be read, which is one line by ``say``: memory
    never stops a run.

    What memory says of a market that the chain contradicts is named (``Snapshot.contradicted``), and the chain wins:
    status, cash and caps are the snapshot's, the forecast bounds no exit, and one that rests on readings that cannot be
    true is left out. records: the journal's, which know how much of ours was there while the rates were seen that the
    forecast is made from.
    """
    folder = data_dir / FOLDER
    if spanned_days(folder, snapshot.block.chain) < LEAST_DAYS:
        return snapshot
    try:
        from yieldbot.app.expected import expected

        made = expected(folder, policy.mean_days, snapshot.block.timestamp, policy.forecaster)
        here = {market: said for (chain, market), said in made.items() if chain == snapshot.block.chain}
        refuted, lines = contradictions(snapshot, here, remembered(Store(folder), snapshot))
    except Exception as failure:  # whatever it is, money must not wait for it
        say(f"{folder}: nothing is forecast ({one_line(str(failure), 300)})")
        return snapshot
    ours = {token: mean_held(records, snapshot, token, policy.mean_days) for token in snapshot.assets}
    states = {}
    for key, state in snapshot.states.items():
        said, known = here.get(state.market.id), ours.get(state.market.asset)
        said = None if state.market.id in refuted else said
        if said is not None and known is not None:
            said = replace(said, ours=min(float(state.held), known.get(state.market.id, 0.0)))
        states[key] = replace(state, forecast=said)
    return replace(snapshot, states=states, contradicted=lines)
