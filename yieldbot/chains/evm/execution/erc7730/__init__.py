"""ERC-7730 descriptors: how the owner of a contract wants its calls and messages to be shown before they are signed.

Source: https://eips.ethereum.org/EIPS/eip-7730. Supported as in the public registry: contract and EIP-712 contexts,
includes, definitions by ``$ref``, constants, groups, slices, conditions of visibility, and every format of the
standard. A value whose format is unknown, or whose reference leads nowhere, is shown raw; no field is left out.
Descriptors help a person to read; they never decide what may be signed.
"""

from yieldbot.chains.evm.execution.erc7730.files import Descriptor, Format, descriptors
from yieldbot.chains.evm.execution.erc7730.scope import Inner, Mismatch, Scope, ShownField
from yieldbot.chains.evm.execution.erc7730.signatures import parsed, type_string
from yieldbot.chains.evm.execution.erc7730.values import DecodedValue, at, leaves, plain, tree
from yieldbot.chains.evm.execution.erc7730.words import clean, date, unit

__all__ = [
    "DecodedValue",
    "Descriptor",
    "Format",
    "Inner",
    "Mismatch",
    "Scope",
    "ShownField",
    "at",
    "clean",
    "date",
    "descriptors",
    "leaves",
    "parsed",
    "plain",
    "tree",
    "type_string",
    "unit",
]
