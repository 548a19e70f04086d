"""Hostile requests to a real signer: python -m tests.signer.soak SECONDS [SEED], by `scripts/soak signer`.

The callers are other users of the system where this runs as root, else the same. It fails where a plan is staged, a
transaction is signed, a byte of a key is in an answer, a caller can read a key, or the signer ends, grows or no longer
answers.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eth_account import Account

from tests.kit import ROOT
from tests.kit.config.files import SETTINGS, WALLET, written
from tests.kit.hostile_server import frames
from tests.kit.signer import ANNA, BEN
from yieldbot.app import approvers
from yieldbot.app.context import Context
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.store import Journal

CALLERS = 3
FIRST_UID = 65_000
PASSPHRASE = "correct horse battery staple"
MOST_GROWTH_KB = 150_000


def main(seconds: float, seed: int) -> int:
    """0: nothing was signed, shown or broken."""
    place = Path(tempfile.mkdtemp(prefix="yb", dir="/tmp"))
    place.chmod(0o755)
    key = os.urandom(32)
    folder = place / "signer"
    folder.mkdir(mode=0o700)
    account = Account.from_key(key)
    text = SETTINGS.replace("[policy]", "[policy]\napprovals_needed = 2").replace(WALLET, account.address)
    text = text.replace('keystore = "keys/main.json"', 'keystore = "keys/main.json"\npassphrase_file = "passphrase"')
    config = written(folder, text, env="TESTNET_RPC_URL=http://127.0.0.1:9/key-of-a-provider\n")
    (folder / "keys").mkdir(mode=0o700)
    for name, content in (
        ("keys/main.json", json.dumps(Account.encrypt(key, PASSPHRASE, kdf="pbkdf2", iterations=1000))),
        ("passphrase", PASSPHRASE),
    ):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    (folder / ".env").chmod(0o600)
    context = Context(config)
    for name, person in (("anna", ANNA), ("ben", BEN)):
        approvers.add(approvers.person(name, wallet=str(person.address)), context)
    root, at, log = os.geteuid() == 0, place / "s", (place / "log").open("w+")
    words = ["--config", str(config), "signer", "--socket", str(at), "--every", "5"]
    words += ["--group", str(FIRST_UID)] if root else []
    process = subprocess.Popen(
        [sys.executable, "-m", "yieldbot.cli.main", *words], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=log
    )
    try:
        while not at.exists() and process.poll() is None:
            time.sleep(0.05)
        if process.poll() is not None:
            log.seek(0)
            print(f"the signer does not begin: {log.read()}", file=sys.stderr)
            return 1
        before = resident_kb(process.pid)
        secrets = [key, key.hex().encode(), PASSPHRASE.encode(), b"key-of-a-provider"]
        files = [
            str(folder / "keys/main.json"),
            str(folder / "passphrase"),
            str(folder / ".env"),
            f"/proc/{process.pid}/mem",
        ]
        fork = multiprocessing.get_context("fork")
        found: Any = fork.Queue()
        callers = [
            fork.Process(target=call, args=(found, at, account.address, seed + number, seconds, secrets, files, root))
            for number in range(CALLERS)
        ]
        for one in callers:
            one.start()
        ends = [found.get(timeout=seconds + 300) for _ in callers]
        faults = [fault for end in ends for fault in end["faults"]]
        if process.poll() is not None:
            faults.append(f"the signer ended with {process.returncode}")
        elif (grown := resident_kb(process.pid) - before) > MOST_GROWTH_KB:
            faults.append(f"the signer has grown by {grown} kB")
        process.terminate()
        if process.wait(60) != 0:
            faults.append(f"the signer ended with {process.returncode} at SIGTERM")
        log.seek(0)
        if "a bug" in (said := log.read()) or "Traceback" in said:
            faults.append("the signer's log has a bug: " + said[-500:])
        faults += [f"the log shows {one!r}" for one in secrets if one.decode("latin-1") in said]
        with Journal.read(context.settings.data_dir / "journal.sqlite") as journal:
            plans, signed, rows = len(journal.plans()), len(journal.transactions()), journal.history()
        noted = sum(one.entry.times for one in rows if isinstance(one.entry, AccessNoted))
        if plans or signed:
            faults.append(f"{plans} plans were staged and {signed} transactions signed")
        codes: dict[str, int] = {}
        for end in ends:
            for code, times in end["codes"].items():
                codes[code] = codes.get(code, 0) + times
        print(f"{sum(codes.values())} answers in {seconds:.0f} s: {dict(sorted(codes.items()))}")
        print(f"{len(rows)} rows of the journal count {noted} refusals; {plans} plans staged, {signed} transactions")
        for fault in faults:
            print(f"FAULT: {fault}", file=sys.stderr)
        return 1 if faults else 0
    finally:
        process.kill()
        process.wait()
        log.close()
        shutil.rmtree(place)


def call(
    found: Any, at: Path, owner: str, seed: int, seconds: float, secrets: list[bytes], files: list[str], root: bool
) -> None:
    """One hostile caller until its time is over."""
    if root:
        os.setgroups([])
        os.setgid(FIRST_UID)
        os.setuid(FIRST_UID + seed % 100)
    codes: dict[str, int] = {}
    faults: list[str] = []
    draw, until = random.Random(seed), time.monotonic() + seconds
    if root:
        for name in files:
            try:
                with open(name, "rb"):
                    faults.append(f"{name} can be read")
            except OSError:
                pass
    idle: list[socket.socket] = []
    for frame in frames(draw, owner):
        if time.monotonic() > until or len(faults) > 20:
            break
        answer = sent(at, frame)
        faults += [f"an answer shows a secret to {frame[:80]!r}" for one in secrets if one in answer]
        code = "none"
        if answer:
            document = json.loads(answer[4:])
            code = document["problem"]["code"] if "problem" in document else "answered"
            if code in ("BROKEN", "FAILED"):
                faults.append(f"{code} for {frame[:3000]!r}")
        codes[code] = codes.get(code, 0) + 1
        for line in idle:
            line.close()
        idle = []
        if not answer:
            time.sleep(0.002)
        if draw.random() < 0.02:  # callers that say nothing
            idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
            for line in idle:
                line.setblocking(False)
                line.connect_ex(str(at))
    found.put({"codes": codes, "faults": faults})


def sent(at: Path, frame: bytes) -> bytes:
    """The answer to a frame; empty where the connection is closed."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        try:
            line.connect(str(at))
            line.sendall(frame)
            line.shutdown(socket.SHUT_WR)
            found = b""
            while part := line.recv(65_536):
                found += part
        except OSError:
            return b""
        return found


def resident_kb(pid: int) -> int:
    """Memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
