"""Conversion of command-line words to values, in place of typer's own.

Typer converts through pydantic, and importing that takes as long again as importing typer: a command would start in
double the time. The kinds of values that mcai's commands take are few, so they are converted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperOption

from mcai.suggest import did_you_mean
from mcai.words import decimal, quoted, whole

Convert = Callable[[str], Any]


class PlainValues:
    """The values of one parameter; has the one method that typer's parameters call."""

    def __init__(self, annotation: Any) -> None:
        """Choose the conversion.

        Args:
            annotation: str, Path, bool, int, float or a Literal of texts, or a list of one of them.

        Raises:
            TypeError: the annotation is none of these.
        """
        self._convert = _conversion(get_args(annotation)[0] if get_origin(annotation) is list else annotation)

    def coerce(self, value: Any, param: TyperArgument | TyperOption, ctx: typer.Context) -> Any:
        """Convert what was typed, or leave a default as it is.

        Raises:
            typer.BadParameter: the word is no such value.
        """
        many = param.multiple or param.nargs == -1
        if value is None:
            return () if many else None
        try:
            return [self._convert(word) for word in value] if many else self._convert(value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from error


def use_plain_values(command: Any) -> None:
    """Give every parameter of a command, or of a group and its commands, the plain conversion.

    Flags lose the ``<bool>`` beside their names in the help: they take no value.
    """
    for param in (*command.params, command.get_help_option(typer.Context(command))):
        param._runtime_param = PlainValues(param.type_descriptor.annotation)
        if getattr(param, "is_flag", False):
            param.metavar = ""
    for sub in getattr(command, "commands", {}).values():
        use_plain_values(sub)


def _conversion(kind: Any) -> Convert:
    if get_origin(kind) is Literal:
        return lambda word: _choice(word, get_args(kind))
    known: dict[Any, Convert] = {str: _text, int: _whole, float: _number, bool: bool, Path: _path}
    if kind not in known:
        raise TypeError(f"no conversion for {kind!r}")
    return known[kind]


def _text(word: str) -> str:
    if not word.isprintable():  # most words need no closer look
        try:
            word.encode()
        except UnicodeEncodeError:
            raise ValueError("the text is not valid UTF-8.") from None
    return word


def _path(word: str) -> Path:
    if not word:  # Path("") would be the present folder
        raise ValueError("the path is empty.")
    return Path(word)


def _whole(word: str | int) -> int:
    number = word if isinstance(word, int) else whole(word)
    if number is None:
        raise ValueError(f"{quoted(word)} is not a whole number.")
    return number


def _number(word: str | float) -> float:
    number = decimal(word) if isinstance(word, str) else word
    if number is None or not math.isfinite(number):
        raise ValueError(f"{quoted(word)} is not a number.")
    return number


def _choice(word: str, choices: tuple[str, ...]) -> str:
    if word.lower() not in choices:
        raise ValueError(f"{quoted(word)} is not one of {', '.join(choices)}. {did_you_mean(word, choices)}".rstrip())
    return word.lower()
