"""The program's entry point. It imports almost nothing before Ctrl-C ends the program in one line: loading the rest
takes a tenth of a second, in which Python itself would print where it was interrupted."""

import os
import signal

INTERRUPTED = 130


def main() -> int:
    """Load the command line, run one command and return its exit code."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where a shell ignores it for what runs in its background
        signal.signal(signal.SIGINT, _end)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # no other package's code beside a key; and faster
    from yieldbot.cli.main import main as run

    try:
        signal.signal(signal.SIGINT, usual)
        return run()
    except KeyboardInterrupt:
        _end()
        raise


def _end(*_: object) -> None:
    os.write(2, b"yieldbot: interrupted\n")
    os._exit(INTERRUPTED)
