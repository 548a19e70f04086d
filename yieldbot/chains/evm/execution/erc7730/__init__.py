"""ERC-7730 descriptors: what a contract's owner says that its calls and messages mean.

https://eips.ethereum.org/EIPS/eip-7730. Read as they are in the public registry: contract and EIP-712 contexts,
includes, definitions by ``$ref``, constants, groups, slices, conditions of visibility, every format of the standard.
Whatever else a descriptor asks for, or cannot be found where it points to, is shown as the raw value: no field is left
out. Descriptors are words for a person; what may be signed is never decided by them.
"""

from yieldbot.chains.evm.execution.erc7730.files import Descriptor, Format, descriptors
from yieldbot.chains.evm.execution.erc7730.scope import Inner, Mismatch, Scope, Shown
from yieldbot.chains.evm.execution.erc7730.signatures import parsed, type_string
from yieldbot.chains.evm.execution.erc7730.values import Node, at, leaves, plain, tree
from yieldbot.chains.evm.execution.erc7730.words import clean, date, unit

__all__ = [
    "Descriptor",
    "Format",
    "Inner",
    "Mismatch",
    "Node",
    "Scope",
    "Shown",
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
