"""Sends a mail through an SMTP server, encrypted, in bounded time and memory."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import time
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from yieldbot.app.notify import NotSent
from yieldbot.errors import transport_words
from yieldbot.model.notices import Channel
from yieldbot.model.text import one_line

MOST_LINES = 500
"""Most lines of all of a server's answers together."""


class _Bounded:
    """The file object of an SMTP connection that ends after MOST_LINES lines or at a deadline."""

    def __init__(self, file: Any, until: float) -> None:
        self._file, self._until, self._left = file, until, MOST_LINES

    def readline(self, most: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0 or time.monotonic() > self._until:
            raise OSError("it answers without end")
        line: bytes = self._file.readline(most)
        return line

    def close(self) -> None:
        self._file.close()


class _Mixin:
    """Makes an SMTP connection read its answers through ``_Bounded``."""

    until: float
    file: Any
    sock: Any

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _Bounded(self.sock.makefile("rb"), self.until)
        answer: tuple[int, bytes] = super().getreply()  # type: ignore[misc]
        return answer


class _Plain(_Mixin, smtplib.SMTP):
    pass


class _Tls(_Mixin, smtplib.SMTP_SSL):
    pass


def hand_over(channel: Channel, message: EmailMessage, secrets: Mapping[str, str], seconds: float) -> None:
    """Send a mail through the channel's SMTP server. Nothing is sent unencrypted unless ``security`` is ``none``.

    Raises NotSent, whose message names the host alone."""
    context, server = ssl.create_default_context(), None
    kind = _Tls if channel.security == "tls" else _Plain
    options: dict[str, Any] = {"timeout": max(0.1, seconds), "local_hostname": "[127.0.0.1]"}
    if kind is _Tls:
        options["context"] = context
    try:
        server = kind(**options)
        server.until = time.monotonic() + seconds
        server._host = channel.server  # type: ignore[union-attr]  # for the certificate's name; connect() leaves it
        code, _ = server.connect(channel.server, channel.port)
        if code != 220:
            raise NotSent(f"{channel.server} does not take mail now (SMTP {code})")
        if channel.security == "starttls":
            server.starttls(context=context)
        if "password" in secrets:
            server.login(channel.user, secrets["password"])
        refused = server.send_message(message, channel.sender, list(channel.recipients))
        if refused:
            raise NotSent(f"{channel.server} does not take mail for {len(refused)} of its receivers")
    except smtplib.SMTPNotSupportedError as lacking:
        raise NotSent(f"{channel.server}: {one_line(str(lacking), 100)}: nothing is sent unencrypted") from None
    except smtplib.SMTPResponseException as failure:
        said = failure.smtp_error
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise NotSent(f"{channel.server} refused it with SMTP {failure.smtp_code}: {one_line(words, 160)}") from None
    except smtplib.SMTPRecipientsRefused as failure:
        raise NotSent(f"{channel.server} does not take mail for {len(failure.recipients)} of its receivers") from None
    except (OSError, ValueError) as failure:  # smtplib's other errors are OSErrors
        words = transport_words(failure) if isinstance(failure, OSError) else type(failure).__name__
        raise NotSent(f"{channel.server} cannot be reached ({one_line(words, 160)})") from None
    finally:
        if server is not None:
            with contextlib.suppress(OSError):
                server.close()
