"""The document of ``decode``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class ReadField(Part):
    """An argument, or a field that an ERC-7730 descriptor derives from arguments."""

    label: str = Field(description="its name")
    value: str = Field(description="its value, formatted")
    visible: bool = Field(description="whether the descriptor shows it")


class ReadCall(Part):
    """A decoded call, or a message to sign; calls within a call have the same form."""

    known: bool = Field(description="whether the target is known")
    contract: str | None = Field(description="the target's name; null: it has none")
    function: str | None = Field(description="the function, or the message's type; null: there is none")
    source: str | None = Field(
        description="where the decoding comes from: a descriptor's file, `abis`, or `common` for functions that all "
        "tokens or routers share; null: nothing decodes it"
    )
    intent: str = Field(description="what it does, in words")
    fault: str | None = Field(description="why it is not decoded further; null: it is decoded completely")
    owner: str | None = Field(description="the descriptor's owner; null: no descriptor is used")
    sentence: str | None = Field(description="the descriptor's own sentence with the values in it; null: it has none")
    warnings: tuple[str, ...] = Field(description="what a person should know in addition to the fields")
    dangers: tuple[str, ...] = Field(
        description="unlimited allowances, permits to an unknown spender, and control or money given to an unknown "
        "address; "
        "any of them makes the exit code 4"
    )
    fields: tuple[ReadField, ...] = Field(description="the arguments")
    nested: tuple[ReadCall, ...] = Field(description="calls within this one")


class DecodeDocument(Document):
    """What somebody would sign. The exit code is 4 where `dangers` is not empty anywhere in it."""

    SCHEMA: ClassVar[str] = "decode"

    chain_id: str | None = Field(description="the chain's identifier; null: the message names none")


class MessageDocument(ReadCall, DecodeDocument):
    """With `--typed`: a message to sign."""


class CalledDocument(DecodeDocument):
    """A call with its target and value."""

    to: str = Field(description="the contract that is called")
    value_wei: str = Field(description="the chain's coin sent along, in wei, as decimal text")


class CallDocument(ReadCall, CalledDocument):
    """A call on an EVM chain."""


class InstructionField(Part):
    """An argument of an instruction."""

    label: str = Field(description="its name")
    value: str = Field(description="its value, formatted")


class ReadInstruction(Part):
    """An instruction of a Solana transaction."""

    program: str = Field(description="the program's address")
    known: bool = Field(description="whether program and instruction are known")
    contract: str | None = Field(description="the program's name; null: it has none")
    function: str | None = Field(description="the instruction's name; null: it is not known")
    intent: str = Field(description="what it does, in words")
    fault: str | None = Field(description="why it is not decoded further; null: it is decoded completely")
    warnings: tuple[str, ...] = Field(description="what the payer should know")
    dangers: tuple[str, ...] = Field(
        description="what nobody should sign without a second look; any of them makes the exit code 4"
    )
    fields: tuple[InstructionField, ...] = Field(description="the arguments")


class TransactionDocument(DecodeDocument):
    """A transaction on Solana."""

    payer: str = Field(description="the fee payer's address")
    signatures: int = Field(description="how many signatures it needs")
    lookup_tables: tuple[str, ...] = Field(
        description="address lookup tables that it uses; their contents can only be read from a node"
    )
    instructions: tuple[ReadInstruction, ...] = Field(description="its instructions, in order")
