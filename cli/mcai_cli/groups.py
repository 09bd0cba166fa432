"""Groups of commands that list what they are about when no command is named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_FLAGS = ("--json", "--no-start")
"""Hold on either side of a command's name (see `options`)."""


class ListsByDefault(TyperGroup):
    """``mcai archive --domain D`` is ``mcai archive ls --domain D``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``ls`` before the options when no command stands there."""
        first = next((word for word in args if word not in _FLAGS), None)
        if first is None or (first.startswith("-") and first != "--help"):
            args = ["ls", *args]
        return super().parse_args(ctx, args)
