"""Mailchimp is called at its own hosts only, whatever a key says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import StopRun, TellOperator
from worker.mailchimp.address import base_url, of_data_centre

HOSTILE = [
    "x-evil.com/",
    "x-us1@evil",
    "x-us1.evil.com",
    "x-us1@evil.com/",
    "x-169.254.169.254/",
    "x-localhost:6379/",
    "x-us1/",
    "x-us1?",
    "x-us1#",
    "x-us1\n",
    "x-us1 ",
    "x- us1",
    "x-us1\\evil.com",
    "x-US1",
    "x-us１",  # noqa: RUF001  # a full-width digit, which str.isdigit() would take
    "x-uѕ1",  # noqa: RUF001  # a Cyrillic letter
    "x-us1234",
    "x-abcd1",
    "x-us",
    "x-1",
    "x-",
    "us1",
    "",
]


def test_the_data_centre_stands_after_the_last_dash_of_the_key() -> None:
    assert base_url("0123456789abcdef-us21") == "https://us21.api.mailchimp.com/3.0"
    assert base_url("a-b-c-us6") == "https://us6.api.mailchimp.com/3.0"


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_is_refused_in_one_sentence_that_does_not_hold_it(key: str) -> None:
    with pytest.raises(StopRun) as caught:
        base_url(key)
    assert str(caught.value) == (
        "The connection's API key does not end in a Mailchimp data centre such as -us21: "
        "copy the whole key from Mailchimp's account settings and apply it again."
    )


@given(st.text())
def test_no_name_of_a_data_centre_leads_to_another_host(name: str) -> None:
    try:
        base = of_data_centre(name)
    except StopRun:
        return
    assert base.isascii()
    assert base.removeprefix("https://").removesuffix(".api.mailchimp.com/3.0").isalnum()


@pytest.mark.parametrize(
    "override", ["http://127.0.0.1:8099", "http://127.0.0.1:8099/", "http://127.0.0.1:8099/3.0"]
)
def test_the_operators_own_base_is_used_for_every_key(override: str) -> None:
    assert base_url("any key", override) == "http://127.0.0.1:8099/3.0"


@pytest.mark.parametrize(
    "override",
    ["", "us1.api.mailchimp.com", "ftp://host", "http://", "https://user:pw@host", "http://host?a=b", "http://h#f",
     "http://host:port", "http://host/?", "http://ho\nst"],
)  # fmt: skip
def test_a_base_that_can_not_be_called_is_told_to_the_operator(override: str) -> None:
    with pytest.raises(TellOperator, match=r"^The other base URL set for Mailchimp is not one"):
        base_url("key-us1", override)
