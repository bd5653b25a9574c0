"""The one way to call Mailchimp: typed answers, and failures by their fate."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from worker.exports.attributes import MergeField
from worker.exports.membership import MemberState, identity
from worker.exports.uploading import Answer
from worker.mailchimp import audience, errors, members, tags
from worker.mailchimp.audience import Account, Audience
from worker.mailchimp.calls import PAGE, Caller
from worker.mailchimp.errors import Call, Reply
from worker.mailchimp.members import MembersPage
from worker.mailchimp.problems import read_problem
from worker.mailchimp.tags import TagAnswer

# whom Mailchimp does not archive: the first two are out of reach already, the last one is not
_OUT_OF_REACH: Final = frozenset({"archived", "cleaned"})
_PENDING: Final = "pending"


class MailchimpClient(Caller):
    """Calls one Mailchimp account, one call at a time; each thread has its own.

    `base_url` is what `address.base_url` gave. Every call ends within `deadline` and raises only
    `SegmentExportError`s; `calls` counts those begun. Whatever is not said to raise anything raises
    RetryLater (the call may be made again) or StopRun (no call of this run can succeed).
    """

    # --- the account and the audience -------------------------------------------------------------

    def ping(self) -> None:
        """Ask whether the API answers and takes the key; raises when not."""
        self._get("/ping", Call())

    def account(self) -> Account:
        """Ask what account the key belongs to."""
        return audience.read_account(self._get("/", Call()))

    def audience(self, list_id: str) -> Audience:
        """Ask for an audience."""
        return audience.read_audience(self._get(_list(list_id), Call(audience=list_id)))

    def merge_fields(self, list_id: str) -> list[MergeField]:
        """List all merge fields of an audience."""
        path = f"{_list(list_id)}/merge-fields"
        return self._all(path, Call(audience=list_id), audience.read_merge_fields)

    def create_merge_field(self, list_id: str, field: MergeField) -> MergeField:
        """Make a merge field, and give it as Mailchimp has it then.

        One of that tag and type that is there already is given as it is, so asking twice is safe.
        """
        path = f"{_list(list_id)}/merge-fields"
        reply = self._ask("POST", path, audience.new_merge_field(field))
        if reply.status == HTTPStatus.BAD_REQUEST:
            known = [f for f in self.merge_fields(list_id) if (f.tag, f.type) == (field.tag, field.type)]
            if known:
                return known[0]
        call = Call(audience=list_id, about="merge field")
        return audience.read_merge_field(self._content(reply, call))

    # --- members ----------------------------------------------------------------------------------

    def upsert(self, list_id: str, body: bytes, *, skip_merge_validation: bool = False) -> Answer:
        """Send a chunk: `body` is the finished JSON of at most 500 members.

        Sending the same chunk again has no other effect than sending it once. `skip_merge_validation` takes
        members without required merge fields; it does not excuse wrong types (Mailchimp's specification).

        Raises:
            ChunkRefused: the call as a whole was refused for something in it.
            SendAnotherWay: the audience wants a `status` of each member.
            StopRun: no call of this run can succeed.
            RetryLater: the same call may be made again; nothing is known of its effect.
        """
        call = Call(audience=list_id, chunk=True)
        path = f"{_list(list_id)}?skip_merge_validation=true" if skip_merge_validation else _list(list_id)
        return members.read_answer(self._call("POST", path, call, body))

    def member(self, list_id: str, address: str) -> MemberState | None:
        """Look a member up; None only when the audience is there, and nobody of that address is in it.

        Not while a call that carries the same address is open: its look-up may come out wrong then
        (users' reports).
        """
        path = _member(list_id, address)
        reply = self._ask("GET", f"{path}?{urlencode({'fields': members.STATE})}")
        if self._knows_not(list_id, reply):
            return None
        call = Call(audience=list_id, about="member")
        state, tag_count = members.read_state(self._content(reply, call))
        if tag_count <= len(state.tags):
            return state
        return msgspec.structs.replace(state, tags=tuple(self._all(f"{path}/tags", call, members.read_tags)))

    def members(
        self,
        list_id: str,
        *,
        status: str,
        since: datetime | None = None,
        offset: int = 0,
        count: int = PAGE,
    ) -> MembersPage:
        """Read a page of the members of one status, the longest unchanged first; addresses and statuses only.

        `since` leaves out who was changed then or before, in whole seconds; `count` is 1000 at most. A
        list that changes while it is read may repeat members or skip them.

        Raises:
            ValueError: when `since` has no time zone.
        """
        query: dict[str, str | int] = {
            "fields": members.PAGE,
            "status": status,
            "sort_field": "last_changed",
            "sort_dir": "ASC",
            "count": count,
            "offset": offset,
        }
        if since is not None:
            query["since_last_changed"] = members.moment(since)
        path = f"{_list(list_id)}/members?{urlencode(query)}"
        return members.read_page(self._get(path, Call(audience=list_id)))

    def update_member(self, list_id: str, address: str, new_address: str) -> bool:
        """Move a member to a new address; tells whether it has the member now.

        It has not when nobody of the old address is in the audience: look the new one up, for an
        earlier call whose answer was lost may have moved them.

        Raises:
            ChunkRefused: the new address is taken, or Mailchimp does not want it.
        """
        body = msgspec.json.encode({"email_address": new_address})
        reply = self._ask("PATCH", _member(list_id, address), body)
        if self._knows_not(list_id, reply):
            return False
        call = Call(audience=list_id, chunk=True, about="member")
        moved, _ = members.read_state(self._content(reply, call))
        return identity(moved.email) == identity(new_address)

    def archive_member(self, list_id: str, address: str) -> bool:
        """Archive a member; tells whether they are out of reach now, as the unknown and the bounced are.

        Who has not yet confirmed can't be archived, and is not out of reach.
        """
        reply = self._ask("DELETE", _member(list_id, address))
        if reply.status == HTTPStatus.NO_CONTENT or self._knows_not(list_id, reply):
            return True
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            known = self.member(list_id, address)
            if known is None or known.status in _OUT_OF_REACH:
                return True
            if known.status == _PENDING:
                return False
        raise errors.failure(reply, Call(audience=list_id, about="member"))

    # --- tags -------------------------------------------------------------------------------------

    def find_tag(self, list_id: str, name: str) -> int | None:
        """Look for a tag of exactly that name; gives its ID."""
        call = Call(audience=list_id)
        asked = urlencode({"name": name})
        found, total = tags.read_search(self._get(f"{_list(list_id)}/tag-search?{asked}", call))
        known = next((tag.id for tag in found if tag.name == name), None)
        if known is not None or total <= len(found):
            return known
        # the search gives prefixes too, and has no pages: the list of tags has them
        listed = self._all(
            f"{_list(list_id)}/segments",
            call,
            tags.read_segments,
            type="static",
            fields="segments.id,segments.name,total_items",
        )
        return next((tag.id for tag in listed if tag.name == name), None)

    def create_tag(self, list_id: str, name: str) -> int:
        """Make a tag that nobody has; gives its ID, or that of a tag which has the name already."""
        reply = self._ask("POST", f"{_list(list_id)}/segments", tags.new_tag(name))
        if reply.status == HTTPStatus.BAD_REQUEST:
            known = self.find_tag(list_id, name)
            if known is not None:
                return known
        return tags.read_tag(self._content(reply, Call(audience=list_id, about="tag"))).id

    def rename_tag(self, list_id: str, tag_id: int, name: str) -> None:
        """Give a tag another name; whoever has it keeps it."""
        call = Call(audience=list_id, about="tag")
        tags.read_tag(self._call("PATCH", _tag(list_id, tag_id), call, tags.new_name(name)))

    def tag_members(
        self, list_id: str, tag_id: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> TagAnswer:
        """Put a tag on members and take it off others, at most 500 each; no call is made for nobody.

        Raises:
            ChunkRefused: the call as a whole was refused for something in it.
        """
        if not add and not remove:
            return TagAnswer()
        call = Call(audience=list_id, chunk=True, about="tag")
        return tags.read_change(self._call("POST", _tag(list_id, tag_id), call, tags.change(add, remove)))

    def _knows_not(self, list_id: str, reply: Reply) -> bool:
        """Tell whether a member is unknown; an audience that is gone is told of in the same words."""
        if reply.status != HTTPStatus.NOT_FOUND or read_problem(reply.body) is None:
            return False
        self.audience(list_id)
        return True


def _list(list_id: str) -> str:
    return f"/lists/{quote(list_id, safe='')}"


def _member(list_id: str, address: str) -> str:
    return f"{_list(list_id)}/members/{members.subscriber_hash(address)}"


def _tag(list_id: str, tag_id: int) -> str:
    return f"{_list(list_id)}/segments/{tag_id}"
