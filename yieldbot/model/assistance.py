"""Settings of the assistant: models by task, what they cost, and how much may be spent a day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from yieldbot.model.dataclass import dataclass

KEY_VARIABLE = "ANTHROPIC_API_KEY"
"""Variable with the key of the Claude API; without it the assistant is off."""
API = "https://api.anthropic.com"
TASKS = ("answer", "plan", "summary")
"""What a model is chosen for: questions; questions about what to do; summaries."""
FULL_TEXT = "full_text"
"""The index that comes with yieldbot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's tokens cost, in nanodollars (10^-9 US dollars) a token: 1000 are a dollar a million tokens."""

    input: int
    """A token that is sent."""
    output: int
    """A token that is returned, thinking included."""
    cache_write: int
    """A token that is sent and kept by the service for the next minutes."""
    cache_read: int
    """A token that the service has kept."""

    def half(self) -> Price:
        """What a token of a batch costs, rounded up."""
        return Price(
            input=-(-self.input // 2),
            output=-(-self.output // 2),
            cache_write=-(-self.cache_write // 2),
            cache_read=-(-self.cache_read // 2),
        )


PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "claude-opus-5-5": Price(input=4000, output=20_000, cache_write=5000, cache_read=200),
        "claude-sonnet-5-5": Price(input=2000, output=10_000, cache_write=2500, cache_read=200),
        "claude-haiku-5-5": Price(input=500, output=2500, cache_write=625, cache_read=50),
        "claude-opus-5": Price(input=5000, output=25_000, cache_write=6250, cache_read=500),
        "claude-sonnet-5": Price(input=2000, output=10_000, cache_write=2500, cache_read=200),
        "claude-haiku-4-5": Price(input=1000, output=5000, cache_write=1250, cache_read=100),
    }
)
"""List prices of 2026-10 (platform.claude.com, pricing and model pages); where a model has two, the higher one."""
MODELS: Mapping[str, str] = MappingProxyType(
    {"answer": "claude-sonnet-5-5", "plan": "claude-opus-5-5", "summary": "claude-haiku-5-5"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistance:
    """What [assistant] configures."""

    key_env: str = KEY_VARIABLE
    """Variable with the key."""
    api: str = API
    """Base URL of the Messages API."""
    models: Mapping[str, str] = field(default_factory=lambda: MODELS)
    """The model for each task of TASKS."""
    prices: Mapping[str, Price] = field(default_factory=lambda: PRICES)
    """Prices by model."""
    daily_nanodollars: int = 2_000_000_000
    """The most that may be spent on a day (UTC)."""
    daily_tokens: int = 2_000_000
    """The most tokens, sent and returned, that may be used on a day (UTC)."""
    most_tokens: int = 4096
    """The most tokens of one reply."""
    seconds: float = 120.0
    """The longest time for one question."""
    send_addresses: bool = False
    """Whether addresses leave the machine; False: names stand for them."""
    index: str = FULL_TEXT
    """The index that finds passages: ``FULL_TEXT``, or an installed one by its name (``assistant/index.py``)."""
    nightly_minute: int | None = None
    """When the day's summary in words is asked for, in minutes after midnight of the notices' time zone; None:
    never."""

    def price(self, model: str) -> Price:
        """A model's price; for an unknown one the highest that is known, so that a budget holds."""
        return self.prices.get(model) or max(self.prices.values(), key=lambda one: one.output)
