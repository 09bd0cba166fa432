"""Text repair: only what is certain is changed, the text as read is kept, and identity stays with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_kit import read_json
from mcai.formats.damage import may_need_repair
from mcai.formats.recognition.repair import repair, repair_text
from mcai.identity import TEXT_AS_READ, identity

MISREAD = {
    "CafÃ© au lait": "Café au lait",
    "donâ€™t": "don’t",
    "Itâ€™s â€œfineâ€\x9d": "It’s “fine”",
    "10Â°C": "10°C",
    "ÐŸÑ€Ð¸Ð²ÐµÑ‚": "Привет",
    "ðŸ˜€ hi": "😀 hi",
    "caf√©": "café",
    "‚Äúquoted‚Äù text": "“quoted” text",
    "ÃƒÂ©": "é",
}
BREAKS = [
    r"Line one.\nLine two.",
    r"Steps:\n1. one\n2. two",
    r"Two kinds:\n\n- one\n- two\n\nThat is all.",
    r"def f(x):\n    return x",
    r"```python\nx = 1\nprint(x)\n```",
    r"It's fine.\nDon't worry.",
    r"def f():\n    return f'{x}'\n\nprint(f())",
    r"User: I am stressed\nAI: Take a break",
    "First.\\n\\n```hcl\\nprovider \\",
]
MEANT = [
    r'print("a\n")',
    r"re.split('\n', text)",
    r"Use \n to break a line.",
    r"The newline character is \n.",
    r"What does \n mean?",
    r"\n",
    r"a\nb",
    r"C:\new\notes.txt",
    r"D:\nginx\conf",
    r"\\server\new",
    r"[^\n]+",
    r"(\r?\n)+",
    r"x\n{2,}",
    r"matches [a-z]\n[0-9]",
    r"\nabla f",
    r"$x \neq y$",
    r'printf("Hello.\n\nWorld!\n");',
    r"sed 's/\n/,/g' file",
    r"console.log('One.\nTwo.')",
    r"awk -v RS=\n file",
    r"Separate paragraphs with \n\n.",
    r'Use "First.\n\nSecond." here',
    "a real\nbreak and First.\\n\\nSecond.",
    r"Escape it: First.\n\nSecond.",
    r"One.\n\nTwo.\tThree.",
]


@pytest.mark.parametrize("text", MISREAD)
def test_misread_utf8_is_put_right(text: str) -> None:
    """UTF-8 read as Windows-1252, Latin-1 or MacRoman, once or twice."""
    assert repair_text(text) == MISREAD[text] and repair_text(MISREAD[text]) == MISREAD[text]


@pytest.mark.parametrize("text", BREAKS)
def test_literal_line_breaks_become_real(text: str) -> None:
    """Where the text shows by itself that lines break there."""
    assert repair_text(text) == text.replace("\\n", "\n")


@pytest.mark.parametrize("text", MEANT)
def test_a_backslash_that_is_meant_stays(text: str) -> None:
    """Code, paths, regular expressions, formulas and remarks about it are left alone."""
    assert repair_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "naïve café",
        "L'Été",
        "SÃO PAULO",
        "“États”",
        "√ 2 ≈ 1.41",
        "日本語",
        "Đà Nẵng",
        "Ã",
        "AÃ±o “x”",
        "Why Ã© in UTF-8?",
    ],
)
def test_sound_or_doubtful_texts_stay(text: str) -> None:
    """What would not be damaged again into the very same text is not certain."""
    assert repair_text(text) == text


@given(st.text(alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from("\\nn.Ã©â€™\u0080\u00a0 A1-`'\"\n"))))
def test_repair_is_idempotent(text: str) -> None:
    """What was repaired shows no damage, whatever it was; nothing is ever lost."""
    once = repair_text(text)
    assert repair_text(once) == once
    assert once == text or may_need_repair(text, None)
    assert bool(once.strip()) == bool(text.strip())


@given(st.text(min_size=1, alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, codec="utf-8")))
def test_misreading_any_text_is_undone_or_left(text: str) -> None:
    """A repair never invents: it gives the text that was misread, or leaves it."""
    damaged = text.encode("utf-8").decode("latin-1")
    assert repair_text(damaged) in (damaged, text, repair_text(text))


def test_the_text_as_read_is_kept_and_is_the_identity(tmp_path: Path) -> None:
    """Only what was repaired is kept, and a repaired record is still the duplicate of its unrepaired twin."""
    rows = [
        {"prompt": "donâ€™t", "completion": r"One.\n\nTwo."},
        {"prompt": "fine", "completion": "CafÃ©"},
        {"prompt": "x"},
    ]
    first, second, third = read_json(tmp_path, rows, domain="d").examples
    assert (first.content, first.response) == ("don’t", "One.\n\nTwo.")
    assert first.metadata == {TEXT_AS_READ: {"content": "donâ€™t", "response": r"One.\n\nTwo."}}
    assert second.metadata == {TEXT_AS_READ: {"response": "CafÃ©"}} and third.metadata == {}
    as_read = identity("d", rows[0]["prompt"], rows[0]["completion"], {})
    assert identity("d", first.content, first.response, first.metadata) == as_read


def test_a_record_that_carries_its_text_as_read_is_left_alone() -> None:
    """Repair happens once."""
    metadata = {TEXT_AS_READ: {"content": "x"}}
    assert repair("donâ€™t", None, metadata) == ("donâ€™t", None) and metadata == {TEXT_AS_READ: {"content": "x"}}


def test_long_texts_are_left_alone() -> None:
    """A record that carries its texts twice must stay within its limit, and no pattern runs over megabytes."""
    text = "[" * 500_000 + r"One.\n\nTwo."
    assert repair(text, None, {}) == (text, None)
