"""[[notices]] and [notify]: each kind with its keys, no secret in the file, one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.config.files import SETTINGS, written
from yieldbot.app.context import Context
from yieldbot.config.load import load
from yieldbot.errors import ConfigError
from yieldbot.model.notices import QuietHours, Service, Severity, Topic

ALL = """
[[notices]]
kind = "telegram"
token_env = "BOT"
chat = "42"
quiet_hours = "22:00-07:30"
severities = ["warning", "critical"]
topics = ["plan", "alarm"]

[[notices]]
kind = "slack"
url_file = "slack.url"

[[notices]]
kind = "discord"
url_env = "DISCORD"

[[notices]]
kind = "email"
server = "smtp.example.org"
security = "tls"
user = "bot"
password_env = "PW"
from = "bot@example.org"
to = ["a@example.org", "b@example.org"]

[[notices]]
kind = "ntfy"
url_env = "TOPIC"
token_env = "NTFY"

[[notices]]
name = "hook"
kind = "webhook"
url_env = "HOOK"
secret_env = "SIGNING"

[notify]
time_zone = "Europe/Zurich"
daily_at = "07:15"
weekly_on = "sunday"
silent_after = "6h"
"""


def test_each_kind_with_its_keys(tmp_path: Path) -> None:
    found = load(written(tmp_path, SETTINGS + ALL))
    telegram, slack, _, mail, _, hook = found.notices
    assert [one.kind for one in found.notices] == list(Service)
    assert telegram.quiet == QuietHours(22 * 60, 7 * 60 + 30)
    assert telegram.severities == {Severity.WARNING, Severity.CRITICAL} and telegram.topics == {Topic.PLAN, Topic.ALARM}
    assert slack.url is not None and slack.url.file == tmp_path / "slack.url" and slack.name == "slack"
    assert mail.port == 465 and mail.recipients == ("a@example.org", "b@example.org")
    assert hook.name == "hook" and [one.key for one in hook.secrets] == ["url", "secret"]
    times = found.notice_times
    assert (times.time_zone, times.daily_minute, times.weekly_day, times.silent_seconds) == (
        "Europe/Zurich",
        435,
        6,
        21_600,
    )


def test_the_summary_in_words_is_off_by_default_and_has_a_time_of_day(tmp_path: Path) -> None:
    for index, (given, minute) in enumerate((("", None), ('nightly = "never"', None), ('nightly = "03:30"', 210))):
        (folder := tmp_path / str(index)).mkdir()
        assert load(written(folder, f"{SETTINGS}\n[assistant]\n{given}\n")).assistance.nightly_minute == minute
    (folder := tmp_path / "wrong").mkdir()
    with pytest.raises(ConfigError, match=r"assistant.nightly: '3' is no time of day"):
        load(written(folder, f'{SETTINGS}\n[assistant]\nnightly = "3"\n'))


def test_without_tables_there_is_none(tmp_path: Path) -> None:
    assert load(written(tmp_path)).notices == ()


def test_secrets_of_notices_are_hidden_everywhere(tmp_path: Path) -> None:
    context = Context(
        written(tmp_path, SETTINGS + ALL, env="HOOK=https://h.example/hidden-path\nDISCORD=another-secret\n")
    )
    assert context.settings.notices
    assert context.redacted("https://h.example/hidden-path another-secret") == "(hidden) (hidden)"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('kind = "telegram"\ntoken_env = "BOT"', r'notices\[1\].chat: is missing: add it, kind = "telegram" needs it'),
        ('kind = "slack"', r"notices\[1\].url_env: is missing"),
        ('kind = "slack"\nurl_env = "A"\nurl_file = "b"', r"notices\[1\].url_file: stands beside url_env"),
        ('kind = "slack"\nurl = "https://hooks.example/secret"', r"notices\[1\].url: unknown key"),
        ('kind = "slack"\nurl_env = "A"\nchat = "1"', r'notices\[1\].chat: does not belong to kind = "slack"'),
        ('kind = "ntfy"\nurl_env = "A"\nsecret_env = "B"', r"notices\[1\].secret_env: does not belong to"),
        ('kind = "pigeon"', r"notices\[1\].kind: 'pigeon' is not allowed"),
        ('kind = "discord"\nurl_env = "A"\nquiet_hours = "22-7"', r"notices\[1\].quiet_hours: '22' is no time of day"),
        ('kind = "discord"\nurl_env = "A"\nquiet_hours = "22:00"', r"notices\[1\].quiet_hours: '22:00' are no hours"),
        ('kind = "discord"\nurl_env = "A"\nquiet_hours = "22:00-22:00"', r"is no part of a day"),
        ('kind = "discord"\nurl_env = "A"\nseverities = []', r"notices\[1\].severities: is empty"),
        ('kind = "discord"\nurl_env = "A"\ntopics = ["x"]', r"notices\[1\].topics.* 'x' is not allowed"),
        ('kind = "discord"\nurl_env = "https://x"', r"notices\[1\].url_env: .* has characters that are not allowed"),
        (
            'kind = "email"\nserver = "s.example"\nfrom = "a@b.c"\nto = ["a@b.c"]\nsecurity = "none"',
            r"notices\[1\].security: mail would go over the network in the clear",
        ),
        ('kind = "email"\nserver = "s"\nfrom = "a"\nto = ["a@b.c"]', r"notices\[1\].from: 'a' is no mail address"),
        (
            'kind = "email"\nserver = "s"\nfrom = "a@b.c"\nto = ["a@b.c\\nBcc: d@e.f"]',
            r"notices\[1\].to: .* is no mail address",
        ),
        (
            'kind = "email"\nserver = "s"\nfrom = "a@b.c"\nto = ["a@b.c"]\npassword_env = "P"',
            r"notices\[1\].user: is missing",
        ),
        ('kind = "telegram"\ntoken_env = "B"\nchat = "1"\napi = "http://x.example"', r"notices\[1\].api: is no https"),
        ('kind = "slack"\nurl_env = "A"\n[[notices]]\nkind = "slack"\nurl_env = "B"', r"'slack' stands twice"),
        (
            'kind = "slack"\nurl_env = "A"\n[notify]\ntime_zone = "Mars/Base"',
            r"notify.time_zone: 'Mars/Base' is no",
        ),
        (
            'kind = "slack"\nurl_env = "A"\n[notify]\ntime_zone = "/etc/passwd"',
            r"notify.time_zone: '/etc/passwd'",
        ),
        ('kind = "slack"\nurl_env = "A"\n[notify]\ndaily_at = "8"', r"notify.daily_at: '8' is no time of day"),
        ('kind = "slack"\nurl_env = "A"\n[notify]\nsilent_after = "0h"', r"notify.silent_after: '0h': write hours"),
        *(
            (f"kind = 'slack'\nurl_env = 'A'\n[notify]\npage = '{page}'", "notify.page: is no page of plans")
            for page in (
                *("http://bot.example/{id}", "https://bot.example/plans", "https://{id}.example", "javascript:{id}"),
                *("https://me:pw@bot.example/{id}", "https://bot.example/{id}{id}", "https://b.example/{id} x"),
            )
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, table: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line) as refused:
        load(written(tmp_path, f"{SETTINGS}\n[[notices]]\n{table}\n"))
    assert "\n" not in str(refused.value) and "hooks.example" not in str(refused.value)
