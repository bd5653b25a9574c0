"""What may happen between refreshes and meanwhile, as hypothesis draws it."""

from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from tests.mailchimp_standin.faults import Action, Bare, Broken, Refuse, Reset, Swallow, Truncate
from tests.simulation.driver import Weather
from tests.simulation.expected import FAKE, Row

ADDRESSES: Final = (*(f"person.{n}@inbox.example" for n in range(8)), f"fake{FAKE}")
PEOPLE: Final = range(7)


@dataclass
class Person:
    """A customer, as the source has them; `address` is None where it is no address."""

    address: str | None
    segments: set[int] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> Row:
        return Row(self.address, dict(self.values))

    def change(self, what: str, value: Any) -> None:
        """Lets one thing of `CHANGES` happen to them."""
        if what == "join":
            self.segments.add(value)
        elif what == "leave":
            self.segments.discard(value)
        elif what == "address":
            self.address = value
        else:
            self.values[what] = value


def customers() -> list[Person]:
    """Those that there are to begin with: two overlapping segments."""
    return [
        Person(ADDRESSES[n], {n % 2} if n % 3 else {0, 1}, {"FNAME": "Ada", "CITY": "Ulm", "VISITS": n})
        for n in PEOPLE
    ]


_KINDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "join": st.integers(0, 1),
    "leave": st.integers(0, 1),
    "FNAME": st.sampled_from([None, "Ada", "Bo"]),
    "CITY": st.sampled_from([None, "Łódź", 'A "quoted" \\ city']),
    "VISITS": st.sampled_from([None, 1, 2]),
    "address": st.sampled_from([*ADDRESSES, None]),
}
_WHAT = st.sampled_from([*_KINDS, "leave"]).flatmap(lambda what: st.tuples(st.just(what), _KINDS[what]))
CHANGES = st.lists(st.tuples(st.sampled_from(PEOPLE), _WHAT), max_size=6)

_DEEDS: Final = (
    *("unsubscribed", "unsubscribed", "unsubscribed by an administrator", "cleaned", "archived"),
    *("subscribed", "subscribed", "pending", "transactional"),
    *("tagged", "edited", "deleted for good", "hasty"),
)
DEEDS = st.lists(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(_DEEDS)), max_size=4)

CALMS = st.builds(
    Weather, seed=st.integers(0, 1000), shuffled=st.booleans(), twice=st.sampled_from([0.0, 0.3])
)
STORMS = st.builds(
    Weather,
    seed=st.integers(0, 10_000),
    lost=st.sampled_from([0.0, 0.0, 0.3]),
    twice=st.sampled_from([0.0, 0.3]),
    shuffled=st.booleans(),
    aside=st.sampled_from([0.0, 0.05, 0.15]),
    frozen=st.sampled_from([0.0, 0.2, 0.5]),
    kills=st.lists(st.integers(1, 250), max_size=3).map(tuple),
)

Changes = list[tuple[int, tuple[str, Any]]]
"""Who, and what of `CHANGES` happens to them."""
Deeds = list[tuple[str, str]]
"""Address, and what of `DEEDS` happens to its member."""
Fault = tuple[Action, dict[str, Any]]
"""What goes wrong, and when (`tests.mailchimp_standin.faults.Rule`)."""

_ACTIONS: Final[list[Action]] = [
    Bare(429),
    Bare(403),
    Refuse(429, title="Too Many Requests"),
    Refuse(500),
    Refuse(503, applied=True),
    Broken(502),
    Broken(200, applied=True),
    Reset(),
    Reset(applied=True),
    Reset(applied=True, share=0.5),
    Swallow(share=0.4),
    Swallow(share=0.4, applied=False),
]
_WHEN = st.fixed_dictionaries(
    {"times": st.integers(1, 5), "after": st.integers(0, 8), "probability": st.sampled_from([1.0, 0.4])},
    optional={
        "method": st.just("POST"),
        "path": st.sampled_from(["/lists/[^/]+$", "/segments/", "/members"]),
    },
)
# a 404 of which nothing can be read ends a run: look-ups of new members are spared
_CUT = st.tuples(st.just(Truncate()), _WHEN.map(lambda when: {**when, "method": "POST"}))
FAULTS = st.lists(st.one_of(st.tuples(st.sampled_from(_ACTIONS), _WHEN), _CUT), max_size=2)
