"""The text of an HTML fragment: entities as letters, no tags, comments, scripts or styles.

A tokenizer after the HTML standard's (section 13.2.5), as far as text needs it: `a < b` is no tag, and
`<a title=">">` is one. The standard library's html.parser was rejected: on Python 3.11 it takes the square of the
length of `<a <a <a ...`, half a minute for 80 kB, and `<![x` makes it fail; a site's child must read any text in time.
"""

from __future__ import annotations

import re
from html import unescape

SILENT = frozenset({"head", "noscript", "script", "style", "template"})
"""Elements whose content nobody reads."""
BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header "
    "hr li main nav ol p pre section table td th title tr ul".split()
)
"""Elements that end a line, so that `one<br>two` does not become one word."""
TAG = re.compile(r"""</?([a-z][^\s/>]*+)(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*+>""", re.IGNORECASE)
"""With attributes, whose quoted values may hold anything. Nothing is tried twice: `++` and `*+` never go back."""
END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in SILENT}


def text_of_html(text: str) -> str:
    """What a reader sees of `text`; from a tag or comment on that never ends, the text as it stands."""
    parts, place = list[str](), 0
    while (mark := text.find("<", place)) >= 0:
        parts.append(unescape(text[place:mark]))
        seen, place = _markup(text, mark)
        if place < 0:
            place = mark
            break
        parts.append(seen)
    parts.append(unescape(text[place:]))
    return "".join(parts)


def _markup(text: str, mark: int) -> tuple[str, int]:
    """What is seen of the markup that begins at `mark`, and where it ends; -1 if it does not."""
    following = text[mark + 1 : mark + 2]
    if following in ("!", "?"):
        comment = text.startswith("<!--", mark)
        end = text.find("-->", mark + 2) if comment else text.find(">", mark)
        return "", -1 if end < 0 else end + (3 if comment else 1)
    if not (following.isascii() and following.isalpha()) and following != "/":
        return "<", mark + 1
    tag = TAG.match(text, mark)
    if tag is None:
        # `</` before anything but a letter is a comment of its own kind.
        end = text.find(">", mark) if following == "/" and not text[mark + 2 : mark + 3].isalpha() else -1
        return "", end + 1 if end >= 0 else -1
    name = tag[1].lower()
    if name in SILENT and following != "/":
        closing = END[name].search(text, tag.end())
        return "", closing.start() if closing else len(text)
    return "\n" if name in BLOCKS else "", tag.end()
