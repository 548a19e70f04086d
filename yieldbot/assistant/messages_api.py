"""The Messages API of Claude through its SDK: one request, streamed, or as a batch. Every way in
which it fails is a ModelFailed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Usage

    from yieldbot.model.assistance import Assistance

RETRIES = 1
"""How often the SDK repeats a request that was not taken."""
NOT_CONNECTED = ("ConnectError", "ConnectTimeout", "PoolTimeout")
"""Causes of failures before anything was sent."""
BATCH = re.compile(r"[A-Za-z0-9_-]{1,100}")
MOST_RESULTS = 10
OWN_HOSTS = ("127.0.0.1", "::1", "localhost")


class ModelFailed(YieldbotError):
    """The service gave no answer of use."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        """One word for metrics, as overloaded."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a request took, in tokens."""

    input: int = 0
    """Sent, and neither kept by the service nor taken from what it kept."""
    output: int = 0
    """Returned."""
    cache_write: int = 0
    """Sent and kept by the service."""
    cache_read: int = 0
    """Sent, and taken from what the service had kept."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.input + self.output + self.cache_write + self.cache_read


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply."""

    blocks: list[dict[str, Any]]
    """Its content, as it is sent back with the next request."""
    stop: str
    """Why it ended, as end_turn or tool_use."""
    tokens: Tokens = field(default_factory=Tokens)
    """What it took."""


class MessagesApi:
    """A client for one key."""

    def __init__(self, key: str, settings: Assistance) -> None:
        self._key, self._settings = key, settings
        self._client: AsyncAnthropic | None = None

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[str | Reply, None]:
        """Send a request; gives each piece of text, and at last the whole reply. Raises ModelFailed."""
        try:
            async with self._open().messages.stream(**body) as stream:
                async for event in stream:
                    if event.type == "text":
                        yield event.text
                final = await stream.get_final_message()
            blocks = [
                _sent_back(one.model_dump(mode="json", exclude_none=True, warnings=False)) for one in final.content
            ]
            reply = Reply(blocks, final.stop_reason or "", _tokens(final.usage))
        except (GeneratorExit, asyncio.CancelledError, ModelFailed):
            raise
        except Exception as failure:
            raise _failed(failure, self._settings, body["model"]) from None
        if not reply.stop:
            raise ModelFailed("cut", "the connection was cut before the answer was complete")
        yield reply

    async def begin_batch(self, name: str, body: Mapping[str, Any]) -> str:
        """Send one request as a batch, which the service works on within a day; returns the batch's identifier. Sent
        once, since a second one would cost twice. Raises ModelFailed, of a kind ``unsure`` where it may have
        arrived."""
        try:
            client = self._open().with_options(max_retries=0)
            made = await client.messages.batches.create(requests=[{"custom_id": name, "params": body}])  # type: ignore[typeddict-item]
            found = str(made.id)
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except Exception as failure:
            why = _failed(failure, self._settings, body["model"])
            if why.kind == "away" and type(failure.__cause__).__name__ not in NOT_CONNECTED:
                raise ModelFailed("unsure", str(why)) from None
            raise why from None
        if BATCH.fullmatch(found) is None:
            raise ModelFailed("nonsense", "the service gave the batch no identifier of use")
        return found

    async def end_of_batch(self, batch: str, name: str) -> Reply | str | None:
        """The reply to a batch's only request; a word where it has none, as ``expired``; None: the service still works
        on it. The result is taken from the service's own address, whatever address the service names. Raises
        ModelFailed."""
        from anthropic.types.messages import MessageBatchIndividualResponse

        try:
            client = self._open()
            if (await client.messages.batches.retrieve(batch)).processing_status != "ended":
                return None
            text = await client.get(f"/v1/messages/batches/{batch}/results", cast_to=str)
            lines = [one for one in text.splitlines() if one.strip()][:MOST_RESULTS]
            found = [MessageBatchIndividualResponse.model_validate_json(one) for one in lines]
            result = next((one.result for one in found if one.custom_id == name), None)
            if result is None:
                return "nonsense"
            if result.type != "succeeded":
                return result.type
            blocks = [one.model_dump(mode="json", warnings=False) for one in result.message.content]
            return Reply(blocks, result.message.stop_reason or "", _tokens(result.message.usage))
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except Exception as failure:
            raise _failed(failure, self._settings) from None

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _open(self) -> AsyncAnthropic:
        if self._client is None:
            from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

            own = urlsplit(self._settings.api).hostname in OWN_HOSTS
            self._client = AsyncAnthropic(
                api_key=self._key,
                base_url=self._settings.api,
                timeout=self._settings.seconds,
                max_retries=RETRIES,
                http_client=DefaultAsyncHttpxClient(trust_env=not own, follow_redirects=False),
                open_telemetry=False,
            )
        return self._client


def _tokens(usage: Usage) -> Tokens:
    """What a request took; what is missing or below zero counts as none."""
    return Tokens(
        max(0, usage.input_tokens or 0),
        max(0, usage.output_tokens or 0),
        max(0, usage.cache_creation_input_tokens or 0),
        max(0, usage.cache_read_input_tokens or 0),
    )


def _sent_back(block: dict[str, Any]) -> dict[str, Any]:
    """A block of a reply as a later request may hold it; input that is no object stays as the field ``wrong``."""
    block.pop("parsed_output", None)
    if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
        block["input"] = {"wrong": str(block.get("input"))[:200]}
    return block


def need_extra() -> None:
    """Raises ConfigError where the extra ``assistant`` is not installed."""
    import importlib.util

    if importlib.util.find_spec("anthropic") is None:
        raise ConfigError("the assistant needs the extra `assistant`: pip install 'yieldbot[assistant]'")


def choose(settings: Assistance, model: str) -> str:
    """Which settings name a model, and the models to choose from."""
    places = [f"assistant.models.{task}" for task, name in settings.models.items() if name == model]
    known = ", ".join(name for name in settings.prices if name != model)
    return f"write another one at {' and '.join(places) or 'assistant.models'}, such as {known}"


def _failed(failure: Exception, settings: Assistance, model: str = "") -> ModelFailed:
    """What failed, in our words: those of the service are not shown. model: the one that was asked."""
    import anthropic

    status = failure.status_code if isinstance(failure, anthropic.APIStatusError) else 0
    body = getattr(failure, "body", None)
    inner = body.get("error") if isinstance(body, Mapping) else None
    kind = inner.get("type") if isinstance(inner, Mapping) else None
    if status == 529 or kind == "overloaded_error":
        return ModelFailed("overloaded", "the service is overloaded: ask again later")
    if isinstance(failure, anthropic.RateLimitError) or kind == "rate_limit_error":
        return ModelFailed("limited", "the service limits our requests: ask again later")
    if isinstance(failure, anthropic.AuthenticationError):
        return ModelFailed("key", f"the service does not accept the key: check {settings.key_env}")
    if isinstance(failure, anthropic.APITimeoutError | TimeoutError):
        return ModelFailed("slow", "the service did not answer in time: ask again later")
    if isinstance(failure, anthropic.APIConnectionError):
        return ModelFailed("away", "the service cannot be reached: check the network, or ask again later")
    if status == 404 and model:
        return ModelFailed(
            "model", f"the service does not know the model {model} for this key: {choose(settings, model)}"
        )
    if status >= 500 or (status == 200 and kind == "api_error"):
        return ModelFailed("broken", f"the service failed (HTTP {status}): ask again later")
    if status >= 400:
        return ModelFailed("refused", f"the service does not take the request (HTTP {status}): check [assistant]")
    if type(failure).__module__.startswith(("httpx2", "httpcore2", "h11")):
        return ModelFailed("cut", "the connection was cut before the answer was complete")
    return ModelFailed("nonsense", f"the service's answer is of no use ({type(failure).__name__})")
