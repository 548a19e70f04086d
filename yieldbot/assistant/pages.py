"""Pages of the documentation in pieces that can be cited: paragraphs, items of lists, rows of tables. Pure."""

from __future__ import annotations

import re

LONGEST_PIECE = 600
"""Most characters of a paragraph of a page that is quoted as a whole."""
_RULE, _LINK = re.compile(r"[\s|:-]*-[\s|:-]*"), re.compile(r"\[([^\]]*)\]\([^)]*\)")


def pieces(text: str) -> list[str]:
    """The paragraphs and lines of a page; each row of a table with the names of its columns."""
    found, heads = list[str](), list[str]()
    blocks = re.split(r"\n(?=\s*(?:[-*|]|\d+\.)\s?)|\n\s*\n", text)
    is_code = False
    for at, block in enumerate(blocks):
        is_example = is_code or "```" in block
        is_code ^= block.count("```") % 2 == 1
        line = re.sub(r"```\w*|\*\*|`", "", _LINK.sub(r"\1", " ".join(block.split())))
        if not line or set(line) <= set("|-: "):
            continue
        if line.startswith("|"):
            cells = [one.strip() for one in line.strip("|").split("|")]
            if at + 1 < len(blocks) and _RULE.fullmatch(blocks[at + 1]) is not None:
                heads = cells
                continue
            named = heads if len(heads) == len(cells) else [""] * len(cells)  # a passage may begin within a table
            pairs = [(head, cell) for head, cell in zip(named, cells, strict=True) if cell]
            found.append("; ".join(f"{head}: {cell}" if head else cell for head, cell in pairs))
            continue
        heads = []
        found += [f"Example: {one}" if is_example else one for one in _chunks(line)]
    return found


def _chunks(paragraph: str) -> list[str]:
    """A paragraph as a whole, since its sentences speak of each other; a long one in parts that say so."""
    found = [""]
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z„“\"(])", paragraph):
        if found[-1] and len(found[-1]) + len(sentence) > LONGEST_PIECE:
            found.append("…")
        found[-1] = f"{found[-1]} {sentence}".strip()
    return found
