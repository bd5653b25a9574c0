"""Connections: who may use them, the consent given, their keys, and their end."""

from typing import Annotated, Any, Literal

from fastapi import Query

from producer.http.answers import ConnectionList, Findings
from producer.http.asked import After, Authorize, Key, Limit, Name, Share
from producer.http.described import ConnectionChanges, ConnectionValues, ConsentValues
from producer.http.door import AtDesk, guarded_router
from producer.http.named import named
from producer.http.problems import OF_BODIES, answers
from producer.operations import connections
from producer.operations.documents import ConnectionSummary, ConnectionView, Link, Paused, Removed

router = guarded_router("connections")


@router.get("/connections", response_model=ConnectionList)
def list_connections(desk: AtDesk, after: After = "", limit: Limit = 50) -> Any:
    """All connections for administrators, a summary of those that are shared for everybody else."""
    return connections.list_connections(desk, after=after, limit=limit)


@router.post(
    "/connections", response_model=ConnectionView, status_code=201, responses=answers(409, *OF_BODIES)
)
def add_connection(desk: AtDesk, values: ConnectionValues) -> Any:
    """Add a connection; a literal API key is encrypted at once, and never shown again."""
    return connections.add_connection(desk, *named(values))


@router.get("/connections/{name}", response_model=ConnectionView | ConnectionSummary, responses=answers(404))
def show_connection(desk: AtDesk, name: Name) -> Any:
    """One connection, as in the list."""
    return connections.show_connection(desk, name)


@router.patch("/connections/{name}", response_model=ConnectionView, responses=answers(404, 409, *OF_BODIES))
def edit_connection(desk: AtDesk, name: Name, changes: ConnectionChanges) -> Any:
    """Replace the values that are named."""
    return connections.edit_connection(desk, name, changes)


@router.delete("/connections/{name}", response_model=Removed, responses=answers(404, 409))
def remove_connection(
    desk: AtDesk,
    name: Name,
    exports: Annotated[
        Literal["refuse", "detach", "remove"],
        Query(
            description="what becomes of the exports over it; refuse: nothing is removed while there are any"
        ),
    ] = "refuse",
) -> Any:
    """Remove a connection, and stop its runs."""
    return connections.remove_connection(desk, name, exports=exports)


@router.put(
    "/connections/{name}/access", response_model=ConnectionView, responses=answers(404, 409, *OF_BODIES)
)
def share_connection(desk: AtDesk, name: Name, share: Share) -> Any:
    """Say who may use a connection."""
    return connections.share_connection(desk, name, share.access)


@router.put(
    "/connections/{name}/consent", response_model=ConnectionView, responses=answers(404, 409, *OF_BODIES)
)
def record_consent(desk: AtDesk, name: Name, consent: ConsentValues) -> Any:
    """Record who agreed to which words, and when."""
    return connections.record_consent(desk, name, consent)


@router.put("/connections/{name}/key", response_model=ConnectionView, responses=answers(404, 409, *OF_BODIES))
def rotate_key(desk: AtDesk, name: Name, key: Key) -> Any:
    """Give a connection another API key, or another reference."""
    return connections.rotate_key(desk, name, key.api_key)


@router.post("/connections/{name}/check", response_model=Findings, responses=answers(404, 409))
def check_connection(desk: AtDesk, name: Name) -> Any:
    """Try a connection and the exports over it at Mailchimp."""
    return {"findings": list(connections.check_connection(desk, name))}


@router.post("/connections/{name}/authorize", response_model=Link, responses=answers(404, 409, *OF_BODIES))
def authorize_connection(desk: AtDesk, name: Name, wanted: Authorize | None = None) -> Any:
    """Ask for a link to Mailchimp: whoever agrees there lets the connection use their account."""
    return connections.authorize_connection(desk, name, wanted.values if wanted else None)


@router.post("/connections/{name}/pause", response_model=Paused, responses=answers(404))
def pause_connection(desk: AtDesk, name: Name) -> Any:
    """Let no call begin until it is resumed; its runs wait."""
    return connections.pause_connection(desk, name)


@router.post("/connections/{name}/resume", response_model=Paused, responses=answers(404))
def resume_connection(desk: AtDesk, name: Name) -> Any:
    """Let calls begin again."""
    return connections.resume_connection(desk, name)
