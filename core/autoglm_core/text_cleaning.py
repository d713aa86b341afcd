"""How the texts of a study are cleaned: a part of its schema, so that every site does alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autoglm_core.canonical import Json
from autoglm_core.label_column import check_distinct
from autoglm_core.study_error import StudyError

LONGEST_TEXT = 2**24
"""Characters of one text; no filter may let longer ones through."""
SCRIPTS = (
    *("arabic", "armenian", "bengali", "cyrillic", "devanagari", "georgian", "greek", "gujarati", "gurmukhi", "han"),
    *(
        "hangul",
        "hebrew",
        "hiragana",
        "kannada",
        "katakana",
        "khmer",
        "lao",
        "latin",
        "malayalam",
        "myanmar",
        "sinhala",
    ),
    *("tamil", "telugu", "thai", "tibetan"),
)
"""Writing systems, as Unicode's names of letters begin."""


class Duplicates(StrEnum):
    """Which rows are too many."""

    NONE = "none"
    EXACT = "exact"
    """Equal after cleaning."""
    NEAR = "near"
    """Also those whose sets of five-letter pieces have a Jaccard similarity of at least 0.8."""


class Undecodable(StrEnum):
    """What becomes of bytes that the encoding does not know."""

    REFUSE = "refuse"
    """The file, so that nobody trains on what was read in the wrong encoding."""
    DROP = "drop"
    REPLACE = "replace"
    """By U+FFFD."""


class Normal(StrEnum):
    """A normal form of Unicode (UAX 15), or the text as it is."""

    NONE = "none"
    NFC = "nfc"
    NFKC = "nfkc"


class LengthIn(StrEnum):
    """What `shortest` and `longest` count."""

    CHARACTERS = "characters"
    WORDS = "words"
    """Parts between white space; of no use for languages written without it."""


class Whitespace(StrEnum):
    """What becomes of white space. The outer one goes, but for `keep`."""

    KEEP = "keep"
    """All of it; a text of nothing else is empty."""
    LINES = "lines"
    """Runs of blanks become one space and lines end without any; of blank lines in a row one stays."""
    SPACES = "spaces"
    """Every run, line ends included, becomes one space."""


@dataclass(frozen=True)
class Cleaning:
    """What is done to every text, in this order.

    Attributes:
        undecodable: What becomes of bytes that are not in the encoding.
        html: Whether tags, comments, scripts and styles go and entities become letters.
        unicode: Normal form.
        whitespace: What becomes of white space.
        scripts: Writing systems of which at least half of a row's letters must be; none keeps every row.
        languages: Of `LANGUAGES`; a row that is clearly in another one is dropped. None keeps every row.
        shortest: Length below which a row is dropped; an empty text always is.
        longest: Length above which a row is dropped; 0 stands for `LONGEST_TEXT` characters.
        length_in: What the two count.
        duplicates: Which rows are too many.
    """

    undecodable: Undecodable = Undecodable.REFUSE
    html: bool = False
    unicode: Normal = Normal.NFC
    whitespace: Whitespace = Whitespace.LINES
    scripts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    shortest: int = 1
    longest: int = 0
    length_in: LengthIn = LengthIn.CHARACTERS
    duplicates: Duplicates = Duplicates.EXACT

    def __post_init__(self) -> None:
        place = ("schema", "cleaning")
        check_distinct(self.scripts, (*place, "scripts"))
        check_distinct(self.languages, (*place, "languages"))
        if not 1 <= self.shortest <= LONGEST_TEXT:
            raise StudyError((*place, "shortest"), f"must lie between 1 and {LONGEST_TEXT}")
        if self.longest and not self.shortest <= self.longest <= LONGEST_TEXT:
            raise StudyError((*place, "longest"), f"must be 0 (no limit), or lie between `shortest` and {LONGEST_TEXT}")

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "undecodable": str(self.undecodable),
            "html": self.html,
            "unicode": str(self.unicode),
            "whitespace": str(self.whitespace),
            "scripts": list(self.scripts),
            "languages": list(self.languages),
            "shortest": self.shortest,
            "longest": self.longest,
            "length_in": str(self.length_in),
            "duplicates": str(self.duplicates),
        }
