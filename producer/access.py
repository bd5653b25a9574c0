"""Who may do what: roles, and the least role that each operation asks for. The only place that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from worker.errors import UsageError
from worker.exports.definitions import Connection

CONTRIBUTORS: Final = "contributors"


class Role(StrEnum):
    """What a caller may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    ADMINISTRATOR = "administrator"

    def covers(self, least: "Role") -> bool:
        """Whether this role may do what asks for another."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(least)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name that an operator gave a token, or the user of this machine; and the role.

    `here` is somebody at the command line of this installation, who can read its files and variables anyway.
    """

    name: str
    role: Role
    here: bool = False


class Forbidden(UsageError):
    """The caller's role does not allow it."""


def _rules(**operations: str) -> Mapping[str, Role]:
    return MappingProxyType(
        {operation: Role(role) for role, names in operations.items() for operation in names.split()}
    )


RULES: Final = _rules(
    viewer="""
        list_connections show_connection list_segments show_segment list_exports show_export
        list_runs show_run watch_run who_am_i
    """,
    contributor="""
        add_export edit_export duplicate_export detach_export remove_export enable_export disable_export
        schedule_exports add_segment_to_export
        run_export run_all dry_run_export cancel_run approve_run retry_run rejected_rows
        list_quarantine clear_quarantine
    """,
    administrator="""
        apply_catalog refresh_finished
        add_connection edit_connection share_connection record_consent rotate_key check_connection
        remove_connection pause_connection resume_connection authorize_connection
        add_segment edit_segment remove_segment
        create_token list_tokens revoke_token list_audit
    """,
)
"""Operation → the least role that may do it. What is not named here nobody may do."""


def check(caller: Caller, operation: str) -> None:
    """Let a caller pass who may do this.

    Raises:
        Forbidden: the caller may not, or nobody may.
    """
    least = RULES.get(operation)
    if least is None:
        raise Forbidden(f"Nobody may do {operation}: it has no rule.")
    if not caller.role.covers(least):
        raise Forbidden(
            f"{caller.name} is {_article(caller.role)}, and this asks for {_article(least)}: "
            "use a token of that role, or ask an administrator."
        )


def may_use(caller: Caller, connection: Connection | None) -> bool:
    """Whether a caller may touch what goes over a connection: administrators all, others what is shared.

    None is no connection, or one that is gone: an administrator's business.
    """
    if caller.role is Role.ADMINISTRATOR:
        return True
    return (
        caller.role.covers(Role.CONTRIBUTOR) and connection is not None and connection.access == CONTRIBUTORS
    )


def _article(role: Role) -> str:
    return f"{'an' if role is Role.ADMINISTRATOR else 'a'} {role}"
