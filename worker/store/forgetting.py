"""Take a person out of what is stored. Each of these may be done again, and is, after a kill.

The address is the clean one, stripped and lower-cased.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from worker.exports.membership import identity
from worker.exports.outcomes import ReportLine
from worker.exports.quarantine import Quarantined
from worker.exports.statuses import hash_of
from worker.store.audiences import Remembered, load_audience, save_audience
from worker.store.interface import Objects, Sealer
from worker.store.reports import read_lines, write_part
from worker.store.snapshots import Manifest, SnapshotWriter, carry, commit, holds, read_hashes

_SOMEBODY: Final = "(a forgotten address)"
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
# what makes a text more than one address
_AROUND: Final = re.compile(r"[\s<>(),;\"]")


def copy_without(
    objects: Objects, keyring: Sealer, manifest: Manifest, address: str, version: str
) -> Manifest | None:
    """Copy a snapshot without one person, under another version; None if they are not in it.

    Raises as `worker.store.snapshots.carry` and `commit` do.
    """
    person = hash_of([address])
    quarantine = _others(manifest.quarantine, address)
    if quarantine == manifest.quarantine and not holds(objects, keyring, manifest, person):
        return None
    kept = read_hashes(objects, keyring, manifest).select("address_hash")
    kept = kept.join(person.to_frame(), on="address_hash", how="anti")
    writer = SnapshotWriter(objects, keyring, manifest.export, version)
    members = carry(objects, keyring, manifest, writer, kept)
    copy = msgspec.structs.replace(
        manifest,
        version=version,
        shards=writer.close(),
        members=members,
        excluded=b"",
        late=0,
        quarantine=quarantine,
    )
    commit(objects, keyring, copy)
    return copy


def forget_in_report(objects: Objects, keyring: Sealer, run_id: str, name: str, address: str) -> bool:
    """Take a person's lines out of a part of a report; tells whether there were any.

    Raises as `worker.store.reports.read_lines` and `write_part` do.
    """
    lines = list(read_lines(objects, keyring, run_id, [name]))
    kept = [_unmentioned(line, address) for line in lines if not _is_about(line, address)]
    if kept == lines:
        return False
    write_part(objects, keyring, run_id, name, kept)
    return True


def forget_in_audience(
    objects: Objects, keyring: Sealer, connection: str, audience_id: str, address: str
) -> bool:
    """Take a person out of what was read of an audience; tells whether they were there.

    Whether they had said no is not known from here any more, so the next run reads all of it anew.

    Raises as `worker.store.audiences.load_audience` and `save_audience` do.
    """
    known = load_audience(objects, keyring, connection, audience_id)
    if known is None:
        return False
    others = known.rows.join(hash_of([address]).to_frame(), on="address_hash", how="anti")
    if others.height == known.rows.height:
        return False
    save_audience(objects, keyring, connection, audience_id, Remembered(others, known.read_at, _LONG_AGO))
    return True


def _others(quarantine: tuple[Quarantined, ...], address: str) -> tuple[Quarantined, ...]:
    return tuple(
        msgspec.structs.replace(each, message=_masked(each.message, address))
        for each in quarantine
        if identity(each.email) != address
    )


def _is_about(line: ReportLine, address: str) -> bool:
    if identity(line.email) == address:
        return True
    # an address that was refused as malformed may hold a name, or two addresses
    return bool(_AROUND.search(line.email) and _mention(address).search(line.email))


def _unmentioned(line: ReportLine, address: str) -> ReportLine:
    return msgspec.structs.replace(line, message=_masked(line.message, address))


def _masked(message: str, address: str) -> str:
    """Mailchimp's words about somebody else, who may have moved here from that address."""
    return _mention(address).sub(_SOMEBODY, message)


def _mention(address: str) -> re.Pattern[str]:
    """The address, but not the end or the beginning of a longer one."""
    return re.compile(rf"(?<![\w.!#$%&*+/=?^{{|}}~-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE)
