"""Secrets are kept out of everything that is told, in whatever spelling they come along.

A secret is known by its value, not by its place: it may return in the message of a library, in the
output of a program, in a traceback. What a library has quoted, escaped or put into a URL is known too;
what it has hashed or encoded otherwise (the base64 of a log-in and its password) is not.
"""

import threading
from collections.abc import Iterable, Iterator

MARK = "•••"
"""Stands where a secret was."""

LEAST_LENGTH = 4
"""Shorter values are not hidden: they are part of many a word, so that every line would have holes, and
the holes would say what the value is. Nothing so short keeps anybody out."""


class Redactor:
    """Knows values and takes them out of text. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._hidden: list[str] = []  # only ever appended to, so that it may be read without the lock

    def hide(self, values: Iterable[str]) -> None:
        """Hide these values too, from now on and for ever: lines that hold an old one may still come."""
        spellings = {spelling for value in values for spelling in _spellings(value)}
        with self._lock:
            self._hidden.extend(spellings - self._known)
            self._known |= spellings

    def redact(self, text: str, cut: bool = False) -> str:
        """Give the text with `MARK` for each hidden value in it.

        Parameters
        ----------
        text
            Any text.
        cut
            It was cut out of a longer one, perhaps in the middle of a value: what it begins or
            ends with may be part of one.
        """
        spans = [span for value in self._hidden if value in text for span in _spans(value, text)]
        if cut:
            spans += [span for value in self._hidden for span in _parts(value, text)]
        if not spans:
            return text
        kept, position = [], 0
        for start, end in _merged(spans):
            kept += [text[position:start], MARK]
            position = end
        return "".join([*kept, text[position:]])


def _spellings(value: str) -> Iterator[str]:
    """Give the forms in which a value may be met, as a whole and line by line."""
    import json  # here, so that commands that have no secrets are there at once
    from urllib.parse import quote, quote_plus

    for text in {value, value.strip(), " ".join(value.split()), *map(str.strip, value.splitlines())}:
        raw = text.encode(errors="replace")
        for spelling in (
            text,
            "".join(letter if letter.isprintable() else "?" for letter in text.expandtabs()),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
            repr('"' + text)[2:-1],  # inside of a longer text the other quotes are escaped
            repr(raw)[2:-1],
            quote(raw),
            quote(raw, safe=""),
            quote_plus(raw),
        ):
            if len(spelling) >= LEAST_LENGTH:
                yield spelling


def _spans(value: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(value)
    while start >= 0:
        yield start, start + len(value)
        start = text.find(value, start + 1)


def _parts(value: str, text: str) -> Iterator[tuple[int, int]]:
    """Find the end of a value at the beginning of the text, and its beginning at the end."""
    for length in range(min(len(value), len(text)), LEAST_LENGTH - 1, -1):
        if text.startswith(value[-length:]):
            yield 0, length
        if text.endswith(value[:length]):
            yield len(text) - length, len(text)


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join spans that overlap or touch; of two secrets that share letters, none may show its rest."""
    (start, end), *others = sorted(spans)
    for next_start, next_end in others:
        if next_start > end:
            yield start, end
            start, end = next_start, next_end
        end = max(end, next_end)
    yield start, end


_redactor = Redactor()
hide, redact = _redactor.hide, _redactor.redact
