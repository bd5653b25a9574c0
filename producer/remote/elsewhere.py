"""What stands where the installation would be while commands go to one that is somewhere else."""

from functools import cached_property
from typing import TYPE_CHECKING

from producer.application import Producer
from producer.remote.door import URL, Door
from worker.errors import UsageError
from worker.settings import Settings

if TYPE_CHECKING:
    from producer.remote.desk import RemoteDesk


class Elsewhere(Producer):
    """A producer with a desk far away, and with nothing here.

    Settings are what everything else is made of: so whatever needs Redis, the store or the keys of an
    installation ends with the same sentence, and no command has to be told that it can't be given from here.
    """

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    @cached_property
    def desk(self) -> "RemoteDesk":
        """The desk far away."""
        from producer.remote.desk import RemoteDesk  # noqa: PLC0415 (local commands need none of it)

        return RemoteDesk(self._door)

    @cached_property
    def settings(self) -> Settings:
        """Nothing.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"This is done on a machine of the installation only, and {URL} leads to one elsewhere: "
            "unset it on that machine, and give the command there."
        )

    def close(self) -> None:
        """Hangs up."""
        if "desk" in self.__dict__:
            self.desk.close()
