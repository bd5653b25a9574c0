"""Guards: a wrong file upstream must neither fill an audience nor empty it."""

from dataclasses import dataclass

from worker.exports.definitions import Guard


@dataclass(frozen=True, slots=True)
class Change:
    """What a run would do. `members` were accepted last time; None on the first run."""

    members: int | None
    added: int
    removed: int
    contacts: int | None = None
    contacts_limit: int | None = None


def objection(change: Change, guard: Guard) -> str:
    """Why the run should be held, as one sentence; '' if nothing speaks against it."""
    found = reasons(change, guard)
    if not found:
        return ""
    return (
        f"This run would {found}: look at its segments, then approve it "
        "(`segment-export approve RUN`) or cancel it."
    )


def reasons(change: Change, guard: Guard) -> str:
    """What a run would do that it should be held for, as what follows "it would"; '' if nothing."""
    return " and ".join([*_shares(change, guard), *_contacts(change)])


def _shares(change: Change, guard: Guard) -> list[str]:
    if change.members is None:
        return []
    found = []
    if change.removed >= guard.remove_least and change.removed > guard.remove_share * change.members:
        found.append(f"take out {change.removed:,} of {change.members:,} members")
    if change.added >= guard.add_least and change.added > guard.add_share * change.members:
        found.append(f"add {change.added:,} to {change.members:,} members")
    return found


def _contacts(change: Change) -> list[str]:
    if change.contacts is None or change.contacts_limit is None:
        return []
    total = change.contacts + change.added
    if total <= change.contacts_limit or not change.added:
        return []
    return [f"bring the account to as many as {total:,} contacts of {change.contacts_limit:,} in its plan"]
