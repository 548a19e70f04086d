"""Senders against services that take notices and services that fail on purpose, on this machine."""

from __future__ import annotations

import json
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path

import pytest

from tests.kit.notify.servers import Taken, certificate, http_service, mail_service
from yieldbot.app.notify import NotSent
from yieldbot.model.notices import Channel, Finding, Notice, NoticeTimes, Secret, Service, Severity, Topic
from yieldbot.notify.messages import signature
from yieldbot.notify.sending import send

LURES = "*a* _b_ `c` ```d``` <!channel> <@U1> @everyone [x](y) &lt; </pre><b> ;\u200b"
FINDING = Finding(key="k", topic=Topic.ALARM, severity=Severity.CRITICAL, text=f"alarm in {LURES}", at=1)
NOTICE = Notice(id="abc", title="yieldbot critical: alarm", findings=(FINDING,), left_out=3, at=7)
WHERE = Secret(key="url", env="X")


def channel(kind: Service, **more: object) -> Channel:
    return Channel(name="c", kind=kind, **more)  # type: ignore[arg-type]


def mailer(port: int, **more: object) -> Channel:
    own = {"server": "127.0.0.1", "port": port, "sender": "bot@example.org", "recipients": ("me@example.org",)}
    return channel(Service.EMAIL, **(own | more))


@pytest.fixture
def service() -> Iterator[Taken]:
    with http_service() as taken:
        yield taken


def sent(service: Taken, kind: Service, **secrets: str) -> tuple[str, dict[str, str], bytes]:
    given = {"url": f"{service.url}/hook", "token": "1:secret", "secret": "shared"} | secrets
    send(channel(kind, chat="42", api=service.url), NOTICE, given, 5)
    return service.requests[-1]


def test_telegram_gets_preformatted_text_in_which_nothing_is_markup(service: Taken) -> None:
    path, _, body = sent(service, Service.TELEGRAM)
    document = json.loads(body)
    assert path == "/bot1:secret/sendMessage" and document["chat_id"] == "42" and document["parse_mode"] == "HTML"
    head, _, rest = document["text"].partition("<pre>")
    inside = rest.removesuffix("</pre>")
    assert head == "<b>yieldbot critical: alarm</b>\n"
    assert "<" not in inside and ">" not in inside and "&lt;!channel&gt;" in inside and "&amp;lt;" in inside


def test_slack_gets_plain_text_without_its_control_sequences(service: Taken) -> None:
    document = json.loads(sent(service, Service.SLACK)[2])
    assert {block["text"]["type"] for block in document["blocks"]} == {"plain_text"}
    assert "<" not in json.dumps(document) and ">" not in json.dumps(document)
    assert "‹!channel›" in document["blocks"][1]["text"]["text"]


def test_discord_gets_a_block_of_code_that_mentions_nobody(service: Taken) -> None:
    document = json.loads(sent(service, Service.DISCORD)[2])
    assert document["allowed_mentions"] == {"parse": []} and document["flags"] == 4
    assert document["content"].count("`") == 6 and document["content"].endswith("\n```")


def test_ntfy_gets_text_a_priority_and_its_token_in_a_header(service: Taken) -> None:
    _, headers, body = sent(service, Service.NTFY)
    assert headers["Priority"] == "5" and headers["Title"] == NOTICE.title
    assert headers["Authorization"] == "Bearer 1:secret" and "Markdown" not in headers
    assert body.decode().splitlines()[0] == FINDING.text


def test_a_webhook_gets_a_signed_document(service: Taken) -> None:
    _, headers, body = sent(service, Service.WEBHOOK)
    parts = dict(part.split("=", 1) for part in headers["Yieldbot-Signature"].split(","))
    assert parts["v1"] == signature("shared", int(parts["t"]), body) and abs(int(parts["t"]) - time.time()) < 60
    assert signature("other", int(parts["t"]), body) != parts["v1"] != signature("shared", int(parts["t"]), body + b" ")
    document = json.loads(body)
    assert document["schema"] == "yieldbot/notice/v1" and headers["Yieldbot-Notice"] == document["id"] == "abc"
    assert document["findings"][0]["text"] == FINDING.text and document["left_out"] == 3


def test_a_plan_that_waits_is_linked_by_our_own_address_alone(service: Taken) -> None:
    """Of the id only what an address takes is in it; what others wrote is still no link."""
    page = "https://bot.example/plans/{id}"
    waits = replace(FINDING, plan_id="ab1/../x?y", text="plan ab1 waits; https://evil.example/plans/ab1 &")
    for kind in (Service.TELEGRAM, Service.SLACK, Service.DISCORD, Service.NTFY, Service.WEBHOOK):
        for where, linked in ((page, True), ("", False)):
            notice = replace(NOTICE, findings=(waits,), times=NoticeTimes(page=where))
            given = {"url": f"{service.url}/hook", "token": "1:secret", "secret": "shared"}
            send(channel(kind, chat="42", api=service.url), notice, given, 5)
            _, headers, body = service.requests[-1]
            whole = f"{headers} {body.decode()}"
            assert ("https://bot.example/plans/ab1%2F..%2Fx%3Fy" in whole) is linked, (kind, whole)
    own = replace(NOTICE, findings=(waits,), times=NoticeTimes(page="http://127.0.0.1:8377/plans/{id}"))
    send(channel(Service.TELEGRAM, chat="42", api=service.url), own, {"token": "1:secret"}, 5)
    assert b"reply_markup" not in service.requests[-1][2], "Telegram refuses buttons to a machine of one's own"


def test_messages_fit_into_what_services_take(service: Taken) -> None:
    long = Finding(key="long", topic=Topic.ALARM, severity=Severity.INFO, text="<&" * 150, at=1)
    many = (long,) * 50
    for kind, most in ((Service.TELEGRAM, 4096), (Service.SLACK, 4000), (Service.DISCORD, 2000), (Service.NTFY, 4096)):
        given = {"url": service.url, "token": "t"}
        send(channel(kind, api=service.url, chat="1"), Notice(id="i", title="t", findings=many, at=1), given, 5)
        body = service.requests[-1][2]
        text = body.decode() if kind is Service.NTFY else json.loads(body).get("text") or json.loads(body)["content"]
        text = json.loads(body)["blocks"][1]["text"]["text"] if kind is Service.SLACK else text
        assert len(text) <= min(most, 3000 if kind is Service.SLACK else most) and " more" in text


@pytest.mark.parametrize(
    ("mode", "message", "after"),
    [
        ("500", "127.0.0.1 refused it with HTTP 500: <b>� no", None),
        ("400", "127.0.0.1 refused it with HTTP 400: <b>� no", None),
        ("429", "127.0.0.1 refused it with HTTP 429", 120),
        ("429-date", "127.0.0.1 refused it with HTTP 429", 600),
        ("429-body", "127.0.0.1 refused it with HTTP 429", 77),
        ("redirect", "redirection (HTTP 307), which is not followed", None),
        ("cut", "cannot be reached", None),
        ("nonsense", "cannot be reached", None),
        ("hang", "cannot be reached", None),
    ],
)
def test_a_service_that_fails_is_one_line_with_its_host_alone(
    service: Taken, mode: str, message: str, after: int | None
) -> None:
    service.mode = mode
    began = time.monotonic()
    with pytest.raises(NotSent) as refused:
        send(channel(Service.SLACK), NOTICE, {"url": f"{service.url}/T0/secret-path"}, 0.4 if mode == "hang" else 5)
    assert message in str(refused.value) and "secret-path" not in str(refused.value)
    assert str(refused.value).isprintable() and time.monotonic() - began < 3
    assert refused.value.retry_after == pytest.approx(after, abs=3) if after else refused.value.retry_after is None
    assert [path for path, _, _ in service.requests] == ["/T0/secret-path"], "a redirection is not followed"


def test_of_a_huge_answer_only_the_beginning_is_read(service: Taken) -> None:
    service.mode = "huge"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    send(channel(Service.SLACK), NOTICE, {"url": service.url}, 5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
    assert service.written < 20 * 2**20


def test_an_answer_that_drips_is_left(service: Taken) -> None:
    service.mode = "slow"
    began = time.monotonic()
    send(channel(Service.SLACK), NOTICE, {"url": service.url}, 0.3)
    assert time.monotonic() - began < 2


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotSent, match=r"^127\.0\.0\.1 cannot be reached"):
        send(channel(Service.NTFY), NOTICE, {"url": f"http://127.0.0.1:{port}/topic"}, 2)
    with pytest.raises(NotSent, match=r"^127\.0\.0\.1 cannot be reached"):
        send(mailer(port, security="none"), NOTICE, {}, 2)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://hooks.example/T0/secret", "hooks.example: the address must begin with https://"),
        ("ftp://127.0.0.1/secret", "must begin with https://"),
        ("file:///etc/passwd", "is no URL"),
        ("https://exa mple/secret", "is no URL"),
        ("https://example.org/\r\nX: secret", "is no URL"),
        ("secret", "is no URL"),
        ("https://[::1/secret", "is no URL"),
    ],
)
def test_an_address_that_is_none_or_not_encrypted_is_refused(url: str, message: str) -> None:
    with pytest.raises(NotSent) as refused:
        send(channel(Service.WEBHOOK), NOTICE, {"url": url, "secret": "s"}, 1)
    assert message in str(refused.value) and "secret" not in str(refused.value).replace("the secret", "")


def test_a_certificate_counts_for_its_host_and_from_who_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, right_context = certificate(tmp_path)
    other, other_context = certificate(tmp_path, "elsewhere.example")
    both = tmp_path / "both.pem"
    both.write_bytes(right.read_bytes() + other.read_bytes())
    cases = ((right_context, both, True), (other_context, both, False), (right_context, other, False))
    for context, trusted, works in cases:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with http_service(context) as web, mail_service(context) as later, mail_service(context, at_once=True) as once:
            for where, given in (
                (channel(Service.SLACK), {"url": f"https://127.0.0.1:{web.port}/x"}),
                (mailer(later.port, user="bot", password=WHERE), {"password": "pw-of-bot"}),
                (mailer(once.port, security="tls", user="bot", password=WHERE), {"password": "pw-of-bot"}),
            ):
                if works:
                    send(where, NOTICE, given, 5)
                    continue
                with pytest.raises(NotSent, match="cannot be reached"):
                    send(where, NOTICE, given, 5)
            assert len(web.requests) == len(later.mails) == len(once.mails) == int(works)
            for mails in (later, once):
                assert all(login.endswith("encrypted") for login in mails.logins) and len(mails.logins) == int(works)


def test_a_mail_is_plain_text_with_our_own_subject() -> None:
    with mail_service() as taken:
        send(mailer(taken.port, security="none"), NOTICE, {}, 5)
    ((sender, receivers, text),) = taken.mails
    mail = message_from_string(text, policy=policy.default)
    assert "bot@example.org" in sender and "me@example.org" in receivers[0]
    assert mail["Subject"] == NOTICE.title and mail["Message-ID"] == "<abc@example.org>"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines()[0] == FINDING.text


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("refuse", "does not take mail now (SMTP 554)"),
        ("500", "refused it with SMTP 554: no"),
        ("rcpt", "does not take mail for 1 of its receivers"),
        ("hang", "cannot be reached"),
        ("endless", "cannot be reached"),
    ],
)
def test_a_mail_server_that_fails_is_one_line(mode: str, message: str) -> None:
    with mail_service() as taken:
        taken.mode = mode
        began = time.monotonic()
        with pytest.raises(NotSent) as refused:
            send(mailer(taken.port, security="none"), NOTICE, {}, 0.5)
        assert message in str(refused.value) and time.monotonic() - began < 3 and taken.mails == []
        assert taken.written < 20 * 2**20, "an answer without end is left"


def test_nothing_goes_to_a_mail_server_that_offers_no_encryption() -> None:
    with mail_service() as taken:
        with pytest.raises(NotSent, match="nothing is sent unencrypted"):
            send(mailer(taken.port, user="bot", password=WHERE), NOTICE, {"password": "pw"}, 5)
        assert taken.logins == [] and taken.mails == []


def test_a_wrong_password_is_not_shown() -> None:
    with mail_service() as taken:
        taken.mode = "login"
        with pytest.raises(NotSent, match="SMTP 535") as refused:
            send(mailer(taken.port, security="none", user="bot", password=WHERE), NOTICE, {"password": "pw-of-bot"}, 5)
        assert "pw-of-bot" not in str(refused.value)
