"""Which refusals are for good, and for how long they are believed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.exports.quarantine import Fate, classify, until
from worker.exports.uploading import Refusal

EMAIL = "ada@example.net"
GENERIC = "ERROR_GENERIC"
COMPLIANCE = (
    "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
)
VELOCITY = "has signed up to a lot of lists very recently; we're not allowing more signups for now."
GONE = "was permanently deleted and cannot be re-imported."
NOW = datetime(2026, 11, 24, 7, 42, tzinfo=UTC)

# of an address, by Mailchimp's documents and users' reports
TEXTS = [
    (f"{EMAIL} {COMPLIANCE}", Fate.COMPLIANCE),
    (f"{EMAIL} {GONE}", Fate.PERMANENT),
    (f"{EMAIL} {GONE} The contact must re-subscribe to get back on the list.", Fate.PERMANENT),
    (f"{EMAIL} looks fake or invalid, please enter a real email address.", Fate.PERMANENT),
    ("This email address looks fake or invalid. Please enter a real email address.", Fate.PERMANENT),
    ("Please provide a valid email address.", Fate.PERMANENT),
    ("This value should be a valid email.", Fate.PERMANENT),
    ("An email address must contain a single @.", Fate.PERMANENT),
    (
        "The domain portion of the email address is invalid (the portion after the @: example.c)",
        Fate.PERMANENT,
    ),
    ("The username portion of the email address is invalid (the portion before the @: .)", Fate.PERMANENT),
    (f"{EMAIL} {VELOCITY}", Fate.VELOCITY),
    ("(an address) " + VELOCITY.replace("'", "\u2019"), Fate.VELOCITY),
    (f"{EMAIL} appears more than once in this call.", Fate.OTHER),
    ("A deep, internal error has occurred during the processing of your request.", Fate.OTHER),
    ("Data did not match any of the schemas described in anyOf.", Fate.OTHER),
    ("", Fate.OTHER),
]

CODES = [
    ("Member In Compliance State", Fate.COMPLIANCE),
    ("Forgotten Email Not Subscribed", Fate.PERMANENT),
    ("ERROR_CONTACT_EXISTS", Fate.OTHER),
]

FIELDS = [
    ("BIRTHDAY", "Your merge fields were invalid. Please enter the birthday as MM/DD", Fate.PERMANENT),
    ("LTV", "Your merge fields were invalid. Bitte gib eine Zahl ein", Fate.PERMANENT),
    ("MMERGE1", "Your merge fields were invalid. Please enter a value", Fate.PERMANENT),
    ("TIER", "Your merge fields were invalid. Value must be one of: compliance state", Fate.PERMANENT),
    ("merge_fields.FNAME", "This value should be of type string.", Fate.PERMANENT),
    ("OLD", "Your merge fields were invalid. There is no such merge field", Fate.OTHER),
    ("email_address", "Dieser Wert ist ung\u00fcltig.", Fate.PERMANENT),
    ("email_address", f"{EMAIL} {VELOCITY}", Fate.VELOCITY),
    ("EMAIL", f"{EMAIL} {COMPLIANCE}", Fate.COMPLIANCE),
    ("EMAIL", "Bitte gib einen Wert ein", Fate.PERMANENT),
    ("status", "This field is missing.", Fate.OTHER),
    ("merge_fields", "Schema describes object, array found instead.", Fate.OTHER),
    ("", "Required fields were not provided: permission_reminder", Fate.OTHER),
]


def refusal(message: str, *, code: str = GENERIC, field: str = "", email: str = EMAIL) -> Refusal:
    return Refusal(email=email, code=code, message=message, field=field)


@pytest.mark.parametrize(("message", "fate"), TEXTS)
def test_a_text_about_an_address_tells_its_fate(message: str, fate: Fate) -> None:
    assert classify(refusal(message)) is fate


@pytest.mark.parametrize(("code", "fate"), CODES)
def test_a_code_that_says_something_tells_the_fate_alone(code: str, fate: Fate) -> None:
    assert classify(refusal("", code=code)) is fate
    assert classify(refusal(VELOCITY, code=code, field="FNAME")) is fate


@pytest.mark.parametrize(("field", "message", "fate"), FIELDS)
def test_a_field_to_blame_tells_whether_the_profile_is(field: str, message: str, fate: Fate) -> None:
    assert classify(refusal(message, field=field)) is fate
    assert classify(refusal(message, field=field, code="Invalid Resource")) is fate


CASES: st.SearchStrategy[Callable[[str], str]] = st.sampled_from([str.upper, str.lower])
letters = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789.-_+'"), max_size=30)
addresses = st.builds("{}@{}".format, letters, letters)


@given(st.sampled_from(TEXTS), addresses)
def test_the_fate_does_not_depend_on_who_it_is(told: tuple[str, Fate], address: str) -> None:
    message, fate = told

    assert classify(refusal(message.replace(EMAIL, address), email=address)) is fate


@given(st.sampled_from(TEXTS), st.sampled_from([" ", "\n", "\t ", "\u00a0"]), CASES)
def test_the_fate_does_not_depend_on_letter_case_and_spaces(
    told: tuple[str, Fate], space: str, case: Callable[[str], str]
) -> None:
    message, fate = told

    assert classify(refusal(case(space + message.replace(" ", space) + space))) is fate


@given(st.text(), st.text(), st.text(), st.text())
def test_every_refusal_has_a_fate(email: str, code: str, message: str, field: str) -> None:
    assert classify(Refusal(email, code, message, field)) in Fate


@given(st.text(st.characters(codec="ascii"), max_size=40), st.text(max_size=10))
def test_what_nobody_knows_is_not_for_good(message: str, code: str) -> None:
    known = ("compliance", "signups", "lists", "deleted", "imported", "fake", "email")
    assume(not any(word in message.lower() for word in known))

    assert classify(refusal(message, code=code)) is Fate.OTHER


@pytest.mark.parametrize("fate", [Fate.COMPLIANCE, Fate.PERMANENT])
def test_refused_for_good_is_refused_for_thirty_days(fate: Fate) -> None:
    assert until(NOW, fate) == NOW + timedelta(days=30)
    assert until(NOW, fate, days=7) == NOW + timedelta(days=7)


def test_too_many_recent_sign_ups_are_tried_again_the_next_day() -> None:
    assert until(NOW, Fate.VELOCITY) == until(NOW, Fate.VELOCITY, days=7) == NOW + timedelta(days=1)


def test_a_refusal_of_unknown_meaning_is_not_remembered() -> None:
    assert until(NOW, Fate.OTHER) is None


times = st.timedeltas(timedelta(0), timedelta(days=99_999)).map(NOW.__add__)


@given(times, st.sampled_from(Fate), st.integers(1, 999))
def test_whatever_is_remembered_is_forgotten_later(now: datetime, fate: Fate, days: int) -> None:
    end = until(now, fate, days)

    assert (end is None) is (fate is Fate.OTHER)
    assert end is None or end > now
