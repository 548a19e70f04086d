"""Arrow columns built from and read as raw buffers, without importing pandas.

``pyarrow.array``, ``pyarrow.scalar`` and ``to_numpy`` import pandas if it is installed, to check for data frames. That
takes a second in every command that observes, and loads one library more beside a key.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

CODES = {"int64": "q", "double": "d", "float": "f"}
"""Typecodes of Python's ``array`` for each Arrow type, by the type's name."""


def column(values: Sequence[object], kind: pyarrow.DataType) -> pyarrow.Array:
    """A column of values of one type (integers, doubles, floats or text); None: missing."""
    import pyarrow as pa

    valid = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value is not None:
            valid[at >> 3] |= 1 << (at & 7)
    buffers = [pa.py_buffer(bytes(valid))]
    if kind == pa.string():
        parts = [b"" if value is None else str(value).encode(errors="replace") for value in values]
        ends, end = array("i", [0]), 0
        for part in parts:
            end += len(part)
            ends.append(end)
        buffers += [pa.py_buffer(ends), pa.py_buffer(b"".join(parts))]
    else:
        buffers.append(pa.py_buffer(array(CODES[str(kind)], [0 if value is None else value for value in values])))  # type: ignore[type-var]
    return pa.Array.from_buffers(kind, len(values), buffers)


def scalar(value: object, kind: pyarrow.DataType) -> pyarrow.Scalar:
    """One value as an Arrow scalar, for comparisons with a column."""
    return column([value], kind)[0]


def as_numpy(values: pyarrow.Array | pyarrow.ChunkedArray) -> NDArray[Any]:
    """A column of numbers as a read-only NumPy array; if values are missing, as doubles with NaN."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if whole.null_count:
        whole = compute.fill_null(compute.cast(whole, pa.float64()), scalar(float("nan"), pa.float64()))
    return np.from_dlpack(whole)


def coded(values: pyarrow.Array | pyarrow.ChunkedArray) -> tuple[NDArray[Any], list[Any]]:
    """A text column as (an index for each row, -1: missing; the text of each index). Some texts may be of no row."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    if isinstance(values, pa.ChunkedArray):
        cells = values.unify_dictionaries() if pa.types.is_dictionary(values.type) else values
        values = cells.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks else pa.nulls(0, pa.string())
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    indices = values.indices
    if indices.null_count:
        indices = compute.fill_null(compute.cast(indices, pa.int64()), scalar(-1, pa.int64()))
    return as_numpy(indices).astype(np.int64), values.dictionary.to_pylist()
