"""Any text as a part of a file's name: what a label or a source may never do is leave its folder."""

import unicodedata

MAX_VALUE_BYTES = 60
"""Longest text of one field in a file name; four of them still fit into the 255 bytes of a name."""


def safe_name(text: str) -> str:
    """Make any text a part of a file name: letters, digits, ``-`` and ``.`` stay, the rest becomes ``_``.

    May be empty, and may begin with a dot: who makes a whole name of it sees to that (`safe_part`).
    """
    kept = "".join(
        character if character.isalnum() or character in "-." else "_"
        for character in unicodedata.normalize("NFC", text)
    )
    return cut(kept, MAX_VALUE_BYTES)


def safe_part(name: str, n_bytes: int, otherwise: str) -> str:
    """Make a name that is a file of its own folder, and not hidden.

    Parameters
    ----------
    name
        Values that went through `safe_name`, and what the user has written between them; no ``/`` is in it.
    n_bytes
        How long it may be in UTF-8.
    otherwise
        What it is called where nothing is left.
    """
    return cut(name.lstrip("."), n_bytes) or otherwise


def cut(text: str, n_bytes: int) -> str:
    """Give the beginning of a text that has so many bytes in UTF-8 at most; no letter is cut in two."""
    return text.encode(errors="replace")[:n_bytes].decode(errors="ignore")
