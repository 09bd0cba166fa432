"""What a snapshot's files are written with: a generation is several files, so one sync of its folder does for all."""

from __future__ import annotations

from mcai.files import sync_folder
from mcai.files import write_parts as write_whole

__all__ = ["sync_folder", "write_whole"]
