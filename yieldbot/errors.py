"""Every error that yieldbot raises, by what the caller does with it.

YieldbotError
├── ConfigError       refuse to start: exit code 2. Names file, key and remedy.
├── TransientError    skip the chain in this cycle (node down, slow, or answering nonsense)
│   ├── NodeRefused   the node answered with a JSON-RPC error (code, message, data)
│   ├── JournalHeld   another program holds the journal
│   ├── KeysHeld      another program holds the API keys
│   └── HttpRefused   a server answered with an HTTP error (status, what, remedy)
├── MarketError       quarantine one market, go on with the others
│   ├── ReadReverted  a read-only call reverted
│   └── CurveUnknown  what memory holds of a market's curve cannot be rebuilt by this version
├── SafetyError       a safety rule refused: exit code 4. Carries a code in capitals.
│   └── SignerRefused the person at the signing device said no: nothing was signed
├── RunInProgress another run holds the data directory: exit code 6. Says who, since when, at which step
├── RunTimedOut       the run's deadline passed: end the run, say where it was
├── PendingError      a transaction's outcome is still open: exit code 5. The next run settles it.
└── InvariantError    stop the process: what must hold does not (journal unreadable, wrong balance changes)

All others end with exit code 1. Expected outcomes (Hold, Declined, Reverted) are values, not exceptions. Handlers match
by type, never by the text of a message.
"""

from yieldbot.model.text import one_line


class YieldbotError(Exception):
    """Root of the tree. The text is one printable line for the user, also where it quotes others, and holds no
    secret."""

    exit_code = 1
    """The process's exit code where the error ends a command."""

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


class ConfigError(YieldbotError):
    """Wrong configuration or usage; the text names file, key and remedy."""

    exit_code = 2


class TransientError(YieldbotError):
    """The chain cannot be served now; a later cycle may succeed."""


class NodeRefused(TransientError):
    """The node answered with a JSON-RPC error."""

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
        """Method, message and code, without the remedy."""
        self.status = status
        """Status of the HTTP answer that held the error."""
        self.remedy = remedy
        """What to do about it, where the status tells; else empty."""
        self.code = code
        """The JSON-RPC error code."""
        self.node_message = one_line(message)
        """The node's message, in one line."""
        self.data = data
        """Revert data, where the error carries it; else empty."""
        self.details = details
        """The error's ``data`` member as it came; on Solana the result of a failed simulation."""

    @property
    def by_provider(self) -> bool:
        """Whether the provider itself refused the request (rate limit, plan), so that no contract was called."""
        return self.status >= 400 and not self.data and self.code != 3


class JournalHeld(TransientError):
    """Another program holds the journal, or writes it all the time."""


class KeysHeld(TransientError):
    """Another program holds the database of API keys and answers."""


class HttpRefused(TransientError):
    """A server answered with an HTTP error."""

    def __init__(self, status: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.status = status
        """The HTTP status."""
        self.what = one_line(what)
        """What went wrong, without the remedy."""
        self.remedy = remedy
        """What to do about it."""


class MarketError(YieldbotError):
    """One market cannot be read, or is not what it claims to be; the others go on."""


class ReadReverted(MarketError):
    """A read-only call reverted."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data
        """Raw revert data."""


class CurveUnknown(MarketError):
    """A yield curve's text is of a version or kind that is not known here, or is no curve."""


class SafetyError(YieldbotError):
    """A safety rule refused."""

    exit_code = 4

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """Stable and in capitals, as TARGET_NOT_ALLOWED."""
        self.message = one_line(message)
        """Why, in one line."""


class SignerRefused(SafetyError):
    """The person at the signing device refused; the code is HUMAN_REJECTED."""

    def __init__(self, reason: str) -> None:
        super().__init__("HUMAN_REJECTED", reason)
        self.reason = one_line(reason)
        """Why, in one line."""


class RunTimedOut(YieldbotError):
    """The run's deadline (policy.run_timeout_seconds) has passed; the text says which step was interrupted."""


class RunInProgress(YieldbotError):
    """Another process holds the run lock; the text names it, since when, and the step that it is at."""

    exit_code = 6


class PendingError(YieldbotError):
    """A transaction was sent and its outcome is not known yet."""

    exit_code = 5


class InvariantError(YieldbotError):
    """Something that must always hold does not; nothing more may be signed."""


class DiskFull(InvariantError):
    """A disk is full or failing; nothing was written. It may pass."""


_CUT = frozenset({
    "ClientOSError", "ClientPayloadError", "ConnectionError", "IncompleteRead", "NetworkError", "RemoteProtocolError",
    "ServerDisconnectedError",
})  # fmt: skip
"""Names of several libraries' errors for a connection that ended early."""


def transport_words(failure: BaseException) -> str:
    """Describe why a server could not be reached. The failure's own text is not used: it may hold the URL, and that a
    key."""
    kinds = {kind.__name__ for kind in type(failure).__mro__}
    reason = getattr(failure, "reason", None)  # urllib wraps what it met
    if isinstance(reason, BaseException):
        return transport_words(reason)
    if kinds & {"SSLError", "ClientSSLError"}:
        return "its TLS certificate or handshake is not accepted"
    if kinds & {"gaierror", "ClientConnectorDNSError"}:
        return "its name cannot be resolved"
    if kinds & {"TimeoutError", "TimeoutException"}:
        return "no answer in time"
    if kinds & {"ClientConnectorError", "ConnectionRefusedError", "ConnectError"}:
        return "no connection can be made"
    if kinds & {
        "ServerDisconnectedError",
        "RemoteProtocolError",
        "NetworkError",
        "ConnectionError",
        "ClientOSError",
        "IncompleteRead",
        "ClientPayloadError",
    }:
        return "the connection was cut"
    if kinds & {"UnicodeError", "ValueError", "RecursionError", "HttpProcessingError", "HTTPException"}:
        return "its answer cannot be read"
    return "no connection can be made" if "OSError" in kinds else f"its answer is of no use ({type(failure).__name__})"
