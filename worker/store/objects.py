"""One way to keep objects, wherever they are: a local folder, S3, Google Cloud Storage or Azure."""

from typing import Final
from urllib.parse import unquote, urlsplit

from worker.errors import TellOperator
from worker.store.bucket import open_bucket
from worker.store.folder import open_folder
from worker.store.interface import MissingObject, Objects, Sealer, Stored

__all__ = ["MissingObject", "Objects", "Sealer", "Stored", "open_store"]

_FILE: Final = "file://"
_CLOUD: Final = frozenset({"s3", "gs", "az"})


def open_store(url: str) -> Objects:
    """Open the store at `file:///absolute/folder`, `s3://…`, `gs://…` or `az://…`.

    A local folder is created when it is missing. Credentials for the others come from their usual
    environment variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`), never from the URL. Nothing is sent
    anywhere yet. A process that forks opens its own.

    Raises:
        TellOperator: the URL is of no such form, or the folder can't be made or written.
    """
    if url.startswith(_FILE):
        return open_folder(_folder(url))
    _check_cloud(url)
    return open_bucket(url)


def _folder(url: str) -> str:
    # not by urlsplit: in a folder's name `#` and `?` are letters like others
    folder = unquote(url.removeprefix(_FILE))
    if not folder.startswith("/") or "\0" in folder:
        raise TellOperator(
            "SEGMENT_EXPORT_STORE_URL names no absolute folder: write file:/// followed by its full path."
        )
    return folder


def _check_cloud(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _CLOUD or not parts.netloc:
        raise TellOperator(
            "SEGMENT_EXPORT_STORE_URL is not the address of a store: write file:///folder, s3://bucket/folder,"
            " gs://bucket/folder or az://container/folder."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise TellOperator(
            "SEGMENT_EXPORT_STORE_URL holds more than a bucket and a folder: take credentials and options"
            " out of it, and set them in the environment (AWS_…, GOOGLE_… or AZURE_…)."
        )
