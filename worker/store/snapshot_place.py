"""Where a snapshot is kept, and how all of its objects are."""

from typing import Final, NamedTuple

from worker.errors import SegmentExportError, TellOperator
from worker.store.interface import Objects, Sealer

ROOT: Final = "snapshots"


def plan_of(version: str) -> str:
    """The version of the plan whose end a version is; itself if it is a plan's."""
    return version.partition("/")[0]


def drop_all(objects: Objects, export: str) -> None:
    """Delete all that is remembered of an export; that there is nothing is no error."""
    objects.delete_prefix(f"{ROOT}/{export}")


class UnreadableSnapshot(SegmentExportError):
    """A snapshot is there and can't be read; a full export needs none, and makes a new one."""


class Place(NamedTuple):
    """Where the objects of one snapshot are kept; each is sealed for its export, version and name.

    A version is that of a plan, or of an end of its run: `PLAN/END`, below the plan's.
    """

    objects: Objects
    keyring: Sealer
    export: str
    version: str

    @property
    def plans(self) -> "Place":
        """Where the plan of this version has written."""
        return self._replace(version=plan_of(self.version))

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole."""
        sealed = self.keyring.seal(content, f"snapshot/{self._path(name)}")
        self.objects.put(f"{ROOT}/{self._path(name)}", sealed)

    def read(self, name: str) -> bytes:
        """Read an object.

        Raises:
            MissingObject: there is none.
            UnreadableSnapshot: it was changed, or no key opens it.
        """
        sealed = self.objects.get(f"{ROOT}/{self._path(name)}")
        try:
            return self.keyring.open(sealed, f"snapshot/{self._path(name)}")
        except TellOperator as error:
            cause = str(error)
            raise self.unreadable(cause[:1].lower() + cause[1:]) from None

    def unreadable(self, cause: str) -> UnreadableSnapshot:
        """Say why the snapshot can't be read; `cause` ends the sentence."""
        return UnreadableSnapshot(
            f"The snapshot {self.version} of export {self.export} can't be read, which a full export mends:"
            f" {cause}"
        )

    def _path(self, name: str) -> str:
        return f"{self.export}/{self.version}/{name}"
