"""The settings: one table that declares every key, read from ``MCAI_*`` over ``config.toml`` over the defaults.

The environment spells ``embed.api_key`` as ``MCAI_EMBED__API_KEY``. An unknown key is an error that names the nearest
one: a typing mistake must not silently leave a default in force.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcai.errors import InvalidValueError, NotInThisVersionError, UnknownKeyError
from mcai.files import read_small
from mcai.paths import Home
from mcai.suggest import nearest

STANDALONE = frozenset({"MCAI_HOME", "MCAI_NO_START", "MCAI_FAILPOINT"})
"""Variables that are no settings."""

MASK = "********"

SWITCH = ("off", "on")
"""The choices of a setting that is switched on or off."""
_SPELLED = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
"""How people spell a switch besides."""

Value = str | int | float


@dataclass(frozen=True)
class Setting:
    """One key: its default gives its type."""

    key: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment's spelling."""
        return "MCAI_" + self.key.upper().replace(".", "__")


TABLE: tuple[Setting, ...] = (
    Setting("embed.provider", "wordllama", "What turns text into vectors.", choices=("wordllama", "openai")),
    Setting("embed.url", "", "Base URL of an OpenAI-compatible endpoint, for example http://127.0.0.1:11434/v1."),
    Setting("embed.model", "", "The endpoint's model."),
    Setting("embed.api_key", "", "Sent as a bearer token.", secret=True),
    Setting("embed.dim", 1536, "Length of the endpoint's vectors.", low=1, high=8192),
    Setting("embed.timeout_s", 30.0, "How long one call to the endpoint may take.", low=0.1, high=600),
    Setting("search.wait_s", 2.0, "How long a search waits for rows that were just added.", low=0, high=60),
    Setting("rotation.enabled", "off", "Whether this policy is in force.", choices=SWITCH),
    Setting("rotation.max_rows", 1_000, "So many examples of each domain stay; 0: any number.", low=0, high=1e12),
    Setting("rotation.max_age_days", 0.0, "Older examples go to the archive; 0: never for age.", low=0, high=1e6),
    Setting("rotation.dislikes", 0, "So many more dislikes than likes send one there; 0: never.", low=0, high=1e9),
    Setting("rotation.every_h", 0.0, "The daemon rotates by itself this often; 0: never.", low=0, high=8_760),
    Setting("backup.every_h", 24.0, "How often the daemon makes a base copy; 0: never.", low=0, high=8_760),
    Setting("log.level", "info", "What goes into daemon.log.", choices=("debug", "info", "warning", "error")),
    Setting("store.url", "", "Another store than the home's own files (a later version)."),
    Setting("cache.url", "", "A cache shared by several machines (a later version)."),
    Setting("jobs.url", "", "A queue shared by several machines (a later version)."),
    Setting("artifacts.url", "", "A store for artifacts (a later version)."),
)
_BY_KEY = {setting.key: setting for setting in TABLE}
_SCALE_OUT = ("store.url", "cache.url", "jobs.url", "artifacts.url")


@dataclass(frozen=True)
class Settings:
    """What is in force, and where each value came from."""

    values: Mapping[str, Value]
    origins: Mapping[str, str]
    """``default``, the variable's name, or the path of config.toml."""

    def text(self, key: str) -> str:
        return str(self.values[key])

    def number(self, key: str) -> float:
        return float(self.values[key])

    def is_on(self, key: str) -> bool:
        return self.values[key] == "on"

    def shown(self) -> dict[str, Value]:
        """Return the values by key, secrets masked."""
        return {row["key"]: row["value"] for row in self.describe()}

    def describe(self) -> list[dict[str, Any]]:
        """Return one row a key, ``{key, value, origin, default, help}``; secrets are masked."""
        return [
            {
                "key": setting.key,
                "value": MASK if setting.secret and self.values[setting.key] else self.values[setting.key],
                "origin": self.origins[setting.key],
                "default": setting.default,
                "help": setting.help,
            }
            for setting in TABLE
        ]


def load(home: Home, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings that hold for a home.

    Args:
        home: its ``config.toml`` is read when it exists.
        environ: ``os.environ`` by default.

    Raises:
        UnknownKeyError: a key that does not exist, in the file or as ``MCAI_*``.
        InvalidValueError: a value of the wrong type or out of range, or a config.toml that is no TOML.
        NotInThisVersionError: a URL that would move mcai beyond one machine.
    """
    values: dict[str, Value] = {setting.key: setting.default for setting in TABLE}
    origins = dict.fromkeys(values, "default")
    found = [(key, value, str(home.config_path)) for key, value in _from_file(home)]
    found += _from_environment(os.environ if environ is None else environ)
    for key, raw, origin in found:
        values[key] = _check(_find(key, origin), raw, origin)
        origins[key] = origin
    for key in _SCALE_OUT:
        if values[key]:
            raise NotInThisVersionError(
                f"{key} ({origins[key]}): this version keeps everything on one machine",
                hint=f"Unset {key}; PostgreSQL, Redis and object stores come with a later version.",
            )
    return Settings(values, origins)


def _from_file(home: Home) -> list[tuple[str, Any]]:
    path = home.config_path
    try:
        document = tomllib.loads(read_small(path).decode("utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidValueError(f"{path}: {error.strerror}", hint="Mend or remove the file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValueError(f"{path}: {error}", hint="Mend or remove the file.") from error
    return list(_flatten(document, ""))


def _flatten(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        key = f"{prefix}{name}"
        found += _flatten(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return found


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = [name for name in sorted(environ) if name.startswith("MCAI_") and name not in STANDALONE]
    return [(name[len("MCAI_") :].lower().replace("__", "."), environ[name], name) for name in names]


def _find(key: str, origin: str) -> Setting:
    if key in _BY_KEY:
        return _BY_KEY[key]
    near = nearest(key, _BY_KEY)
    hint = f"Did you mean '{near}' ({_BY_KEY[near].variable})?" if near else "See: mcai config show"
    raise UnknownKeyError(f"{origin}: there is no setting {key!r}", hint=hint)


def _check(setting: Setting, raw: Any, origin: str) -> Value:
    wanted = type(setting.default)
    wrong = InvalidValueError(
        f"{origin}: {setting.key} = {MASK if setting.secret else raw!r} is not usable",
        hint=f"It takes {_range_of(setting)}.",
    )
    if setting.choices == SWITCH:
        spelled = str(raw).lower()
        raw = _SPELLED.get(spelled, spelled)
    try:
        if isinstance(raw, bool) or (wanted is str and not isinstance(raw, str)):
            raise wrong
        value = wanted(raw)
    except (TypeError, ValueError):
        raise wrong from None
    if setting.choices and value not in setting.choices:
        raise wrong
    if not isinstance(value, str) and not (setting.low or 0) <= value <= (setting.high or float("inf")):
        raise wrong
    return value


def _range_of(setting: Setting) -> str:
    if setting.choices:
        return "one of " + ", ".join(setting.choices)
    if isinstance(setting.default, str):
        return "text"
    kind = "a whole number" if isinstance(setting.default, int) else "a number"
    return f"{kind} from {setting.low:g} to {setting.high:g}"
