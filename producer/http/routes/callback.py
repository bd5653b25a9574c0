"""Where Mailchimp sends people back to: no token is asked for, the state is the proof."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from producer.authorizing import CALLBACK, complete
from worker.errors import SegmentExportError

# not in the document: it is for browsers that were sent here, and for nobody else
router = APIRouter(include_in_schema=False)


@router.get(CALLBACK)
def authorized(request: Request, state: str = "", code: str = "") -> PlainTextResponse:
    """Save the token, and tell the person in front of the browser, as text that is never markup."""
    try:
        done = complete(request.app.state.producer, state=state, code=code)
    except SegmentExportError as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    account = f" of {done.account}" if done.account else ""
    return PlainTextResponse(
        f"Connection {done.connection.name} uses the Mailchimp account{account} from now on: "
        "you can close this page.\n"
    )
