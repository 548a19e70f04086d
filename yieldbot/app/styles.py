"""The three policies that ``init`` can write: how much risk they accept for how much yield. docs/risk.md compares them;
the written file has the reason for each figure."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import EVM, Family

BALANCED = "balanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One key of the policy."""

    key: str
    """The key's name."""
    value: str
    """The key's value in TOML syntax."""
    why: str
    """The reason for the value, written as a comment."""
    on: bool = True
    """Whether it applies; else the line is commented out."""

    def __str__(self) -> str:
        return f"{'' if self.on else '# '}{self.key} = {self.value} # {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One of the three policies that `init` offers."""

    words: str
    """A description of a few words."""
    max_share: float
    """Largest fraction of the wealth in one market, unless the question about it is answered otherwise."""
    policy: tuple[Line, ...]
    """Keys of [policy]."""
    try_first: tuple[str, ...]
    """``policy.try_first``, on EVM chains."""
    alarms: tuple[Line, ...] = ()
    """Keys of [policy.alarms]; none: its defaults."""


def _lines(*rows: tuple[str, str, str]) -> tuple[Line, ...]:
    """(key, value, reason) of each line; a key that begins with ``#`` is commented out."""
    return tuple(
        Line(key=key.removeprefix("#"), value=value, why=why, on=not key.startswith("#")) for key, value, why in rows
    )


STYLES: Mapping[str, Style] = {
    "safe": Style(
        words="a quarter in one market, and only in markets graded B or better",
        max_share=0.25,
        policy=_lines(
            (
                "min_safety",
                "65",
                "a B: what large, old pools have whose changes wait a day; one key has 40, unknown ones 45",
            ),
            ("max_expected_loss_bps", "150", "no market that is expected to lose more than 1.5 % a year"),
            ("min_liquidity_multiple", "10", "a day in a thousand takes nine tenths of the cash"),
            ("max_utilisation_entry", "0.90", "above it a lock is more likely by the day: 1 % at 0.91, 4 % at 0.93"),
            ("stop_at_loss_bps", "50", "a holding that lost half a percent stops the account until you look"),
            ("cooldown_hours", "72", "a market that was left is left alone for three days"),
        ),
        try_first=("erc4626", "morpho_blue", "morpho_vault_v2"),
        alarms=_lines(
            ("utilisation", "0.92", "leave early: a lock follows within a day in 4 of 100 hours above it"),
            ("cash_multiple", "2", "leave while the cash is still twice our holding"),
        ),
    ),
    BALANCED: Style(
        words="half in one market, alarms as they come",
        max_share=0.5,
        policy=_lines(
            ("#min_safety", "50", "a C: none that one key may change, or whose controls cannot be read"),
            ("#max_expected_loss_bps", "300", "no market that is expected to lose more than 3 % a year"),
            ("min_liquidity_multiple", "3", "two thirds of the cash may go before ours is short"),
            ("max_utilisation_entry", "0.95", "from there on the alarm UTILISATION takes money out again"),
            ("stop_at_loss_bps", "100", "a holding that lost a percent stops the account until you look"),
            ("cooldown_hours", "24", "a market that was left is left alone for a day: no back and forth"),
        ),
        try_first=("generic",),
    ),
    "high": Style(
        words="all in the market that pays most after risk",
        max_share=1.0,
        policy=_lines(
            ("#min_safety", "41", "no market that a hard fact bounds to 40 or less (docs/risk.md)"),
            ("#max_expected_loss_bps", "300", "no market that is expected to lose more than 3 % a year"),
            ("min_liquidity_multiple", "1", "our holding can just be paid out"),
            ("max_utilisation_entry", "0.98", "rates are best where cash is short"),
            ("stop_at_loss_bps", "300", "a holding that lost 3 % stops the account until you look"),
            ("cooldown_hours", "0", "a market that was left may be entered again at once"),
        ),
        try_first=("generic",),
        alarms=_lines(
            ("stop_only", '["UTILISATION"]', "stay where cash is short; of such alarms 2.6 a market-year are false"),
        ),
    ),
}
"""The policies, by name."""


def policy_text(name: str, max_share: float, family: Family) -> str:
    """The [policy] keys of a style, as TOML text."""
    style = STYLES[name]
    share = Line(key="max_share_market", value=f"{max_share:g}", why="the most that one market may hold of everything")
    rows = [share, *style.policy]
    if family is EVM:
        named = ", ".join(f'"{one}"' for one in style.try_first)
        rows.append(Line(key="try_first", value=f"[{named}]", why="these are tried with a hundredth first"))
    return "\n".join(str(one) for one in rows)


def alarms_text(name: str) -> str:
    """The [policy.alarms] keys of a style, as TOML text."""
    style = STYLES[name]
    if not style.alarms:
        return "# Signs of danger are all on, with the thresholds of docs/risk.md.\n# [policy.alarms]"
    return "\n".join(["# Signs of danger; the others have the thresholds of docs/risk.md.", "[policy.alarms]",
                      *(str(one) for one in style.alarms)])  # fmt: skip
