"""The rotation settings: off until switched on, and an empty number means no limit."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from catalog_contract import numbered
from mcai import settings, times
from mcai.errors import InvalidValueError
from mcai.paths import Home
from mcai.store.base import RotationPolicy
from mcai.store.duck import DuckCatalog
from mcai.upkeep import rotation
from mcai.upkeep.rotation import first_wait_s


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize("spelled", ["on", "ON", "1", "true", "yes"])
def test_switch_takes_what_people_write(home: Home, spelled: str) -> None:
    """A switch in the environment may be a word or a digit."""
    loaded = settings.load(home, {"MCAI_ROTATION__ENABLED": spelled})

    assert loaded.is_on("rotation.enabled") and loaded.values["rotation.enabled"] == "on"


@pytest.mark.parametrize(
    ("written", "on"), [("true", True), ("1", True), ('"on"', True), ("false", False), ("0", False)]
)
def test_switch_in_the_file_is_a_toml_value(home: Home, written: str, on: bool) -> None:
    """config.toml says it as TOML does."""
    home.config_path.write_text(f"[rotation]\nenabled = {written}\n")

    assert settings.load(home, {}).is_on("rotation.enabled") is on


@pytest.mark.parametrize("wrong", ["2", "maybe", ""])
def test_switch_refuses_anything_else(home: Home, wrong: str) -> None:
    """A misspelled switch is an error that names the choices, not an `off`."""
    with pytest.raises(InvalidValueError) as caught:
        settings.load(home, {"MCAI_ROTATION__ENABLED": wrong})

    assert "off, on" in caught.value.hint


def test_policy_is_empty_until_it_is_switched_on(home: Home) -> None:
    """A limit alone moves nothing."""
    loaded = settings.load(home, {"MCAI_ROTATION__MAX_ROWS": "5", "MCAI_ROTATION__DISLIKES": "2"})

    assert rotation.policy_of(loaded, None) == RotationPolicy()


def test_policy_says_what_the_settings_say(home: Home) -> None:
    """The default is 1,000 a domain, and nothing for age or feedback."""
    on = {"MCAI_ROTATION__ENABLED": "on"}
    assert rotation.policy_of(settings.load(home, on), None) == RotationPolicy(max_rows=1_000)

    limits = {"MAX_ROWS": "0", "MAX_AGE_DAYS": "1.5", "DISLIKES": "3"}
    loaded = settings.load(home, on | {f"MCAI_ROTATION__{name}": value for name, value in limits.items()})
    assert rotation.policy_of(loaded, None) == RotationPolicy(None, max_age_days=1.5, dislikes=3)


def test_a_number_rotates_by_count_alone(home: Home) -> None:
    """`--max N` holds whether or not the policy is on, and leaves age and feedback out."""
    for switch in ("off", "on"):
        loaded = settings.load(home, {"MCAI_ROTATION__ENABLED": switch, "MCAI_ROTATION__DISLIKES": "1"})
        assert rotation.policy_of(loaded, 7) == RotationPolicy(max_rows=7)
        assert rotation.policy_of(loaded, 0) == RotationPolicy(max_rows=0)


@pytest.mark.parametrize(("age_h", "waits_s"), [(None, 10), (0, 6 * 3_600), (5, 3_600), (6, 10), (1_000, 10)])
def test_hours_count_from_the_last_rotation(age_h: float | None, waits_s: float) -> None:
    """A daemon that is started every hour rotates every six as well; soon after the start when that is overdue."""
    last = None if age_h is None else times.now() - timedelta(hours=age_h)
    assert first_wait_s(last, 6 * 3_600) == pytest.approx(waits_s, abs=5)
    assert first_wait_s(last, 0.5) == 0.5


def test_catalog_knows_when_it_last_rotated() -> None:
    """The epoch tells, whoever asked for it; other epochs do not count."""
    catalog = DuckCatalog.open(None)
    catalog.add(numbered(3))
    assert catalog.last_committed("rotate") is None
    catalog.rotate(RotationPolicy(2))
    moment = catalog.last_committed("rotate")
    assert moment == catalog.committed_at(2)
    catalog.close()
