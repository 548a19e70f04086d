"""Links eBPF objects, as clang writes them, into a shared object of SBPF version 0 that Solana's loaders accept.

LLVM's own linker has no eBPF target outside Solana's fork of it, so this module does what these programs need: code and
read-only data are placed one after the other at addresses equal to their offsets in the file; ``lddw`` is resolved to
the region that the runtime maps the file to; calls between functions become relative; and a call of an undefined
function is left open with a dynamic relocation, which the loader resolves to a syscall by its name.

Sources: the ELF format (TIS 1.2), the eBPF psABI's relocations, and solana-sbpf's ``elf.rs`` for what the loader
requires (section names, program headers, R_BPF_64_32 for syscalls).
"""

from __future__ import annotations

import struct
from dataclasses import field

from yieldbot.model.dataclass import dataclass

EM_BPF, ET_DYN = 247, 3
SHF_WRITE, SHF_ALLOC, SHF_EXEC = 1, 2, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_DYNAMIC, SHT_NOBITS, SHT_REL, SHT_DYNSYM = 1, 2, 3, 6, 8, 9, 11
SHN_LORESERVE = 0xFF00
STT_SECTION = 3
R_BPF_64_64, R_BPF_64_ABS64, R_BPF_64_32 = 1, 2, 10
R_BPF_IGNORED = (3, 4)
"""Relocations of debug and exception data, none of which is linked."""
REGION = 1 << 32
"""Address to which the runtime maps a program's read-only part (MM_PROGRAM_START)."""
HEADER, PROGRAM_HEADER, SECTION_HEADER, SYMBOL, RELOCATION, DYNAMIC = 64, 56, 64, 24, 16, 16
PROGRAM_HEADERS = 3
INSTRUCTION = 8
DT_STRTAB, DT_SYMTAB, DT_REL, DT_RELSZ, DT_RELENT, DT_FLAGS = 5, 6, 0x11, 0x12, 0x13, 0x1E
DF_TEXTREL = 4


class LinkError(Exception):
    """The error for an object that cannot be linked, in one line."""


@dataclass(frozen=True, slots=True)
class _Section:
    """One section header of an ELF object."""

    name: str
    """The section's name."""
    kind: int
    """The section's type (sh_type)."""
    flags: int
    """The section's flags (sh_flags)."""
    offset: int
    """Where the section begins in the file, in bytes."""
    size: int
    """The section's length in bytes."""
    link: int
    """Index of a section that this one refers to (sh_link): for a symbol table, that of its strings."""
    info: int
    """Index of the section that relocations apply to (sh_info)."""
    align: int
    """Alignment in bytes."""


@dataclass(frozen=True, slots=True)
class _Symbol:
    """One symbol of an ELF object."""

    name: str
    """The symbol's name."""
    is_section: bool
    """Whether the symbol stands for a section."""
    is_global: bool
    """Whether other objects can refer to the symbol."""
    section: int
    """Index of the symbol's section; 0: undefined."""
    value: int
    """The symbol's offset in the section, in bytes."""


@dataclass(slots=True)
class _Object:
    """One relocatable object file."""

    data: bytes
    """The whole file."""
    sections: list[_Section] = field(default_factory=list)
    """The file's section headers."""
    symbols: list[_Symbol] = field(default_factory=list)
    """The file's symbols."""

    def __post_init__(self) -> None:
        if self.data[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", self.data, 18)[0] != EM_BPF:
            raise LinkError("this is no eBPF object of 64 bits")
        (table,) = struct.unpack_from("<Q", self.data, 40)
        entry, count, names = struct.unpack_from("<HHH", self.data, 58)
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, table + entry * i) for i in range(count)]
        names_at = raw[names][4]
        for name, kind, flags, _, offset, size, link, info, align, _ in raw:
            self.sections.append(_Section(self._text(names_at + name), kind, flags, offset, size, link, info, align))
        for section in self.sections:
            if section.kind == SHT_SYMTAB:
                texts = self.sections[section.link].offset
                for at in range(section.offset, section.offset + section.size, SYMBOL):
                    name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
                    named = self._text(texts + name)
                    self.symbols.append(_Symbol(named, info & 15 == STT_SECTION, info >> 4 != 0, index, value))

    def _text(self, at: int) -> str:
        return self.data[at : self.data.index(b"\0", at)].decode()


@dataclass(slots=True)
class _Linker:
    """The shared object while it is put together."""

    objects: list[_Object]
    """What is linked."""
    text: bytearray = field(default_factory=bytearray)
    """The code so far."""
    rodata: bytearray = field(default_factory=bytearray)
    """Read-only data so far."""
    placed: dict[tuple[int, int], tuple[bytearray, int]] = field(default_factory=dict)
    """Where each (object, section) was put: the bytes and the offset in them."""
    syscalls: list[str] = field(default_factory=list)
    """Names of syscalls, in the order of first use."""
    open_calls: list[tuple[int, int]] = field(default_factory=list)
    """Calls that the loader resolves: offset in the code, index into ``syscalls``."""

    @property
    def text_at(self) -> int:
        return HEADER + PROGRAM_HEADERS * PROGRAM_HEADER

    @property
    def rodata_at(self) -> int:
        return _aligned(self.text_at + len(self.text))

    def place(self) -> None:
        """Append every section that is loaded to the others of its kind."""
        for number, made in enumerate(self.objects):
            for index, section in enumerate(made.sections):
                if not section.flags & SHF_ALLOC or section.size == 0:
                    continue
                relro = section.name.startswith(".data.rel.ro")
                if section.kind == SHT_NOBITS or (section.flags & SHF_WRITE and not relro):
                    raise LinkError(f"section {section.name}: a program of this version has no writable data")
                into = self.text if section.flags & SHF_EXEC else self.rodata
                into.extend(bytes(_aligned(len(into), max(section.align, 8)) - len(into)))
                self.placed[number, index] = (into, len(into))
                into.extend(made.data[section.offset : section.offset + section.size])

    def address(self, number: int, symbol: _Symbol) -> int | None:
        """A symbol's address in the file; None if no object defines it."""
        if 0 < symbol.section < SHN_LORESERVE and (number, symbol.section) in self.placed:
            return self._at(number, symbol.section) + symbol.value
        return self.globals().get(symbol.name)

    def globals(self) -> dict[str, int]:
        """Addresses of the symbols that objects define for others."""
        return {
            s.name: self._at(number, s.section) + s.value
            for number, made in enumerate(self.objects)
            for s in made.symbols
            if s.is_global and 0 < s.section < SHN_LORESERVE and (number, s.section) in self.placed
        }

    def _at(self, number: int, section: int) -> int:
        into, offset = self.placed[number, section]
        return (self.text_at if into is self.text else self.rodata_at) + offset

    def relocate(self) -> None:
        """Resolve the references in code and data."""
        for number, made in enumerate(self.objects):
            for section in made.sections:
                if section.kind != SHT_REL or (number, section.info) not in self.placed:
                    continue
                into, start = self.placed[number, section.info]
                for at in range(section.offset, section.offset + section.size, RELOCATION):
                    offset, info = struct.unpack_from("<QQ", made.data, at)
                    self._one(number, made.symbols[info >> 32], info & 0xFFFFFFFF, into, start + offset)

    def _one(self, number: int, symbol: _Symbol, kind: int, into: bytearray, at: int) -> None:
        target = self.address(number, symbol)
        if kind == R_BPF_64_32:
            self._call(symbol, target, at)
        elif kind in R_BPF_IGNORED:
            return
        elif target is None:
            raise LinkError(f"{symbol.name} is not defined")
        elif kind == R_BPF_64_64:  # lddw: two halves of an address, 8 bytes apart
            (low,) = struct.unpack_from("<I", into, at + 4)
            absolute = low + target + REGION
            struct.pack_into("<I", into, at + 4, absolute & 0xFFFFFFFF)
            struct.pack_into("<I", into, at + 12, absolute >> 32)
        elif kind == R_BPF_64_ABS64:
            (there,) = struct.unpack_from("<Q", into, at)
            struct.pack_into("<Q", into, at, there + target + REGION)
        else:
            raise LinkError(f"relocation {kind} of {symbol.name} is not known here")

    def _call(self, symbol: _Symbol, target: int | None, at: int) -> None:
        if target is None:  # a syscall
            if symbol.name not in self.syscalls:
                self.syscalls.append(symbol.name)
            struct.pack_into("<i", self.text, at + 4, -1)
            self.open_calls.append((self.text_at + at, self.syscalls.index(symbol.name) + 1))
            return
        if symbol.is_section:  # the instruction says where in the section, counted in instructions less one
            (there,) = struct.unpack_from("<i", self.text, at + 4)
            target += (there + 1) * INSTRUCTION
        struct.pack_into("<i", self.text, at + 4, (target - (self.text_at + at)) // INSTRUCTION - 1)

    def written(self, entry: str) -> bytes:
        """The shared object."""
        start = self.globals().get(entry)
        if start is None:
            raise LinkError(f"no function is called {entry}")
        names, symbols = b"\0", bytes(SYMBOL)
        for syscall in self.syscalls:
            symbols += struct.pack("<IBBHQQ", len(names), 0x10, 0, 0, 0, 0)
            names += syscall.encode() + b"\0"
        relocations = b"".join(struct.pack("<QQ", at, (index << 32) | R_BPF_64_32) for at, index in self.open_calls)
        dynamic_at = _aligned(self.rodata_at + len(self.rodata))
        tags_room = 7 * DYNAMIC
        symbols_at = dynamic_at + tags_room
        names_at = symbols_at + len(symbols)
        relocations_at = _aligned(names_at + len(names))
        end = relocations_at + len(relocations)
        tags = [(DT_SYMTAB, symbols_at), (DT_STRTAB, names_at)]
        if relocations:
            sizes = [(DT_RELSZ, len(relocations)), (DT_RELENT, RELOCATION)]
            tags = [(DT_FLAGS, DF_TEXTREL), (DT_REL, relocations_at), *sizes, *tags]
        dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags).ljust(tags_room, b"\0")
        read_only = SHF_ALLOC
        sections = [
            (".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXEC, self.text_at, bytes(self.text), 0, 0, 0),
            (".rodata", SHT_PROGBITS, read_only, self.rodata_at, bytes(self.rodata), 0, 0, 0),
            (".dynamic", SHT_DYNAMIC, SHF_WRITE | SHF_ALLOC, dynamic_at, dynamic, 5, 0, DYNAMIC),
            (".dynsym", SHT_DYNSYM, read_only, symbols_at, symbols, 5, 1, SYMBOL),
            (".dynstr", SHT_STRTAB, read_only, names_at, names, 0, 0, 0),
            (".rel.dyn", SHT_REL, read_only, relocations_at, relocations, 4, 0, RELOCATION),
        ]
        titles = b"\0"
        headers = bytes(SECTION_HEADER)
        for title, kind, flags, at, body, link, info, size in sections:
            headers += struct.pack("<IIQQQQIIQQ", len(titles), kind, flags, at, at, len(body), link, info, 8, size)
            titles += title.encode() + b"\0"
        titles_at = end
        all_titles = titles + b".shstrtab\0"
        headers += struct.pack("<IIQQQQIIQQ", len(titles), SHT_STRTAB, 0, 0, titles_at, len(all_titles), 0, 0, 1, 0)
        headers_at = _aligned(titles_at + len(all_titles))
        image = bytearray(headers_at + len(headers))
        counts = (HEADER, PROGRAM_HEADER, PROGRAM_HEADERS, SECTION_HEADER, len(sections) + 2, len(sections) + 1)
        elf = struct.pack("<HHIQQQIHHHHHH", ET_DYN, EM_BPF, 1, start, HEADER, headers_at, 0, *counts)
        image[:HEADER] = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + elf
        image[HEADER : self.text_at] = b"".join(
            struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, align)
            for kind, flags, at, size, align in (
                (1, 5, self.text_at, len(self.text), 0x1000),
                (1, 4, self.rodata_at, end - self.rodata_at, 0x1000),
                (2, 6, dynamic_at, len(dynamic), 8),
            )
        )
        for _, _, _, at, body, *_ in sections:
            image[at : at + len(body)] = body
        image[titles_at : titles_at + len(all_titles)] = all_titles
        image[headers_at:] = headers
        return bytes(image)


def link(objects: list[bytes], entry: str = "entrypoint") -> bytes:
    """The shared object of these relocatable ones. Raises LinkError."""
    linker = _Linker([_Object(data) for data in objects])
    linker.place()
    linker.relocate()
    return linker.written(entry)


def _aligned(value: int, to: int = 8) -> int:
    return -(-value // to) * to
