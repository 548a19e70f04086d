"""Compiles the sandbox's Solana programs from C to shared objects for LiteSVM; compiled once, cached by content."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from yieldbot.errors import ConfigError
from yieldbot.resources import CHECKOUT
from yieldbot.sandbox.solana.link import LinkError, link

HERE = Path(__file__).resolve().parent
CACHE = CHECKOUT / ".cache" / "programs"
STANDARD = ("kamino_lend", "marginfi", "orca_whirlpool", "save", "spl_stake_pool")
"""The programs that every Solana sandbox runs."""
FLAGS = (
    *("-target", "bpfel-freestanding", "-mcpu=v2", "-O2", "-ffreestanding", "-fno-builtin", "-fno-jump-tables"),
    *("-Wall", "-Werror", "-mllvm", "-bpf-stack-size=4096", "-c"),
)
"""clang's flags: the runtime's frames hold 4,096 bytes; it has no jump tables and none of clang's library calls."""


def program(name: str, trap: str = "") -> bytes:
    """The shared object of programs/<name>.c. trap: the misbehaviour to compile in, by its name in the source. Raises
    ConfigError when it cannot be compiled."""
    from filelock import FileLock

    source = HERE / "programs" / f"{name}.c"
    label, flags = (f"{name}_{trap.lower()}", (f"-D{trap}",)) if trap else (name, ())
    out = CACHE / f"{label}-{_key(source, flags)}.so"
    if not out.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(CACHE / "lock"):  # of test workers that all find the cache empty one compiles
            if not out.is_file():
                _compile(source, out, label, flags)
    return out.read_bytes()


def all_programs() -> None:
    """Compile the programs of the sandbox's market that the cache lacks."""
    for name in STANDARD:
        program(name)


def _key(source: Path, flags: tuple[str, ...]) -> str:
    """A hash of all that a program is made from."""
    digest = hashlib.sha256("\0".join((*FLAGS, *flags)).encode())
    for file in (source, HERE / "programs" / "svm.h", HERE / "link.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _compile(source: Path, out: Path, label: str, flags: tuple[str, ...]) -> None:
    if importlib.util.find_spec("ziglang") is None:
        raise ConfigError("ziglang is missing: run ./scripts/demo in the checkout, which installs it")
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        made = Path(folder) / "program.o"
        zig = {"ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"), "ZIG_LOCAL_CACHE_DIR": str(CACHE / "zig")}
        done = subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *FLAGS, *flags, str(source), "-o", str(made)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | zig,
        )
        if done.returncode:
            raise ConfigError(f"compiling {source.name} failed: {(done.stderr.strip() or 'no message')[:600]}")
        try:
            image = link([made.read_bytes()])
        except LinkError as failure:
            raise ConfigError(f"linking {source.name} failed: {failure}") from None
        part = Path(folder) / out.name
        part.write_bytes(image)
        part.replace(out)
    for stale in CACHE.glob(f"{label}-*.so"):
        if stale != out:
            stale.unlink(missing_ok=True)
