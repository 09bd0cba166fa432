"""Examines a home, check by check, and mends what can be mended. Each finding names its cause and its remedy."""

from mcai.upkeep.doctor.examination import examine, examine_live

__all__ = ["examine", "examine_live"]
