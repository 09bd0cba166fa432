"""The verbs that look at the whole: status, datasets, emotions."""

from __future__ import annotations

from mcai.records import Dataset, Datasets, Emotion, Emotions, Status
from mcai.wire import Flow, Request, decode
from mcai.wire.calls.parameters import segment


def status() -> Flow[Status]:
    """Tell what runs and how far it is."""
    return decode((yield Request("GET", "/v1/status")), Status)


def datasets() -> Flow[Datasets]:
    """List all domains with their counts."""
    return decode((yield Request("GET", "/v1/datasets")), Datasets)


def dataset(domain: str) -> Flow[Dataset]:
    """Show one domain.

    Raises:
        NotFoundError: there is no such domain.
    """
    return decode((yield Request("GET", f"/v1/datasets/{segment(domain, 'domain')}")), Dataset)


def emotions() -> Flow[Emotions]:
    """Return the emotion-frequency catalog."""
    return decode((yield Request("GET", "/v1/emotions")), Emotions)


def emotion(name: str) -> Flow[Emotion]:
    """Show one emotion.

    Raises:
        NotFoundError: there is no such name; the hint names the nearest.
    """
    return decode((yield Request("GET", f"/v1/emotions/{segment(name, 'an emotion')}")), Emotion)
