import pytest
import redis

from producer.application import Producer
from producer.faults import explain
from tests.producer.conftest import SegmentExport
from worker.errors import SegmentExportError, StopRun, UsageError


def every(kind: type[redis.RedisError]) -> list[type[redis.RedisError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in every(child))]


@pytest.mark.parametrize("kind", every(redis.RedisError))
def test_every_error_of_redis_is_a_sentence_of_ours(kind: type[redis.RedisError]) -> None:
    error = kind.__new__(kind)
    sentence = explain(error, "redis://here:1/0")
    assert sentence.startswith("Redis ")
    assert sentence.endswith(".")
    assert "redis://here:1/0" in sentence


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (redis.ConnectionError("secret"), "can't be reached at redis://here:1/0: start it"),
        (redis.TimeoutError("secret"), "does not answer"),
        (redis.AuthenticationError("secret"), "refuses the login: correct user and password"),
        (redis.BusyLoadingError("secret"), "still loading"),
        (redis.ReadOnlyError("secret"), "read-only replica"),
        (redis.OutOfMemoryError("secret"), "no memory left"),
        (redis.ResponseError("secret"), "refuses a command (ResponseError)"),
    ],
)
def test_an_error_of_redis_says_what_to_do_and_not_its_text(error: redis.RedisError, part: str) -> None:
    sentence = explain(error, "redis://here:1/0")
    assert part in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    "error", [UsageError("There is no x: name another."), StopRun("It is over: go home.")]
)
def test_our_own_errors_speak_for_themselves(error: SegmentExportError) -> None:
    assert explain(error, "") == str(error)


@pytest.mark.here
def test_a_fault_of_our_own_is_a_sentence_without_what_it_was_about(
    producer: Producer, segment_export: SegmentExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_run_id: str) -> None:
        raise KeyError("somebody@example.com")

    monkeypatch.setattr(producer.runs, "document", break_down)
    result = segment_export("status", "any")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "segment-export met a fault of its own (KeyError): see where with `segment-export --debug` before "
        "the command, and report it.\n"
    )
    assert isinstance(segment_export("--debug", "status", "any").exception, KeyError)


@pytest.mark.here
def test_a_server_that_goes_away_in_the_middle_is_a_sentence_without_its_password(
    producer: Producer, segment_export: SegmentExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_run_id: str) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(producer.runs, "document", gone)
    result = segment_export("status", "any")
    assert (result.exit_code, result.stderr) == (
        1,
        "Redis can't be reached at redis://127.0.0.1:1/0: start it, or correct REDIS_URL.\n",
    )


@pytest.mark.parametrize("arguments", [("nonsense",), ("status",), ("--nonsense",)])
def test_what_it_does_not_know_is_wrong_usage(
    segment_export: SegmentExport, arguments: tuple[str, ...]
) -> None:
    result = segment_export(*arguments)
    assert result.exit_code == 2
    assert "Usage: segment-export" in result.stderr


def test_help_names_every_command_and_each_explains_itself(segment_export: SegmentExport) -> None:
    overview = segment_export("--help").stdout
    steering = ("status", "watch", "cancel", "pause", "resume")
    for name in ("apply", "get", "check", "run", "refresh", *steering, "rejected", "doctor"):
        assert f"\n  {name} " in overview
        about = segment_export(name, "-h")
        assert about.exit_code == 0
        assert about.stdout.startswith(f"Usage: segment-export {name} ")
