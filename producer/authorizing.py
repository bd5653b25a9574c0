"""Authenticate with Mailchimp: send a person to its page, and take in what they bring back.

The state is all that ties the two halves together: whoever comes back needs no token, and whoever does not
know the state can't finish what somebody else began.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.access import Caller, Role
from producer.application import Producer
from producer.desk import Desk
from producer.operations.changing import change, found
from worker import credentials
from worker.errors import Conflicts, UsageError
from worker.exports.declarations import Definitions, Edit
from worker.exports.definitions import Connection
from worker.state.authorizations import Authorizations, Begun

if TYPE_CHECKING:
    from worker.mailchimp.oauth import App

CALLBACK: Final = "/oauth/callback"

NO_KEY_YET: Final = f"{credentials.ENCRYPTED}AAAA"
"""The key of a connection that is not there yet: nothing can be opened with it."""
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True)
class Authorized:
    """A connection that was saved with its token, who began it, and what Mailchimp calls the account."""

    connection: Connection
    by: str
    account: str


def begin(producer: Producer, by: str, connection: Connection) -> str:
    """Give the page where a person lets this installation use their account.

    `connection` is one of the catalog, or one with `NO_KEY_YET`; `by` is who begins, for the record.

    Raises:
        Conflicts: this installation is not set up for it.
    """
    from worker.mailchimp.oauth import authorize_url  # noqa: PLC0415 (slow, and plain commands authorize nothing)

    app = _app(producer)
    is_new = connection.api_key == NO_KEY_YET
    begun = Begun(by, connection.name, connection.model_dump_json(exclude_defaults=True) if is_new else "")
    return authorize_url(app, Authorizations(producer.client).begin(begun))


def complete(producer: Producer, *, state: str, code: str) -> Authorized:
    """Save the connection with the token that the code is good for; a state is good for one try.

    Raises:
        UsageError: the state is unknown or too old, or Mailchimp gives no token.
        Conflicts: this installation is not set up for it.
    """
    from worker.mailchimp.oauth import NotAuthorized, exchange  # noqa: PLC0415 (as above)

    begun = Authorizations(producer.client).take(state[:_LONGEST])
    if begun is None:
        raise UsageError(
            "Nothing was begun with this link, or it was used already or is older than ten minutes: "
            "begin the authorization again."
        )
    if not 0 < len(code) <= _LONGEST:
        raise NotAuthorized(
            f"Connection {begun.connection} was not authorized at Mailchimp: begin again, and agree there."
        )
    _without_token(begun, producer.catalog.everything())
    grant = exchange(_app(producer), code)
    sealed = credentials.seal(grant.token, begun.connection, producer.keyring)

    # of the catalog as it is then: calls to Mailchimp take their time
    def decide(before: Definitions) -> Edit:
        given = {"api_key": sealed, "data_centre": grant.data_centre}
        return Edit(save=[_without_token(begun, before).model_copy(update=given)])

    desk = Desk(producer, Caller(begun.by, Role.ADMINISTRATOR))
    change(desk, "authorize_connection", decide)
    if begun.draft:
        producer.slots.admit(begun.connection)
    return Authorized(producer.catalog.connection(begun.connection), begun.by, grant.account)


def _without_token(begun: Begun, before: Definitions) -> Connection:
    """The connection as it is to be saved, but for its token."""
    if not begun.draft:
        return found(before, Connection, begun.connection)
    if begun.connection in before.connections:
        raise Conflicts(
            f"Connection {begun.connection} was added meanwhile: authorize it again, under its name."
        )
    return Connection.model_validate_json(begun.draft, strict=True)


def _app(producer: Producer) -> "App":
    from worker.mailchimp.oauth import App  # noqa: PLC0415 (as above)

    settings = producer.settings
    secret = settings.oauth_client_secret
    if settings.oauth_client_id is None or secret is None or settings.public_url is None:
        raise Conflicts(
            "This installation is not set up to authenticate with Mailchimp: set "
            "SEGMENT_EXPORT_OAUTH_CLIENT_ID, SEGMENT_EXPORT_OAUTH_CLIENT_SECRET "
            "and SEGMENT_EXPORT_PUBLIC_URL."
        )
    return App(
        settings.oauth_client_id,
        secret.get_secret_value(),
        settings.public_url + CALLBACK,
        settings.mailchimp_login_url,
    )
