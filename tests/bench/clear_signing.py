"""The public ERC-7730 registry's own test cases: how many are described correctly, wrongly, or refused.

Right: intent, owner, sentence and every field that the case expects, in its order, and no other visible one. Ours may
say more about the same thing, and is compared without it: separators of thousands, the name behind an address (or the
address before a name), the number behind an enumeration's word or an amount without limit. Refused: a reason is given
instead.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, KnownNames, read
from yieldbot.chains.evm.execution.clear_typed import read_typed
from yieldbot.chains.evm.execution.erc7730 import Descriptor, descriptors
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, evm_chain
from yieldbot.resources import folder

NATIVES = {
    56: "BNB", 137: "POL", 43114: "AVAX", 100: "xDAI", 42220: "CELO", 14: "FLR", 19: "SGB", 1329: "SEI", 250: "FTM",
    999: "HYPE", 146: "S", 80094: "BERA", 5000: "MNT", 38833: "iKAS",
}  # fmt: skip
"""What the native currency is called where it is not ETH."""


def measure(where: Path) -> int:
    """Prints what is not right, and the counts; 1 where a case is wrong. ``where``: the registry's folder."""
    if not any(_tests(where)):
        print(f"scripts/bench: no test file (testsv2/*.tests.json) was found in {where}", file=sys.stderr)
        return 2
    began = time.perf_counter()
    lost: list[str] = []
    known = descriptors(where, lost.append)
    print(f"{len(known)} descriptors in {time.perf_counter() - began:.1f} s; {len(lost)} cannot be read")
    for line in lost:
        print(f"  {line}")
    counts: dict[str, Counter[str]] = {"calldata": Counter(), "typed data": Counter()}
    for kind, name, ended, why in outcomes(where, known):
        counts[kind][ended] += 1
        if ended != "right":
            print(f"  {ended}: {name}: {why}")
    for kind, count in counts.items():
        print(
            f"{kind}: {count.total()} cases: {count['right']} right, {count['refused']} refused, {count['wrong']} wrong"
        )
    return int(any(count["wrong"] for count in counts.values()))


def _tests(where: Path) -> Iterator[Path]:
    return (path for path in where.rglob("*.tests.json") if path.parent.name == "testsv2")


def outcomes(where: Path, known: Sequence[Descriptor]) -> Iterator[tuple[str, str, str, str]]:
    """For each case: its kind, its name, "right", "refused" or "wrong", and why."""
    abi = abi_functions(folder("abis"))
    for path in sorted(_tests(where)):
        document = json.loads(path.read_text(encoding="utf-8"))
        for case in document["tests"]:
            kind = "typed data" if "data" in case else "calldata"
            name = f"{path.parent.parent.name}/{path.name}: {case['description']}"
            try:
                reading = _read(case, document.get("dataProvider") or {}, known, abi)
            except (ConfigError, ValueError) as refused:
                yield kind, name, "refused", str(refused)
                continue
            why = differs(reading, case["expected"])
            if why is None:
                yield kind, name, "right", ""
            elif reason := refused_by(reading):
                yield kind, name, "refused", reason
            else:
                yield kind, name, "wrong", why


def refused_by(reading: DecodedTx) -> str | None:
    """Why nothing (of it, or of a call within it) is said in a descriptor's words."""
    if reading.fault is not None:
        return reading.fault
    if reading.source is None or not reading.source.endswith(".json"):
        return f"no descriptor describes {reading.function}"
    return next((why for one in reading.nested if (why := refused_by(one))), None)


def _read(case: Mapping[str, Any], provider: Mapping[str, Any], known: Sequence[Descriptor], abi: Any) -> DecodedTx:
    if "data" in case:
        chain = int(case["data"]["domain"].get("chainId", 0))
        return read_typed(case["data"], book(chain, provider), abi, known)
    chain, to, value, data = transaction(bytes.fromhex(case["rawTx"][2:]))
    return read(Call(to, data, value, case.get("from")), book(chain, provider), abi, known)


def book(chain: int, provider: Mapping[str, Any]) -> KnownNames:
    """The names that a test file brings along, as they would stand in a chain's file."""
    of = evm_chain(chain)
    tokens = {
        address.lower(): Token(of, Address(address), said["symbol"], said["decimals"])
        for address, said in (provider.get("tokens") or {}).items()
    }
    names = {address: token.symbol for address, token in tokens.items()}
    for source in ("nftCollectionNames", "ensNames", "addressNames"):
        names |= {address.lower(): str(name) for address, name in (provider.get(source) or {}).items()}
    native = Token(of, Address("0x" + "00" * 20), NATIVES.get(chain, "ETH"), 18)
    return KnownNames(chain, native, names, tokens)


def transaction(raw: bytes) -> tuple[int, str, int, bytes]:
    """Chain, target, value and data of an unsigned transaction, or of a signed one. Raises ValueError."""
    import rlp

    typed = raw[0] if raw[0] < 0x7F else 0
    fields = rlp.decode(raw[1:] if typed else raw, strict=False)
    place = {0: 3, 1: 4, 2: 5}.get(typed)
    if place is None:
        raise ValueError(f"a transaction of type {typed} is not read here")
    number = int.from_bytes(fields[0] if typed else fields[6], "big")
    if not typed and len(fields[7]) > 0:
        number = (number - 35) // 2
    return number, "0x" + fields[place].hex(), int.from_bytes(fields[place + 1], "big"), fields[place + 2]


def differs(reading: DecodedTx, expected: Mapping[str, Any]) -> str | None:
    """The first difference in words; None without one."""
    if reading.fault is not None:
        return reading.fault
    if reading.intent != expected["intent"]:
        return f"intent {reading.intent!r}, not {expected['intent']!r}"
    if expected.get("owner") not in (None, reading.owner):
        return f"owner {reading.owner!r}, not {expected['owner']!r}"
    if "interpolatedIntent" in expected and not same(reading.sentence, expected["interpolatedIntent"]):
        return f"sentence {reading.sentence!r}, not {expected['interpolatedIntent']!r}"
    ours = [one for one in reading.fields if one.visible and one.described and not one.label.startswith("domain ")]
    wanted, nested = expected["fields"], list(reading.nested)
    said, theirs = [one.label for one in ours], [one["label"] for one in wanted]
    if said != theirs:
        return f"fields {said}, not {theirs}"
    for one, want in zip(ours, wanted, strict=True):
        inner = nested.pop(0) if one.calls and one.calls[0].to is not None and nested else None
        if isinstance(want["value"], Mapping):
            if inner is None:
                return f"{one.label}: no call within"
            if why := differs(inner, want["value"]):
                return f"{one.label}: {why}"
        elif not same(one.value, want["value"]):
            return f"{one.label}: {one.value!r}, not {want['value']!r}"
    return None


def bare(value: str) -> str:
    """A value without separators of thousands and with the registry's way to write a time zone."""
    value = re.sub(r"(?<=\d),(?=\d{3}(\D|$))", "", value)
    return re.sub(r"(?<=\d\d:\d\d:\d\d) UTC", "Z", value).strip()


def same(ours: str, wanted: str) -> bool:
    """Whether ours says what is wanted, beside what it says more: a name is wanted with or without its address."""
    mine, theirs = bare(ours), bare(wanted)
    named, addressed = (re.sub(r"(0x[0-9a-fA-F]{40}) \(([^()]*)\)", part, mine) for part in (r"\2", r"\1"))
    return theirs in {made for one in (mine, named, addressed) for made in (one, less(one), whole(one))}


def less(mine: str) -> str:
    """Without "base units of ..." behind a number, and without the raw number behind a word."""
    mine = re.sub(
        r" base units of (0x[0-9a-fA-F]{40}|\S+)( \(by its descriptor [^()]*\))?",
        "",
        mine.replace("an unnamed token", "?"),
    )
    return re.sub(r"(?<=\S) \((\d+|true|false|0x[0-9a-fA-F]*)\)", "", mine).removesuffix(" ()")


def whole(mine: str) -> str:
    """The number alone of one that is beyond a threshold and whose token is not known."""
    found = re.fullmatch(r".* of 0x[0-9a-fA-F]{40} \((\d+)\)", mine)
    return found[1] if found else mine
