"""Who changed what, and when."""

from producer.desk import Desk, operation
from producer.operations.documents import AuditEntry, Page


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
    raise NotImplementedError
