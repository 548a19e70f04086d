"""Documents of the assistant: an answer with where its numbers come from, and the request that would be sent."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from yieldbot.app.document import Document, Part

Status = Literal["answered", "not_shown", "refused", "cut_off", "unavailable", "over_budget"]
Supplier = Literal["question", "tool", "page", "finding", "journal", "clock"]


class SourcePart(Part):
    """Something that the model was given."""

    source: str = Field(description="its number in the answer, as S1")
    kind: Supplier = Field(description="what it is: the question, a tool's document, a page of the documentation, ...")
    name: str = Field(description="the tool with its arguments, or the page and heading")
    as_of: int | None = Field(description="when it was read, in unix seconds; null: it has no time of its own")
    block: int | None = Field(description="the block that it was read at; null: it names none, or several")


class FigurePart(Part):
    """A figure or a quotation of the answer."""

    text: str = Field(description="as the answer writes it")
    source: str = Field(description="the source that has it, as S1")
    path: str = Field(description="where in the source, as items[0].safety")
    value: str = Field(description="the source's value")


class FindingPart(Part):
    """Something that the watch found and that the model was given, as grave as yieldbot says and not the model."""

    severity: Literal["info", "warning", "critical"] = Field(
        description="how grave it is, by a fixed table (docs/risk.md)"
    )
    why: str = Field(description="the reason for the severity")
    place: str = Field(description="the asset and the chain")
    text: str = Field(description="what was found")


class ProposalPart(Part):
    """Something that the assistant proposes, which only a person can carry out."""

    id: str = Field(description="its identifier; of a plan the plan's")
    kind: Literal["plan", "exit", "alert", "setting"] = Field(description="what is proposed")
    lines: tuple[str, ...] = Field(description="the proposal in words, made by yieldbot and not by the model")
    command: str = Field(description="the command with which a person carries it out at the terminal")


class UsagePart(Part):
    """What an answer took."""

    requests: int = Field(description="requests to the model")
    input_tokens: int = Field(description="tokens that were sent")
    cached_tokens: int = Field(description="those of them that the service had kept")
    output_tokens: int = Field(description="tokens that were returned")
    nanodollars: int = Field(description="the price, in 10^-9 US dollars")
    seconds: float = Field(description="the time until the answer was complete")


class AnswerDocument(Document):
    """An answer of the assistant."""

    SCHEMA: ClassVar[str] = "answer"

    question: str = Field(description="the question")
    status: Status = Field(
        description="`answered`; `not_shown`: nothing of it had a source; `refused`: by the model; `cut_off`: "
        "too long; `unavailable`: the service did not answer; `over_budget`: the day's budget is used up"
    )
    answer: str | None = Field(
        description="the answer, written by yieldbot from what the model cites; null: none is shown"
    )
    note: str | None = Field(
        description="why there is no answer, or what is left out of it, in one line; null: it is whole"
    )
    figures: tuple[FigurePart, ...] = Field(description="every figure and quotation of the answer with its source")
    sources: tuple[SourcePart, ...] = Field(description="what the model was given")
    findings: tuple[FindingPart, ...] = Field(
        default=(),
        description="what the watch found among the sources, the gravest first, whatever the answer says of it",
    )
    proposals: tuple[ProposalPart, ...] = Field(description="what a person may carry out now")
    model: str = Field(description="the model")
    prompt: str = Field(description="the version of the prompts, as answer-1")
    repeated: bool = Field(description="whether it was kept from the same question about the same reading")
    usage: UsagePart = Field(description="what it took")

    @property
    def exit_code(self) -> int:
        """The exit code of a command that shows it: 0 answered, 3 a plan waits, 4 refused by a rule, else 1."""
        if self.status in ("not_shown", "over_budget"):
            return 4
        if self.status != "answered":
            return 1
        return 3 if self.proposals else 0


class AssistantRequestDocument(Document):
    """What would be sent to the model, before any tool is used. Nothing is sent to show it."""

    SCHEMA: ClassVar[str] = "assistant-request"

    url: str = Field(description="where it would be sent")
    body: dict[str, Any] = Field(description="the body of the request, as it would be sent")
    tokens_at_most: int = Field(description="the tokens that it would count as, before the service has counted them")
    nanodollars_at_most: int = Field(description="the price that the budget would be asked for, in 10^-9 US dollars")


class PromptUsage(Part):
    """What requests with one version of the prompts to one model took."""

    prompt: str = Field(description="the version of the prompts")
    model: str = Field(description="the model")
    requests: int = Field(description="requests")
    failures: dict[str, int] = Field(description="requests without an answer, by kind, as `overloaded`")
    input_tokens: int = Field(description="tokens that were sent")
    cached_tokens: int = Field(description="those of them that the service had kept")
    output_tokens: int = Field(description="tokens that were returned")
    nanodollars: int = Field(description="the price, in 10^-9 US dollars")
    median_milliseconds: int | None = Field(description="median time of a complete request; null: none was complete")
    p95_milliseconds: int | None = Field(description="time within which 95 % of them ended; null: none was complete")


class AssistantUsageDocument(Document):
    """What the assistant used."""

    SCHEMA: ClassVar[str] = "assistant-usage"

    days: int = Field(description="over how many days")
    prompts: tuple[PromptUsage, ...] = Field(description="by version of the prompts and model")
