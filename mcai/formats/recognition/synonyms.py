"""The one table of key names, best first within each role. Recognition never looks at file names.

A name is compared without case and without ``_``, ``-`` and blanks: ``User-Message``, ``user_message`` and
``userMessage`` are one. To teach mcai a new shape, add its names here.
"""

from __future__ import annotations

from typing import Final

CONTENT_FIRM: Final = (
    *("prompt", "query", "question", "instruction", "input", "user", "user_message", "human", "user_input"),
    *("user_query", "user_prompt", "user_question", "query_text", "question_text", "prompt_text", "input_text"),
    *("query_sample", "example_input", "problem", "problem_statement", "question_body", "ask"),
)
"""Names that mean a prompt wherever they stand: an object with one is a record even without an answer."""

CONTENT_LOOSE: Final = (
    *("content", "text", "message", "q", "utterance", "sentence", "statement", "claim", "premise", "source_text"),
    *("article", "document", "passage", "paragraph", "post", "comment", "review", "tweet", "dialogue", "dialog"),
    *("body", "front", "title", "headline", "term", "word", "phrase", "expression"),
)
"""Names that hold a prompt when they hold text and nothing better is there."""

CONTENT_PAIRED: Final = (
    *("context", "scenario", "situation", "concept", "topic", "keyword", "trigger", "pattern", "task", "goal"),
    *("event", "name"),
)
"""Names that hold a prompt only beside a response."""

RESPONSE_FIRM: Final = (
    *("completion", "response", "answer", "output", "reply", "assistant", "assistant_message", "assistant_response"),
    *("response_sample", "right_response", "ai_response", "ai_message", "ai", "bot", "bot_response", "bot_message"),
    *("model_response", "model_output", "chatbot", "gpt", "target", "target_text", "chosen", "expected_output"),
    *("expected_response", "expected_answer", "expected", "ideal_response", "ideal_answer", "ideal", "correct_answer"),
    *("correct_response", "best_answer", "answer_text", "response_text", "output_text", "completion_text"),
    *("generated_text", "generation", "final_answer", "gold_answer", "solution"),
)
"""Names that mean a response wherever they stand: one that holds no text is an error."""

RESPONSE_LOOSE: Final = (
    *("definition", "explanation", "meaning", "a", "back", "summary", "translation", "highlights", "insight"),
    *("reflection", "result", "rationale", "description"),
)
"""Names that hold a response when they hold text."""

CONVERSATION: Final = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
"""Lists of turns: one conversation is one record."""

TURN_SPEAKER: Final = ("role", "from", "speaker", "author", "sender")
TURN_TEXT: Final = ("content", "value", "text", "message", "utterance")
USER_NAMES: Final = frozenset(
    {"user", "human", "prompter", "customer", "client", "person", "you", "student", "patient"}
)
ASSISTANT_NAMES: Final = frozenset(
    {
        "assistant",
        "gpt",
        "chatgpt",
        "bot",
        "model",
        "ai",
        "mcai",
        "chatbot",
        "agent",
        "bing",
        "bard",
        "claude",
        "system_ai",
    }
)

TEXT_OBJECT: Final = ("text", "content", "value", "message", "body")
"""Where a nested object such as ``query: {text, emotion}`` keeps its text."""

DOMAIN: Final = ("domain", "knowledge_domain", "category", "subject", "subject_area", "discipline", "field_of_study")
EMOTION: Final = (
    *("query_emotion", "prompt_emotion", "user_emotion", "question_emotion", "input_emotion", "emotion"),
    *("emotion_label", "primary_emotion", "detected_emotion", "mood", "feeling"),
)
"""Those of the query; a response's emotion is metadata."""

FREQUENCY: Final = (
    *("query_frequency", "query_frequency_hz", "prompt_frequency", "user_frequency", "frequency_hz", "frequency"),
    *("emotion_frequency", "freq_hz", "freq", "hz"),
)
DATE: Final = (
    *("created_at", "timestamp", "generated_at", "date", "created", "created_on", "date_created", "creation_date"),
    *("datetime", "created_time", "recorded_at", "logged_at", "written_at", "published_at", "published"),
    *("added", "added_at", "date_added", "time", "last_updated", "updated_at", "updated", "modified_at", "modified"),
)

NOTES: Final = frozenset(
    {"metadata", "meta", "info", "config", "settings", "parameters", "options", "schema", "stats", "statistics"}
    | {"license", "author", "source", "version", "about", "header", "summary", "usage"}
)
"""Objects under these names describe their container and are never records."""

METADATA = "metadata"

EXPORT_KEYS: Final = frozenset(
    {"id", "domain", "content", "response", "emotion", "frequency_hz", "created_at", "source", "metadata"}
)
QUARANTINE_KEYS: Final = frozenset({"domain", "source", "reason"})


def canonical(name: str) -> str:
    """Return a key as it is compared."""
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def ranks(*tiers: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return canonical name -> (tier, rank within it) for names listed best first."""
    table: dict[str, tuple[int, int]] = {}
    for tier, names in enumerate(tiers):
        for rank, name in enumerate(names):
            table.setdefault(canonical(name), (tier, rank))
    return table
