"""Who changed what, and when."""

import json

from producer.desk import Desk, operation
from producer.operations.documents import AuditEntry, Page
from worker.state.audit import Entry


@operation
def list_audit(
    desk: Desk,
    *,
    who: str | None = None,
    what: str | None = None,
    on: str | None = None,
    after: str = "",
    limit: int = 50,
) -> Page[AuditEntry]:
    """Changes, the newest first; `after` is the id of the last one seen. `on` is as `export weekly`."""

    def wanted(entry: Entry) -> bool:
        return who in {None, entry.who} and what in {None, entry.what} and on in {None, entry.on}

    entries = desk.producer.audit.newest(before=after, most=limit + 1, wanted=wanted)
    more = entries[limit - 1].id if len(entries) > limit else None
    return Page([_document(entry) for entry in entries[:limit]], more)


def _document(entry: Entry) -> AuditEntry:
    return AuditEntry(
        id=entry.id,
        at=entry.at,
        who=entry.who,
        role=entry.role,
        what=entry.what,
        on=entry.on,
        before=json.loads(entry.before) if entry.before else None,
        after=json.loads(entry.after) if entry.after else None,
    )
