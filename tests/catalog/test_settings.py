import base64
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from worker.errors import TellOperator
from worker.settings import Settings, environ


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in list(os.environ):
        if variable.startswith("SEGMENT_EXPORT_") or variable in {"REDIS_URL", "PORT"}:
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def refusal() -> str:
    with pytest.raises(TellOperator) as caught:
        Settings.from_environment()
    return str(caught.value)


def test_every_variable_has_a_default(tmp_path: Path) -> None:
    settings = Settings.from_environment()
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.store_url == f"file://{tmp_path}/var"
    assert settings.mailchimp_url is None
    assert settings.port == 8000
    assert settings.lease == timedelta(seconds=20)
    assert settings.call_deadline == timedelta(seconds=125)
    assert settings.run_deadline == timedelta(hours=24)
    assert settings.keep == timedelta(days=30)
    assert settings.run_on == timedelta(seconds=30)


def test_logs_are_json_unless_a_person_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, expected in ((False, "json"), (True, "console")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert Settings.from_environment().log_format == expected


def test_the_variables_of_the_contract_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "rediss://user:password@redis.internal:6380/3")
    monkeypatch.setenv("SEGMENT_EXPORT_STORE_URL", "s3://bucket/folder")
    monkeypatch.setenv("SEGMENT_EXPORT_MAILCHIMP_URL", "http://127.0.0.1:9999/")
    monkeypatch.setenv("SEGMENT_EXPORT_LOG_FORMAT", "console")
    monkeypatch.setenv("PORT", "80")
    settings = Settings.from_environment()
    assert settings.redis_url.get_secret_value() == "rediss://user:password@redis.internal:6380/3"
    assert settings.store_url == "s3://bucket/folder"
    assert settings.mailchimp_url == "http://127.0.0.1:9999"
    assert settings.log_format == "console"
    assert settings.port == 80


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20", timedelta(seconds=20)),
        ("1.5s", timedelta(seconds=1.5)),
        ("250ms", timedelta(milliseconds=250)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(days=1)),
        ("30d", timedelta(days=30)),
    ],
)
def test_times_are_written_with_their_unit(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: timedelta
) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_LEASE", text)
    assert Settings.from_environment().lease == expected


@pytest.mark.parametrize("text", ["0", "-1s", "soon", "1w", "99999999d", "999999999999d", "nan", "1e3"])
def test_a_time_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_RUN_ON", text)
    assert refusal() == (
        f"The environment is not usable: SEGMENT_EXPORT_RUN_ON is '{text}' "
        "(expected a time above 0 such as 90s, 5m, 24h or 30d, or unset it)."
    )


def test_all_that_is_wrong_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "80a")
    monkeypatch.setenv("SEGMENT_EXPORT_LOG_FORMAT", "")
    assert refusal() == (
        "The environment is not usable: SEGMENT_EXPORT_LOG_FORMAT is empty (expected console or json, or "
        "unset it); PORT is '80a' (expected a port number from 1 to 65535, or unset it)."
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDIS_URL", "http://user:hunter2@host"),
        ("REDIS_URL", "redis://user:hunter2@host:99999/0"),
        ("REDIS_URL", "redis://user:hun/ter2@host:1/0"),
        ("REDIS_URL", "redis://user:12/hunter2@host"),
        ("REDIS_URL", "redis://user:hunter2[@host:1/0"),
        ("REDIS_URL", "redis:///hunter2"),
        ("SEGMENT_EXPORT_STORE_URL", "hunter2"),
        ("SEGMENT_EXPORT_STORE_URL", "file://hunter2"),
        ("SEGMENT_EXPORT_STORE_URL", "ftp://user:hunter2@host/x"),
        ("SEGMENT_EXPORT_MAILCHIMP_URL", "https://user:hunter2@host"),
        ("SEGMENT_EXPORT_MAILCHIMP_URL", "https://host/?key=hunter2"),
        ("SEGMENT_EXPORT_MAILCHIMP_URL", "hunter2"),
    ],
)
def test_an_unusable_address_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    sentence = refusal()
    assert sentence.startswith(f"The environment is not usable: {variable} holds something else (expected ")
    assert "hun" not in sentence


def test_secrets_stay_out_of_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://user:hunter2@host:6379/0?password=hunter2")
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", "hunter2")
    settings = Settings.from_environment()
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.redis_shown == "redis://host:6379/0"


def test_the_keys_come_from_the_environment_if_they_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", base64.b64encode(b"k" * 32).decode())
    ring = Settings.from_environment().keyring()
    assert ring.open(ring.seal(b"x", "c"), "c") == b"x"
    assert not (tmp_path / "var").exists()


def test_without_keys_a_key_file_is_made_below_the_working_directory(tmp_path: Path) -> None:
    ring = Settings.from_environment().keyring()
    assert (tmp_path / "var" / "secret.keys").is_file()
    assert Settings.from_environment().keyring().open(ring.seal(b"x", "c"), "c") == b"x"


def test_keys_set_to_nothing_are_not_taken_for_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGMENT_EXPORT_SECRET_KEYS", "")
    with pytest.raises(TellOperator, match="Key 1 of SEGMENT_EXPORT_SECRET_KEYS"):
        Settings.from_environment().keyring()
    assert not (tmp_path / "var").exists()


def test_the_environment_can_be_read_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "value")
    assert environ()["SOME_KEY"] == "value"
    assert not hasattr(environ(), "__setitem__")


def test_importing_the_settings_loads_nothing_slow() -> None:
    slow = ("cryptography", "redis", "polars", "httpx", "dramatiq", "obstore")
    code = f"import sys, worker.settings; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
