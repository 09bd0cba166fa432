"""The generated corpus and its queries: the same for everybody who measures, from one fixed seed.

Lengths follow the corpus of the application that mcai replaces. Words are English ones with the frequencies of the
sample corpus and a long tail of rare made-up words; the rows of one topic share words, so that both BM25 and an
embedding have something to find.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SEED = 20261123
CHUNK_ROWS = 10_000
QUERIES = 1_000

# Bytes at these shares of the 3,726 distinct examples of the legacy corpus, measured on its files.
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
CONTENT_BYTES = (8, 15, 20, 23, 28, 33, 38, 42, 47, 52, 58, 66, 70, 82, 90, 101, 629, 11_674)
RESPONSE_BYTES = (2, 18, 45, 61, 74, 84, 95, 113, 137, 178, 238, 286, 349, 591, 708, 1_045, 1_730, 4_801)

# fmt: off
DOMAINS = (
    "general", "programming", "science", "history", "music", "cooking", "travel", "health", "gardening", "physics",
    "mathematics", "astronomy", "philosophy", "economics", "biology", "chemistry", "psychology", "security",
    "nutrition", "space",
)
# fmt: on
EMOTIONS = ("joy", "calm", "curiosity", "sadness", "awe", "fear")
VOCABULARY_WORDS = 6_000
COMMON_WORDS = 150
"""The most frequent words carry no topic."""
TOPICS = 2_000
TOPIC_WORDS = 12
TOPIC_SHARE = 0.45
"""How many of a text's words are its topic's."""
MEAN_WORD_BYTES = 4
"""Less than the real mean: texts are drawn too long, then cut."""

LAST_CONTENT = "zephyrine quokka marzipan: which row was imported last"
"""Content of the last row of every corpus; nothing else has its words."""
LAST_KEYWORD = "quokka marzipan"

Words = npt.NDArray[np.object_]
Record = dict[str, Any]


@dataclass(frozen=True)
class Language:
    """Words with their frequencies, and what they are about."""

    words: Words
    cumulative: npt.NDArray[np.float64]
    """Of the Zipf frequencies of `words`."""
    topics: npt.NDArray[np.int64]
    """(TOPICS, TOPIC_WORDS) positions in `words`."""
    topic_domains: npt.NDArray[np.int64]
    """The domain of each topic, by Zipf over `DOMAINS`."""


def zipf(size: int, offset: float = 0.0) -> npt.NDArray[np.float64]:
    """Return the cumulative Zipf distribution over ``size`` ranks."""
    weights = 1.0 / (np.arange(1, size + 1) + offset)
    return np.asarray(np.cumsum(weights / weights.sum()))


@cache
def language(sample_dir: Path) -> Language:
    """Build the language from the texts of the sample corpus."""
    rng = np.random.default_rng(SEED)
    texts = (path.read_text("utf-8") for path in sorted(sample_dir.rglob("*")) if path.is_file())
    counted = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", _values_only(text).lower()))
    known = [word for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]
    words = _with_rare_words(known[:VOCABULARY_WORDS], rng)
    topics = rng.integers(COMMON_WORDS, len(words), (TOPICS, TOPIC_WORDS))
    topic_domains = np.searchsorted(zipf(len(DOMAINS)), rng.random(TOPICS))
    return Language(np.array(words, object), zipf(len(words), 2.7), topics, topic_domains)


def _values_only(text: str) -> str:
    return re.sub(r'"\w+"\s*:', " ", text)


def _with_rare_words(known: list[str], rng: np.random.Generator) -> list[str]:
    """Fill the vocabulary up with words joined from the halves of known ones."""
    words = dict.fromkeys(known)
    long_ones = [word for word in known if len(word) >= 5]
    while len(words) < VOCABULARY_WORDS:
        head, tail = (long_ones[at] for at in rng.integers(0, len(long_ones), 2))
        words[head[: len(head) // 2 + 1] + tail[len(tail) // 2 :]] = None
    return list(words)


def rows(speech: Language, count: int) -> Iterator[Record]:
    """Yield ``count`` records; a smaller corpus is the beginning of a bigger one, but for its last row."""
    for start in range(0, count, CHUNK_ROWS):
        chunk = _chunk(speech, start // CHUNK_ROWS)[: count - start]
        if start + len(chunk) == count:
            chunk[-1] = {"domain": DOMAINS[0], "content": LAST_CONTENT, "response": "This one."}
        yield from chunk


def _chunk(speech: Language, number: int) -> list[Record]:
    rng = np.random.default_rng((SEED, number))
    topics = rng.integers(0, TOPICS, CHUNK_ROWS)
    contents = _texts(speech, topics, _lengths(CONTENT_BYTES, rng), rng)
    responses = _texts(speech, topics, _lengths(RESPONSE_BYTES, rng), rng)
    extras = rng.random(CHUNK_ROWS)
    days = rng.integers(1, 29, CHUNK_ROWS)
    records: list[Record] = []
    for content, response, topic, extra, day in zip(contents, responses, topics, extras, days, strict=True):
        record: Record = {
            "domain": DOMAINS[speech.topic_domains[topic]],
            "content": content[:1].upper() + content[1:] + "?",
            "response": response,
            "created_at": f"2026-10-{day:02}T08:00:00Z",
            "topic": f"topic-{topic}",
        }
        if extra < 0.2:
            record["emotion"] = EMOTIONS[int(extra * 5 * len(EMOTIONS))]
        records.append(record)
    return records


def _lengths(quantile_bytes: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.interp(rng.random(CHUNK_ROWS), QUANTILES, quantile_bytes).astype(np.int64)


def _texts(
    speech: Language, topics: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], rng: np.random.Generator
) -> list[str]:
    counts = lengths // MEAN_WORD_BYTES + 1
    total = int(counts.sum())
    general = np.searchsorted(speech.cumulative, rng.random(total))
    topical = speech.topics[np.repeat(topics, counts), rng.integers(0, TOPIC_WORDS, total)]
    drawn = speech.words[np.where(rng.random(total) < TOPIC_SHARE, topical, general)]
    ends = np.cumsum(counts)
    return [
        _cut(" ".join(drawn[end - count : end]), length)
        for end, count, length in zip(ends, counts, lengths, strict=True)
    ]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rpartition(" ")[0] or text[:length]


def queries(speech: Language, contents: list[str], count: int = QUERIES) -> list[str]:
    """Return unseen texts: two thirds of the words of some row in another order, and two words of noise."""
    rng = np.random.default_rng((SEED, 7, len(contents)))
    asked = []
    for at in rng.integers(0, len(contents), count):
        words = contents[at].rstrip("?").lower().split()[:30]
        kept = list(rng.permutation(words)[: max(1, round(len(words) * 2 / 3))])
        noise = speech.words[np.searchsorted(speech.cumulative, rng.random(2))]
        asked.append(" ".join([*kept, *noise]))
    return asked
