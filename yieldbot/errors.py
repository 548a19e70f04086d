"""Every error that yieldbot raises, by what the loop does with it.

YieldbotError
├── ConfigError       refuse to start: exit 2. Names file, key and remedy.
├── TransientError    skip the chain this cycle (node down, slow, answering nonsense)
│   ├── NodeRefused   the node answered with a JSON-RPC error (code, message, data)
│   └── HttpRefused   the server before the node answered with an HTTP error (status, what, remedy)
├── MarketError       quarantine one market, plan the others
│   ├── ReadReverted  a read of a market reverted
│   └── CurveUnknown  what memory holds of a market's curve cannot be rebuilt by this version
├── SafetyError       a safety rule refused: exit 4. Carries a code in capitals.
│   └── SignerRefused the person at the signing device said no: nothing was signed
├── RunTimedOut       the run's deadline has passed: it ends, and says where it was
├── PendingError      a transaction's outcome is still open: exit 5. Running again settles it.
└── InvariantError    stop the process: what must hold does not (journal unreadable, deltas wrong)

Expected outcomes (Hold, Declined, Reverted) are values, not exceptions. Code that catches matches by type and never by
the text of a message.
"""

from yieldbot.model.text import one_line


class YieldbotError(Exception):
    """Root of the tree; its text is one printable line for the user, whoever's words are in it, and never holds a
    secret."""

    exit_code = 1

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


class ConfigError(YieldbotError):
    """Wrong configuration or usage; the text names file, key and remedy."""

    exit_code = 2


class TransientError(YieldbotError):
    """The chain cannot be served now; another cycle may succeed."""


class NodeRefused(TransientError):
    """The node answered with a JSON-RPC error. ``data``: revert bytes where the error carries them; ``details``: the
    error's own data as it came (Solana: of a failed simulation); ``status``: of the HTTP answer that held it;
    ``remedy``: what to do about it, where that status tells."""

    def __init__(
        self,
        method: str,
        code: int,
        message: str,
        data: bytes = b"",
        details: object = None,
        *,
        status: int = 200,
        remedy: str = "",
    ) -> None:
        under = f"code {code}" if status < 400 else f"code {code}, HTTP {status}"
        super().__init__(f"{method}: {message} ({under})" + (f": {remedy}" if remedy else ""))
        self.what = f"{method}: {message} ({under})"
        self.status = status
        self.remedy = remedy
        self.code = code
        self.node_message = one_line(message)
        self.data = data
        self.details = details

    @property
    def by_provider(self) -> bool:
        """Whether a provider refuses to be asked this (its plan, its limits), and no contract was called at all."""
        return self.status >= 400 and not self.data and self.code != 3


class HttpRefused(TransientError):
    """The server answered with the HTTP error ``status``. The text is ``what`` and ``remedy``."""

    def __init__(self, status: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.status = status
        self.what = one_line(what)
        self.remedy = remedy


class MarketError(YieldbotError):
    """One market cannot be read or is not what it claims; the others go on."""


class ReadReverted(MarketError):
    """A read-only call reverted. ``data`` holds the raw revert bytes."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data


class CurveUnknown(MarketError):
    """A yield curve's text is of a version or kind that is not known here, or is no curve."""


class SafetyError(YieldbotError):
    """A safety rule refused. ``code`` is stable and in capitals, as TARGET_NOT_ALLOWED; ``message``: why, in words."""

    exit_code = 4

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, one_line(message)


class SignerRefused(SafetyError):
    """The person at the signing device said no. The text is ``reason`` under the code HUMAN_REJECTED."""

    def __init__(self, reason: str) -> None:
        super().__init__("HUMAN_REJECTED", reason)
        self.reason = one_line(reason)


class RunTimedOut(YieldbotError):
    """The run's deadline (policy.run_timeout_seconds) has passed; the text says where it was."""


class PendingError(YieldbotError):
    """A transaction was sent and its outcome is not known yet."""

    exit_code = 5


class InvariantError(YieldbotError):
    """What must always hold does not; nothing more may be signed."""


def transport_words(failure: BaseException) -> str:
    """What went wrong between us and a server, in words. The failure's own may hold the URL, and a URL a key."""
    kinds = {kind.__name__ for kind in type(failure).__mro__}
    reason = getattr(failure, "reason", None)  # urllib wraps what it met
    if isinstance(reason, BaseException):
        return transport_words(reason)
    if kinds & {"SSLError", "ClientSSLError"}:
        return "its TLS certificate or handshake is not accepted"
    if kinds & {"gaierror", "ClientConnectorDNSError"}:
        return "its name cannot be resolved"
    if kinds & {"TimeoutError"}:
        return "no answer in time"
    if kinds & {"ClientConnectorError", "ConnectionRefusedError"}:
        return "no connection can be made"
    if kinds & {"ServerDisconnectedError", "ConnectionError", "ClientOSError", "IncompleteRead", "ClientPayloadError"}:
        return "the connection was cut"
    if kinds & {"UnicodeError", "ValueError", "RecursionError", "HttpProcessingError", "HTTPException"}:
        return "its answer cannot be read"
    return "no connection can be made" if "OSError" in kinds else f"its answer is of no use ({type(failure).__name__})"
