"""The settings in effect, each with its explanation and without a secret."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.model.policy import Policy
from yieldbot.model.timing import Serving

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.context import Context


class Setting(Part):
    """One setting."""

    name: str = Field(description="its name in yieldbot.toml")
    value: str = Field(description="its value in effect, as text")
    default: bool = Field(description="whether it has its default")
    explanation: str = Field(description="what it does")


class JobInEffect(Part):
    """A job, with where its account's key is."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    key: str = Field(description="what holds its key: `keystore`, `kms`, `ledger` or `safe`")
    chain: str = Field(description="the chain's name")
    assets: tuple[str, ...] = Field(description="symbols of its assets")


class SentTo(Part):
    """A channel of notices."""

    name: str = Field(description="its name")
    kind: str = Field(description="the service")
    severities: tuple[str, ...] = Field(description="the severities that it gets")
    topics: tuple[str, ...] = Field(description="the topics that it gets")


class SettingsView(Part):
    """The settings in effect."""

    policy: tuple[Setting, ...] = Field(description="the owner's policy")
    serving: tuple[Setting, ...] = Field(description="the server's own work")
    jobs: tuple[JobInEffect, ...] = Field(description="the jobs that the caller may see")
    channels: tuple[SentTo, ...] = Field(description="where notices go")
    signer: bool = Field(description="whether a signer of its own holds the keys")
    warnings: tuple[str, ...] = Field(description="what the configuration's reading warned of")


def settings_view(caller: Caller, context: Context) -> SettingsView:
    """The settings in effect. No secret, no RPC address and no folder is among them."""
    settings = context.settings
    jobs = tuple(
        JobInEffect(
            wallet=job.wallet.name,
            owner=job.wallet.address,
            key="keystore" if job.wallet.held is None else _HELD.get(type(job.wallet.held).__name__, "elsewhere"),
            chain=job.chain.name,
            assets=tuple(token.symbol for token in job.assets),
        )
        for job in settings.jobs
        if caller.sees(job.wallet.address)
    )
    channels = tuple(
        SentTo(
            name=one.name,
            kind=str(one.kind),
            severities=tuple(sorted(map(str, one.severities))),
            topics=tuple(sorted(map(str, one.topics))),
        )
        for one in settings.notices
    )
    return SettingsView(
        policy=_settings(settings.policy, Policy),
        serving=_settings(settings.serving, Serving),
        jobs=jobs,
        channels=channels,
        signer=settings.signer is not None,
        warnings=settings.warnings,
    )


_HELD: Mapping[str, str] = {"KmsKey": "kms", "LedgerKey": "ledger", "SafeOwner": "safe"}


def _settings(values: Any, kind: type) -> tuple[Setting, ...]:
    explained = explanations(kind)
    found = []
    for one in fields(kind):
        value = getattr(values, one.name)
        usual = one.default_factory() if one.default_factory is not MISSING else one.default
        found.append(
            Setting(
                name=one.name, value=text_of(value), default=value == usual, explanation=explained.get(one.name, "")
            )
        )
    return tuple(found)


def text_of(value: Any) -> str:
    """A setting's value as a person reads it."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case Mapping():
            return ", ".join(f"{name}: {text_of(one)}" for name, one in value.items()) or "none"
        case tuple() | list() | frozenset():
            return ", ".join(text_of(one) for one in value) or "none"
        case _ if is_dataclass(value):
            return ", ".join(f"{one.name} {text_of(getattr(value, one.name))}" for one in fields(value))
        case _:
            return str(value)


_PLACE = re.compile(r" \((?:see )?[\w/.]+\.py\)")
"""A place in the code, which is nothing for the page."""


@cache
def explanations(kind: type) -> dict[str, str]:
    """The text behind each field of a dataclass in its source, which is this project's only one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(sys.modules[kind.__module__])))
    body = next(one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind.__name__)
    found = dict[str, str]()
    for at, one in enumerate(body[:-1]):
        after = body[at + 1]
        if (
            isinstance(one, ast.AnnAssign)
            and isinstance(one.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            text = " ".join(after.value.value.replace("``", "").split())
            found[one.target.id] = _PLACE.sub("", text).replace("None:", "none:")
    return found
