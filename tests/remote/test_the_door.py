"""Two variables lead to an API elsewhere; what they may hold, and what can't be done from there."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.application import Producer
from producer.cli import cli
from producer.remote.door import TOKEN, URL, Door, door_of
from tests.remote.conftest import At, command
from worker.errors import TellOperator

SCRIPT = Path(sys.executable).with_name("segment-export")
FAR = ("polars", "worker.mailchimp", "worker.jobs", "worker.sources", "worker.store", "producer.http")
SLOW = {"polars", "obstore", "dramatiq", "structlog", "yaml", "fastapi", "uvicorn"}


def door(url: str, token: str = "se_abc") -> Door:  # noqa: S107 - no secret
    found = door_of({URL: url, TOKEN: token})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://exports.example.com", "https://exports.example.com"),
        ("https://exports.example.com/", "https://exports.example.com"),
        ("HTTPS://exports.example.com/v1", "https://exports.example.com"),
        ("https://example.com:8443/exports/", "https://example.com:8443/exports"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_url_is_the_base_of_all_calls(url: str, base: str) -> None:
    assert door(url).url == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "exports.example.com",
        "ftp://example.com",
        "https://",
        "https://dana:pass@example.com",
        "https://se_secret@example.com",
        "https://example.com?token=se_secret",
        "https://example.com#here",
        "https://example.com:0",
        "https://example.com:port",
        "https://example.com\\@evil.example",
        "https://exa mple.com",
        "https://example.com\r\nHost: evil.example",
        "https://[::1",
    ],
)
def test_what_is_no_plain_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(TellOperator, match="can't be used: set it to https://") as refused:
        door(url)
    assert "pass" not in str(refused.value).partition("without")[0]
    assert "se_" not in str(refused.value)


@pytest.mark.parametrize(
    "token", ["", "abc", "se_", "se_abc\n", "se_abc\r\nHost: x", "Bearer se_abc", "se_ä"]
)
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(TellOperator, match="holds no token") as refused:
        door("https://example.com", token)
    assert len(token) < 4 or token not in str(refused.value)


def test_one_variable_without_the_other_leads_nowhere() -> None:
    assert door_of({}) is None
    for there, missing in ((URL, TOKEN), (TOKEN, URL)):
        with pytest.raises(TellOperator, match=f"{there} is set, but {missing} is not"):
            door_of({there: "x"})


@pytest.mark.parametrize(
    ("url", "fit"),
    [
        ("https://example.com", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]", True),
        ("http://example.com", False),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_keys_pass_only_where_nobody_can_read_them(url: str, *, fit: bool) -> None:
    assert door(url).fit_for_keys is fit


@pytest.mark.parametrize(
    "arguments",
    [
        ("connection", "add", "third", "--key-file", "key"),
        ("connection", "rotate-key", "newsletter", "--key-file", "key"),
        ("apply", "-f", "catalog.yaml"),
    ],
)
def test_a_key_is_not_sent_where_others_could_read_it(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "0123456789abcdef0123456789abcdef-us1"
    monkeypatch.chdir(tmp_path)
    Path("key").write_text(key)
    Path("catalog.yaml").write_text(f"connections: {{a: {{type: mailchimp, api_key: {key}}}}}")
    result = command(door("http://192.0.2.1"), *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "An API key is sent over https:// only, and http://192.0.2.1 is not: "
        "reach the API by https://, or give env:NAME or file:PATH instead of the key.\n"
    )


def test_a_file_that_can_not_be_read_is_not_sent_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("catalog.yaml").write_text("connections: {a: {api_key: [}")
    result = command(door("http://192.0.2.1"), "apply", "-f", "catalog.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("catalog.yaml:1: ")


@pytest.mark.parametrize("name", ["doctor", "serve"])
def test_what_needs_the_installation_says_so(at: At, name: str) -> None:
    result = command(at("administrator"), name)
    assert result.exit_code == 1
    assert "is done on a machine of the installation only" in result.output
    assert len(result.output.splitlines()) == 1


def test_the_environment_decides_where_a_command_goes(
    at: At, catalog: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = at("viewer")._door
    monkeypatch.setenv("REDIS_URL", "nonsense, and nobody asks")
    monkeypatch.setenv(URL, there.url)
    monkeypatch.setenv(TOKEN, there.token)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # it would read the token
    result = CliRunner().invoke(cli, ["get", "exports"])
    assert result.exit_code == 0, result.output
    assert [row.split()[0] for row in result.stdout.splitlines()[1:]] == sorted(
        catalog.catalog.everything().exports
    )


@pytest.fixture
def environment(at: At, catalog: Producer, monkeypatch: pytest.MonkeyPatch) -> Producer:
    """The variables of a machine that has nothing but a URL and a token."""
    there = at("administrator")._door
    monkeypatch.setenv(URL, there.url)
    monkeypatch.setenv(TOKEN, there.token)
    monkeypatch.delenv("SEGMENT_EXPORT_SECRET_KEYS", raising=False)
    return catalog


@pytest.mark.parametrize("arguments", [("get", "exports"), ("run", "weekly", "--json"), ("--help",)])
@pytest.mark.usefixtures("environment")
def test_a_plain_command_loads_nothing_slow(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from producer.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
        "print('\\n'.join(['MODULES', *sys.modules]))"
    )
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    loaded = set(result.stdout.partition("MODULES\n")[2].split())
    assert ("httpx" in loaded) is (arguments != ("--help",))
    assert loaded & SLOW == set()
    assert {name for name in loaded if name.startswith(FAR)} == set()


@pytest.mark.usefixtures("environment")
def test_nothing_of_an_installation_is_made_here(tmp_path: Path) -> None:
    subprocess.run([SCRIPT, "run", "weekly"], cwd=tmp_path, capture_output=True, check=True, timeout=30)
    assert not (tmp_path / "var").exists()
