"""Parts that documents of several use cases have, and from the model's values to them."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.model.amounts import Amount


class Money(Part):
    """An amount of one token."""

    symbol: str = Field(description="the token's symbol")
    raw: str = Field(description="base units, as decimal text")
    text: str = Field(description="whole tokens, as decimal text")

    @classmethod
    def of(cls, amount: Amount) -> Money:
        return cls(symbol=amount.token.symbol, raw=str(amount.raw), text=f"{amount.decimal:f}")
