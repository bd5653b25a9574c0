"""A definition that brings its own name."""

from producer.http.described import Values
from producer.http.problems import UNUSABLE, Flaw, Refusal


def named(values: Values) -> tuple[str, Values]:
    """The name, and the other values.

    Raises:
        Refusal: there is no name.
    """
    name = values.get("name")
    if not isinstance(name, str):
        flaw = Flaw(where="body.name", detail="The name is missing, or no text: give one.")
        raise Refusal(422, UNUSABLE, errors=[flaw])
    return name, {key: value for key, value in values.items() if key != "name"}
