"""Settings: who wins, what is refused, and that no typing mistake stays silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcai import settings
from mcai.errors import InvalidValueError, NotInThisVersionError, UnknownKeyError
from mcai.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def _write(home: Home, text: str) -> None:
    home.config_path.write_text(text, "utf-8")


def test_defaults_hold_without_file_and_variables(home: Home) -> None:
    """Nothing has to be configured; every value says that it is the default."""
    loaded = settings.load(home, {})

    assert set(loaded.origins.values()) == {"default"}
    assert {each.key: loaded.values[each.key] for each in settings.TABLE} == {
        each.key: each.default for each in settings.TABLE
    }


def test_environment_wins_over_file_over_default(home: Home) -> None:
    """The nearer source wins, key by key, and each value names its origin."""
    _write(home, '[search]\nwait_s = 3\n[log]\nlevel = "debug"\n')

    loaded = settings.load(home, {"MCAI_SEARCH__WAIT_S": "4.5", "PATH": "/bin"})

    assert (loaded.number("search.wait_s"), loaded.origins["search.wait_s"]) == (4.5, "MCAI_SEARCH__WAIT_S")
    assert (loaded.text("log.level"), loaded.origins["log.level"]) == ("debug", str(home.config_path))
    assert loaded.origins["embed.dim"] == "default"


def test_process_environment_is_read_by_default(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon reads its own environment."""
    monkeypatch.setenv("MCAI_LOG__LEVEL", "warning")

    assert settings.load(home).text("log.level") == "warning"


def test_dotted_keys_and_tables_are_the_same(home: Home) -> None:
    """TOML's two spellings of a nested key mean one setting."""
    _write(home, "search.wait_s = 5\n")

    assert settings.load(home, {}).number("search.wait_s") == 5.0


@pytest.mark.parametrize("setting", settings.TABLE, ids=lambda setting: setting.key)
def test_every_key_has_its_variable(home: Home, setting: settings.Setting) -> None:
    """The variable that help names is the one that is read, for every key."""
    if setting.key in ("store.url", "cache.url", "jobs.url", "artifacts.url"):
        with pytest.raises(NotInThisVersionError, match=setting.key) as caught:
            settings.load(home, {setting.variable: "redis://elsewhere"})
        assert setting.key in caught.value.hint
        return
    value = setting.choices[-1] if setting.choices else "7" if setting.high else "text"

    loaded = settings.load(home, {setting.variable: value})

    assert str(loaded.values[setting.key]) in (value, "7.0") and loaded.origins[setting.key] == setting.variable
    assert type(loaded.values[setting.key]) is type(setting.default)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("MCAI_LOG_LEVEL", "MCAI_LOG__LEVEL"),
        ("MCAI_SEARCH__WAITS", "search.wait_s"),
        ("MCAI_EMBED__API_KAY", "api_key"),
    ],
)
def test_unknown_variable_names_the_nearest_key(home: Home, variable: str, near: str) -> None:
    """A typing mistake is an error that says what was probably meant."""
    with pytest.raises(UnknownKeyError, match=variable) as caught:
        settings.load(home, {variable: "x"})

    assert near in caught.value.hint


def test_unknown_key_in_the_file_names_the_file(home: Home) -> None:
    """An unknown key in config.toml is an error that names file, key and the nearest one."""
    _write(home, "[log]\nlevle = 'info'\n")

    with pytest.raises(UnknownKeyError, match=r"config\.toml.*log\.levle") as caught:
        settings.load(home, {})

    assert "log.level" in caught.value.hint


def test_standalone_variables_are_no_settings(home: Home) -> None:
    """MCAI_HOME, MCAI_NO_START and MCAI_FAILPOINT stand apart."""
    environment = {"MCAI_HOME": "/x", "MCAI_NO_START": "1", "MCAI_FAILPOINT": "none"}

    assert set(settings.load(home, environment).origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MCAI_LOG__LEVEL", "loud"),
        ("MCAI_EMBED__DIM", "many"),
        ("MCAI_EMBED__DIM", "1.5"),
        ("MCAI_EMBED__DIM", "0"),
        ("MCAI_EMBED__DIM", "9000"),
        ("MCAI_SEARCH__WAIT_S", "-1"),
        ("MCAI_SEARCH__WAIT_S", "nan"),
        ("MCAI_SEARCH__WAIT_S", "inf"),
        ("MCAI_SEARCH__WAIT_S", ""),
    ],
)
def test_unusable_value_is_refused(home: Home, variable: str, value: str) -> None:
    """A value of the wrong kind or out of range names its origin and what it takes."""
    with pytest.raises(InvalidValueError, match=variable) as caught:
        settings.load(home, {variable: value})

    assert caught.value.hint.startswith("It takes ")


@pytest.mark.parametrize("text", ["[log]\nlevel = 5\n", "[log]\nlevel = true\n", "[embed]\ndim = true\n", "[log\n"])
def test_unusable_file_is_refused(home: Home, text: str) -> None:
    """A wrong type, or text that is no TOML, is an error that names the file."""
    _write(home, text)

    with pytest.raises(InvalidValueError, match=r"config\.toml"):
        settings.load(home, {})


def test_file_that_is_no_text_is_refused(home: Home) -> None:
    """Bytes that are no UTF-8 are an error, not a crash."""
    home.config_path.write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidValueError, match=r"config\.toml"):
        settings.load(home, {})


def test_secrets_are_masked(home: Home) -> None:
    """A secret is shown as a mask, in the listing and in an error; an unset one is shown as unset."""
    shown = {row["key"]: row for row in settings.load(home, {"MCAI_EMBED__API_KEY": "s3cret"}).describe()}

    assert shown["embed.api_key"]["value"] == settings.MASK
    assert "s3cret" not in repr(shown)
    assert {row["key"]: row["value"] for row in settings.load(home, {}).describe()}["embed.api_key"] == ""


def test_secret_of_the_wrong_type_is_not_repeated(home: Home) -> None:
    """An error about a secret does not tell it."""
    _write(home, "[embed]\napi_key = 12345678\n")

    with pytest.raises(InvalidValueError) as caught:
        settings.load(home, {})

    assert "12345678" not in str(caught.value) + caught.value.hint


def test_listing_has_the_contract_s_fields(home: Home) -> None:
    """`config show` prints key, value, origin and default of every setting."""
    for row in settings.load(home, {}).describe():
        assert {"key", "value", "origin", "default"} <= set(row) and row["help"]
