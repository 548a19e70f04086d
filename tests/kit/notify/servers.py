"""Services on this machine that take notices, and fail on purpose: over HTTP, HTTPS and SMTP."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Taken:
    """A service's behaviour, and what it received."""

    mode: str = "works"
    """works, 500, 400, 429, 429-date, 429-body, redirect, huge, slow, hang, cut, nonsense; of mail works, 500, hang,
    refuse, login, rcpt, endless."""
    port: int = 0
    """The port on which it listens."""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers and body of each request."""
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)
    """Sender, receivers and text of each mail."""
    logins: list[str] = field(default_factory=list)
    """The log-in lines received."""
    written: int = 0
    """Bytes of answers that the client read."""
    ends: threading.Event = field(default_factory=threading.Event)
    """When set, ends requests that hang."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Http(http.server.BaseHTTPRequestHandler):
    taken: Taken

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        taken = self.taken
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken.requests.append((self.path, dict(self.headers), body))
        with contextlib.suppress(OSError):
            self._answer(taken)

    def _answer(self, taken: Taken) -> None:
        if taken.mode == "hang":
            taken.ends.wait(10)
        elif taken.mode == "cut":
            self.connection.close()
        elif taken.mode == "nonsense":
            self.wfile.write(b"\x00\xff no HTTP \r\n\r\n")
        elif taken.mode in ("huge", "slow"):
            self.send_response(200)
            self.end_headers()
            for _ in range(4096):
                taken.written += self.wfile.write(b"x" * (16_384 if taken.mode == "huge" else 1))
                if taken.mode == "slow" and taken.ends.wait(0.05):
                    break
        elif taken.mode == "redirect":
            self.send_response(307)
            self.send_header("Location", f"{taken.url}/elsewhere")
            self.end_headers()
        else:
            status = 200 if taken.mode == "works" else int(taken.mode[:3])
            said = b'{"ok": false, "parameters": {"retry_after": 77}}' if taken.mode == "429-body" else b"<b>\x1b no"
            self.send_response(status)
            if taken.mode == "429":
                self.send_header("Retry-After", "120")
            if taken.mode == "429-date":
                when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=600)
                self.send_header("Retry-After", when.strftime("%a, %d %b %Y %H:%M:%S GMT"))
            self.end_headers()
            self.wfile.write(said)


class _Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@contextlib.contextmanager
def http_service(context: ssl.SSLContext | None = None) -> Iterator[Taken]:
    """A service over HTTP, with TLS where a context is given."""
    taken = Taken()
    handler = type("Handler", (_Http,), {"taken": taken})
    with _Threads(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        yield from _running(server, taken)


@contextlib.contextmanager
def mail_service(context: ssl.SSLContext | None = None, at_once: bool = False) -> Iterator[Taken]:
    """A mail server; with a context it offers STARTTLS, or speaks TLS at once."""
    taken = Taken()

    class Mail(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                _mail(self.request, taken, context, at_once)

    with _Threads(("127.0.0.1", 0), Mail) as server:
        yield from _running(server, taken)


def _running(server: Any, taken: Taken) -> Iterator[Taken]:
    taken.port = server.server_address[1]
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        taken.ends.set()
        server.shutdown()
        thread.join()


def _mail(plain: socket.socket, taken: Taken, context: ssl.SSLContext | None, at_once: bool) -> None:
    connection = context.wrap_socket(plain, server_side=True) if at_once and context is not None else plain
    lines = connection.makefile("rb")

    def say(text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")

    if taken.mode == "hang":
        taken.ends.wait(10)
        return
    if taken.mode == "endless":
        while not taken.ends.is_set():
            connection.sendall(b"220-more\r\n" * 100)
            taken.written += 1000
        return
    say("554 not now" if taken.mode == "refuse" else "220 here")
    secure, sender, receivers = at_once, "", list[str]()
    while line := lines.readline().decode().strip():
        word = line.split(" ")[0].upper()
        if word == "EHLO":
            offers = ["250-here"] + (["250-STARTTLS"] if context is not None and not secure else [])
            say("\r\n".join([*offers, "250 AUTH PLAIN"]))
        elif word == "STARTTLS" and context is not None:
            say("220 go")
            connection = context.wrap_socket(connection, server_side=True)
            lines, secure = connection.makefile("rb"), True
        elif word == "AUTH":
            taken.logins.append(f"{line} {'encrypted' if secure else 'in the clear'}")
            say("535 wrong" if taken.mode == "login" else "235 ok")
        elif word == "MAIL":
            sender = line
            say("250 ok")
        elif word == "RCPT":
            receivers.append(line)
            say("550 nobody" if taken.mode == "rcpt" else "250 ok")
        elif word == "DATA":
            say("354 go")
            text = b""
            while (part := lines.readline()) not in (b".\r\n", b""):
                text += part
            if taken.mode == "500":
                say("554 no")
                continue
            taken.mails.append((sender, list(receivers), text.decode()))
            say("250 taken")
        elif word == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")


def certificate(folder: Path, host: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """(file of a certificate for a host, to be trusted; a server's context with it)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "yieldbot test")])
    now = datetime.datetime.fromtimestamp(time.time() - 3600, datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / f"{host}.pem", folder / f"{host}.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(pem, pkcs8, bare))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return file, context
