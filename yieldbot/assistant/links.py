"""Takes links, pictures and markup out of a model's text: whoever steers it could send what it knows to a server by an
address that somebody clicks, or that a chat fetches for a preview. Pure."""

from __future__ import annotations

import re
import unicodedata

LEFT_OUT = "(link left out)"
OWN_ENDINGS = frozenset(
    [
        "csv",
        "env",
        "html",
        "json",
        "jsonl",
        "lock",
        "log",
        "md",
        "py",
        "service",
        "sqlite",
        "svg",
        "timer",
        "toml",
        "txt",
    ]
)
"""Endings of files of ours, which are no domains."""
_REFERENCE = re.compile(r"^\s*\[[^\]\n]*\]:\s*\S+.*$", re.MULTILINE)
_MARKDOWN = re.compile(r"!?\[([^\]\n]*)\](?:\([^)\n]*\)|\[[^\]\n]*\])")
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^>\n]*>?")
_SCHEME = re.compile(
    r"[a-zA-Z][a-zA-Z0-9+.-]*:/{1,2}\S*|(?<![\w:])//\S+|\b(?:mailto|javascript|vbscript|data|tg|tel|sms|blob|ethereum|bitcoin|solana):\S+",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_DOMAIN = re.compile(r"(?<![\w./@])(?:[\w-]+(?:\.|\[\.\]|\(\.\)))+([^\W\d_]{2,24})(?![\w])(?:[/?:#]\S*)?", re.UNICODE)


def without_links(text: str) -> str:
    """The text with each link, picture and tag replaced by its words, or by LEFT_OUT; signs that nobody sees are
    removed, since they hide links and turn the direction of writing."""
    text = "".join(sign for sign in unicodedata.normalize("NFC", text) if unicodedata.category(sign) != "Cf")
    text = _REFERENCE.sub(LEFT_OUT, text)
    text = _MARKDOWN.sub(lambda one: f"{one[1]} {LEFT_OUT}".strip(), text)
    text = _TAG.sub(LEFT_OUT, text)
    text = _SCHEME.sub(LEFT_OUT, text)
    text = _MAIL.sub(LEFT_OUT, text)
    return _DOMAIN.sub(_domain, text)


def _domain(one: re.Match[str]) -> str:
    whole = one[0]
    plain = not re.search(r"[/?:#\[(]", whole)
    glued = whole.count(".") == 1 and one[1][0].isupper()  # two sentences without a space between them
    return whole if plain and (one[1].lower() in OWN_ENDINGS or glued) else LEFT_OUT
