"""The wire contract of the queue: references only, never a profile.

A message is a doorbell: "look at this in the ledger". Any of them may be lost, repeated or late.
"""

from typing import Final

QUEUE: Final = "segment-export"
VERSION: Final = 1

EXPORT_SEGMENT: Final = "export_segment"
UPLOAD_CHUNK: Final = "upload_chunk"
FINISH_RUN: Final = "finish_run"
