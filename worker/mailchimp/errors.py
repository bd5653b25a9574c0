"""The one reader of status codes: what went wrong with a call, said by its fate.

Nothing of httpx leaves this room: every failure of a call comes out as one of worker.errors.
"""

import socket
import ssl
from http import HTTPStatus
from typing import Final

import httpx
import msgspec

from worker.errors import ChunkRefused, SegmentExportError, StopRun, TellOperator, Throttled, Unavailable
from worker.mailchimp.problems import Problem, breaks_off, masked, read_problem

# the far side gave up waiting, or two calls met: the same call may go through later
_PASSING: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY}
)
# 413 and 422 are about what the call carries, as 400 is: a call with fewer members may pass. All other
# refusals (405, 406, 414, 415 ...) are about how it is made, and it is made the same way every time.
_ABOUT_THE_BODY: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.LocalProtocolError,
)


class SendAnotherWay(StopRun):
    """The audience's batch call wants a `status` of each member: the way we send is not open to it."""


class Call(msgspec.Struct, frozen=True):
    """What was asked, as far as it changes what a refusal means.

    `audience` is the audience's ID, empty for calls about the account; `chunk` says that the call
    carries members, so that it may be made again with fewer of them; `about` is what else of the
    audience the call names or makes ("tag"), empty for the batch call and for the audience itself.
    """

    audience: str = ""
    chunk: bool = False
    about: str = ""


class Reply(msgspec.Struct, frozen=True):
    """An answer as it came; `body` is empty where it had none."""

    status: int
    body: bytes = b""


def failure(reply: Reply, call: Call) -> SegmentExportError:
    """Say what a refusal means for the chunk and the run."""
    problem = read_problem(reply.body)
    named = f"{reply.status} {masked(problem.title) if problem else ''}".rstrip()
    if problem and problem.is_compliance_review():
        return _under_review(named)
    if _is_throttling(reply.status, problem):
        return _throttled(named)
    if reply.status < HTTPStatus.BAD_REQUEST:
        return _no_answer(reply.status)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in _PASSING:
        return _down(named, reply.status)
    if breaks_off(reply.body):
        return unreadable("breaks off")
    return _for_good(named, reply.status, problem, call)


def unreachable(error: httpx.HTTPError, *, seconds: float) -> SegmentExportError:
    """Say what it means that a call got no answer; `seconds` is the deadline it had."""
    kind = type(error).__name__
    if isinstance(error, httpx.UnsupportedProtocol):
        return TellOperator(
            "The base URL for Mailchimp is neither http:// nor https://: correct it and restart."
        )
    if isinstance(error, _NEVER_SENT):
        return Unavailable(_no_connection(error))
    if isinstance(error, httpx.TimeoutException):
        sentence = f"Mailchimp did not finish a call within {seconds:g} s ({kind}): it is made again."
    else:
        sentence = f"The connection to Mailchimp broke in the middle of a call ({kind}): it is made again."
    return Unavailable(sentence, may_be_open=True)


def unreadable(what: str) -> Unavailable:
    """Say that an answer came to its end but can't be understood: it `what`."""
    return Unavailable(f"Mailchimp's answer {what}: the call is made again.")


def _is_throttling(status: int, problem: Problem | None) -> bool:
    # "at exceptionally high volume" Mailchimp throttles by a 403 without a document (its documentation)
    return status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and problem is None)


def _for_good(named: str, status: int, problem: Problem | None, call: Call) -> SegmentExportError:
    if (call.chunk or call.about) and status in _ABOUT_THE_BODY:
        return _refused(named, problem or Problem(str(status), "", []), call)
    return StopRun(_stopped(named, status, call))


def _under_review(named: str) -> StopRun:
    return StopRun(
        f"Mailchimp has closed its API to this account while it reviews it ({named}): "
        "log in to Mailchimp, settle the review there, and run the export again."
    )


def _throttled(named: str) -> Throttled:
    return Throttled(
        f"Mailchimp has enough calls of this account open ({named}): "
        "fewer are made at once, and this one is made again."
    )


def _no_answer(status: int) -> SegmentExportError:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return unreadable(f"has the status {status}, which means nothing here")
    return StopRun(
        f"Mailchimp's address answers with a redirect ({status}), which is never followed: "
        "check the base URL, and whether a proxy or a login page stands between."
    )


def _down(named: str, status: int) -> Unavailable:
    # a gateway that stopped waiting says nothing of the call behind it, which may go on
    may_be_open = status == HTTPStatus.GATEWAY_TIMEOUT
    return Unavailable(
        f"Mailchimp is out of order ({named}): the call is made again.", may_be_open=may_be_open
    )


def _refused(named: str, problem: Problem, call: Call) -> SegmentExportError:
    if not call.about and problem.is_about_status():
        return SendAnotherWay(
            f"Audience {call.audience} does not take status_if_new ({named}), and a plain status could "
            "subscribe people who said no: export to another audience until this one takes it."
        )
    fault = problem.blamed()
    where = f"{named}, field {fault.field}" if fault.field else named
    if not call.chunk:
        return StopRun(
            f"Mailchimp refused a {call.about} for audience {call.audience} "
            f"({where}: {fault.message or 'no reason given'}): correct it in the export."
        )
    return ChunkRefused(
        f"Mailchimp refused a call for something in it ({where}: {fault.message or 'no reason given'}): "
        "correct that value in the source.",
        code=masked(problem.title) or named,
        field=fault.field,
    )


def _stopped(named: str, status: int, call: Call) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            f"Mailchimp refuses the connection's API key ({named}): "
            "make a new key in Mailchimp's account settings and apply the connection with it, "
            "or authorize it again."
        )
    if status == HTTPStatus.FORBIDDEN:
        return (
            f"Mailchimp forbids this to the connection's API key ({named}): check that its user is active "
            "and may manage audiences, and that the key ends in the account's own data centre."
        )
    if status == HTTPStatus.NOT_FOUND and call.about:
        return (
            f"Mailchimp has no such {call.about} in audience {call.audience}, or no such audience ({named}): "
            "run the export again, and check audience_id if this comes back."
        )
    if status == HTTPStatus.NOT_FOUND and call.audience:
        return (
            f"Mailchimp has no audience {call.audience} in this connection's account ({named}): "
            "check audience_id in the export, and that the connection's key is of the right account."
        )
    return (
        f"Mailchimp does not know this kind of call ({named}): check the base URL, or update segment-export."
    )


def _no_connection(error: httpx.HTTPError) -> str:
    causes = _causes(error)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return (
            "The certificate at Mailchimp's address can't be verified: "
            "check this machine's clock, and whether a proxy stands between."
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "The host of Mailchimp's address is not found: check this machine's network and name service."
    return (
        f"Mailchimp can't be reached ({type(error).__name__}): "
        "the call is made again; check the network if this lasts."
    )


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes
