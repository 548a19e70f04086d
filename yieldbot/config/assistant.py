"""[assistant]: models, prices and budgets of the assistant. The file names the variable of the key and never holds
the key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.config.messages import config_error
from yieldbot.config.notices import minute_of_day
from yieldbot.config.toml_types import EnvName
from yieldbot.model.assistance import API, FULL_TEXT, KEY_VARIABLE, MODELS, PRICES, TASKS, Assistance, Price
from yieldbot.model.spelling import did_you_mean

OWN_HOSTS = ("127.0.0.1", "::1", "localhost")
Dollars = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}$")]


class PriceTable(BaseModel):
    """What a model's tokens cost, in US dollars a million."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    input: Dollars
    """Tokens that are sent."""
    output: Dollars
    """Tokens that are returned."""
    cache_write: Dollars | None = None
    """Tokens that are sent and kept by the service; by default a quarter more than ``input``."""
    cache_read: Dollars | None = None
    """Tokens that the service has kept; by default as ``input``."""


class AssistantTable(BaseModel):
    """The assistant."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    key_env: EnvName = KEY_VARIABLE
    """Variable with the key of the Claude API."""
    api: str = API
    """Base URL of the Messages API."""
    models: dict[Literal["answer", "plan", "summary"], ModelName] = {}
    """Models by task."""
    prices: Annotated[dict[ModelName, PriceTable], Field(max_length=50)] = {}
    """Prices by model, beside those that come with yieldbot."""
    daily_usd: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = 2.0
    """The most that may be spent on a day, in US dollars."""
    daily_tokens: Annotated[int, Field(ge=0, le=10**12)] = 2_000_000
    """The most tokens that may be used on a day."""
    most_tokens: Annotated[int, Field(ge=256, le=128_000)] = 4096
    """The most tokens of one reply."""
    seconds: Annotated[float, Field(ge=5, le=600)] = 120.0
    """The longest time for one question, in seconds."""
    send_addresses: bool = False
    """Whether addresses leave the machine."""
    index: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")] = FULL_TEXT
    """The index that finds passages: full_text, or an installed one by its name."""
    nightly: str = "never"
    """Time of day, in [notify]'s time zone, of the summary in words; or never."""


def assistance_of(path: Path, table: AssistantTable) -> Assistance:
    """The table as values. Raises ConfigError for an address without encryption, or a model without a price."""
    parts = urlsplit(table.api)
    own = parts.hostname in OWN_HOSTS
    if parts.hostname is None or parts.username or not (parts.scheme == "https" or (own and parts.scheme == "http")):
        message = f"{table.api!r}: write the address as {API}; http is for this machine alone"
        raise config_error(path, "assistant.api", message)
    prices = dict(PRICES) | {name: _price(one) for name, one in table.prices.items()}
    models = dict(MODELS) | {task: table.models[task] for task in TASKS if task in table.models}
    for task, model in models.items():
        if model not in prices:
            known = did_you_mean(model, prices)
            message = f"{model} is not known; {known}{'' if known.endswith('?') else '.'} "
            message += f"Any other model needs its price: add [assistant.prices.{model!r}]"
            raise config_error(path, f"assistant.models.{task}", message.replace("'", '"'))
    return Assistance(
        key_env=table.key_env,
        api=table.api.rstrip("/"),
        models=models,
        prices=prices,
        daily_nanodollars=_nano(table.daily_usd, 9),
        daily_tokens=table.daily_tokens,
        most_tokens=table.most_tokens,
        seconds=table.seconds,
        send_addresses=table.send_addresses,
        index=table.index,
        nightly_minute=None if table.nightly == "never" else minute_of_day(path, "assistant.nightly", table.nightly),
    )


def _price(table: PriceTable) -> Price:
    write = table.input * 1.25 if table.cache_write is None else table.cache_write
    read = table.input if table.cache_read is None else table.cache_read
    return Price(
        input=_nano(table.input, 3),
        output=_nano(table.output, 3),
        cache_write=_nano(write, 3),
        cache_read=_nano(read, 3),
    )


def _nano(value: float, digits: int) -> int:
    """A number with a fraction as an integer of 10^-digits."""
    return int((Decimal(str(value)) * 10**digits).to_integral_value())
