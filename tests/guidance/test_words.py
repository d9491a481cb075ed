"""Guidance for people is plain: short sentences, short words, and no word of the field that is not explained."""

import re

import pytest

from templates.guidance.words import WORDS

BUILDING = ("building/",)
MOST_WORDS, OLDEST = 15, 12
_VOWELS = re.compile(r"[aeiouy]+")
# Words of the field, of computers and of DfE that somebody might not know: each that is used is explained.
JARGON = (
    "band checksum clawback cohort declaration deferral evidence extract forecast induction lead|provider mailbox manifest mentor "
    "milestone output participant partnership delivery|partner contract|period receipt resumption schedule service|fee statement "
    "submission uplift void withdrawal"
).split()
UNEXPLAINED = (
    "enrolment EOI ECF API|key payload endpoint schema metadata hash checksum|mismatch idempotent parse null boolean "
    "string UUID encode delimiter BOM instantiate"
).split()


def sentences(markdown: str) -> list[str]:
    """What is read as sentences: paragraphs, list items and cells of tables, without code blocks, headings and rows of names."""
    text = re.sub(r"~~~~.*?~~~~", "", markdown, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    found = []
    for line in text.splitlines():
        if line.startswith("#") or re.fullmatch(r"[|\s-]*", line):
            continue
        parts = line.strip("| ").split(" | ") if line.startswith("|") else [re.sub(r"^(\d+\.|[->])\s+", "", line)]
        for part in parts:
            found += [each for each in re.split(r"(?<=[.!?:;])\s+(?=\S)", part) if len(words_in(each)) > 2]
    return found


def words_in(sentence: str) -> list[str]:
    """Its words; a name in code, an id, a number and a word that is explained count as one of one syllable."""
    plain = re.sub(r"`[^`]*`", " x ", sentence)
    for term in sorted(WORDS, key=len, reverse=True):
        plain = re.sub(rf"\b{term}s?\b", " x ", plain, flags=re.IGNORECASE)
    return re.findall(r"[A-Za-z’'£0-9][\w’'./:,£-]*", plain)


def syllables(word: str) -> int:
    if not re.fullmatch(r"[A-Za-z’']+", word):
        return 1
    plain = re.sub(r"(?:[^laeiouy]es|[^td]ed|[^l]e)$", "", word.lower())
    return max(len(_VOWELS.findall(plain)), 1)


def measures(found: list[str]) -> tuple[float, float]:
    """(words a sentence, reading age in years by Flesch and Kincaid)."""
    words = [word for sentence in found for word in words_in(sentence)]
    each = len(words) / len(found)
    of_words = sum(map(syllables, words)) / len(words)
    return each, 0.39 * each + 11.8 * of_words - 15.59 + 5


@pytest.fixture(scope="module")
def pages(guided_home) -> dict[str, str]:
    """Readings 1 and 2."""
    folder = next(guided_home.glob("mailboxes/*/from-dfe/guidance"))
    named = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.md"))}
    return {name: text for name, text in named.items() if not name.startswith(BUILDING)}


@pytest.mark.parametrize(
    "reading", ["five-minutes", "spreadsheets", "statements", "calendar", "differences", "words", "index"]
)
def test_a_page_is_easy_to_read(pages, reading):
    each, age = measures(sentences(pages[f"{reading}.md"]))
    assert each <= MOST_WORDS and age <= OLDEST, f"{each:.1f} words a sentence, age {age:.1f}"


@pytest.mark.parametrize("folder", ["rules", "kinds"])
def test_pages_of_a_kind_are_easy_to_read(pages, folder):
    found = [
        each
        for name, text in pages.items()
        if name.startswith(folder)
        for each in sentences(text.split("## Where it")[0])
    ]
    each, age = measures(found)
    assert each <= MOST_WORDS and age <= OLDEST, f"{each:.1f} words a sentence, age {age:.1f}"


def test_the_measure_tells_easy_from_hard():
    easy = ["You send a file.", "We look at it.", "Then you get a note."]
    hard = [
        "Notwithstanding the aforementioned, organisational accountability necessitates comprehensive documentation of eligibility determinations."
    ]
    assert measures(easy)[1] < 8 and measures(hard)[1] > 20


def test_words_of_the_field_are_explained(pages):
    text = "\n".join(
        re.sub(r"`[^`]*`|~~~~.*?~~~~|\]\([^)]*\)", "", each.split("## Where it")[0], flags=re.DOTALL)
        for each in pages.values()
    )
    explained = {term.lower() for term in WORDS}
    used = {term.replace("|", " ") for term in JARGON if re.search(rf"\b{term.replace('|', ' ')}", text, re.IGNORECASE)}
    assert used <= explained
    assert [term for term in UNEXPLAINED if re.search(rf"\b{term.replace('|', ' ')}\b", text)] == []
    short = set(re.findall(r"(?<![\w./-])[A-Z]{2,}(?![\w-])", text)) - {
        "UTF",
        "FILE",
        "JSON",
        "KIND",
        "ZIP",
        "PRACTICE",
    }
    assert short <= {word for term in WORDS for word in term.split()} | {"CLEAN"}, "letters that nobody explains"
