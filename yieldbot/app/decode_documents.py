"""What ``decode`` answers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class ReadField(Part):
    """An argument, or what a descriptor shows of them."""

    label: str = Field(description="what it is called")
    value: str = Field(description="what it says")
    visible: bool = Field(description="whether the descriptor shows it too")


class ReadCall(Part):
    """What a call, or a message to sign, says; a call within another one says the same."""

    known: bool = Field(description="whether the target is")
    contract: str | None = Field(description="the target's name; null: it has none")
    function: str | None = Field(description="the function, or the message's type; null: there is none")
    source: str | None = Field(
        description="whose word it is: a descriptor's file, `abis`, or `common` for what every token and router has"
    )
    intent: str = Field(description="what it does, in words")
    fault: str | None = Field(description="why no more can be said; null: all is said")
    owner: str | None = Field(description="the descriptor's owner; null: no descriptor speaks")
    sentence: str | None = Field(description="the descriptor's own sentence with the values in it; null: it has none")
    warnings: tuple[str, ...] = Field(description="what one should know beside the fields")
    dangers: tuple[str, ...] = Field(
        description="allowances without limit, or by a permit to an unknown spender; control or money handed to an "
        "unknown address: exit code 4"
    )
    fields: tuple[ReadField, ...] = Field(description="the arguments")
    nested: tuple[ReadCall, ...] = Field(description="calls within this one")


class DecodeDocument(Document):
    """What somebody would sign. Exit code 4 where anything in it has a danger."""

    SCHEMA: ClassVar[str] = "decode"

    chain_id: str | None = Field(description="the chain's identifier; null: the message is of none, or of all")


class MessageDocument(ReadCall, DecodeDocument):
    """With `--typed`: a message to sign."""


class CalledDocument(DecodeDocument):
    """A call and what goes with it."""

    to: str = Field(description="whom it calls")
    value_wei: str = Field(description="the chain's coin sent along, in wei, as decimal text")


class CallDocument(ReadCall, CalledDocument):
    """A call on an EVM chain."""


class InstructionField(Part):
    """An argument of an instruction."""

    label: str = Field(description="what it is called")
    value: str = Field(description="what it says")


class ReadInstruction(Part):
    """An instruction of a Solana transaction."""

    program: str = Field(description="the program's address")
    known: bool = Field(description="whether all of it is")
    contract: str | None = Field(description="the program's name; null: it has none")
    function: str | None = Field(description="the instruction's name; null: it is not known")
    intent: str = Field(description="what it does, in words")
    fault: str | None = Field(description="why no more can be said; null: all is said")
    warnings: tuple[str, ...] = Field(description="what the payer should know")
    dangers: tuple[str, ...] = Field(description="what nobody should sign without thinking: exit code 4")
    fields: tuple[InstructionField, ...] = Field(description="the arguments")


class TransactionDocument(DecodeDocument):
    """A transaction on Solana."""

    payer: str = Field(description="who pays for it")
    signatures: int = Field(description="how many must sign it")
    lookup_tables: tuple[str, ...] = Field(description="tables that hold addresses of it, which a node alone knows")
    instructions: tuple[ReadInstruction, ...] = Field(description="what it does, in its order")
