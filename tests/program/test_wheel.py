"""The wheel, unpacked into an empty folder: it has what its messages point to, and works without the checkout."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.kit import ROOT

ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
PATHS = re.compile(r"(?:docs|scripts|tests|abis)/[a-z0-9_./-]*[a-z0-9]")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel's content, beside which nothing of the checkout is."""
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the wheel's program in ``folder``, with neither the checkout nor an anvil in reach."""
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r}); from yieldbot.cli.start import main; sys.exit(main())"
    env = {name: value for name, value in os.environ.items() if not name.endswith("RPC_URL")} | {"PATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_no_message_points_to_a_file_that_the_wheel_lacks(unpacked: Path) -> None:
    lacking = list[str]()
    for file in sorted((unpacked / "yieldbot").rglob("*.py")):
        if not PATHS.search(text := file.read_text()):
            continue
        tree = ast.parse(text)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        prose = {id(one.value) for node in ast.walk(tree) if isinstance(node, documented) for one in node.body
                 if isinstance(one, ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in prose:
                continue
            for path in PATHS.findall(node.value):
                there = path.startswith("docs/") and (unpacked / "yieldbot" / f"_{path}").exists()
                if not there and "checkout" not in node.value and not path.startswith("docs/decisions"):
                    lacking.append(f"{file.name}: {path}")
    assert lacking == []


def test_a_user_of_a_real_chain_can_begin_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    bare = run(unpacked, tmp_path)
    assert bare.returncode == 0 and "yieldbot init" in bare.stdout and "demo" not in bare.stdout
    sandbox = run(unpacked, tmp_path, "sandbox", "up")
    assert sandbox.returncode == 2 and "needs a checkout" in sandbox.stderr
    page = run(unpacked, tmp_path, "help", "docs/risk.md#exit")
    assert page.stdout.startswith("# ") and page.returncode == 0
    words = ("--chain", "base", "--rpc", "BASE_RPC_URL", "--wallet-from", ADDRESS, "--asset", "usdc")
    made = run(unpacked, tmp_path, "init", *words)
    assert made.returncode == 0 and (tmp_path / "yieldbot.toml").is_file()
    checked = run(unpacked, tmp_path, "check")
    assert "npm install @foundry-rs/anvil" in checked.stdout and "https://getfoundry.sh" in checked.stdout
    assert "put the RPC URL" in run(unpacked, tmp_path, "plan").stderr
