import json
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from listener.logs.redaction import LEAST_LENGTH, MARK, Redactor

SECRET = "s3cr\"t'/+ü\\x"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.hide([SECRET])
    return redactor


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps({"header": f"Bearer {SECRET}"}, ensure_ascii=False),
        repr(SECRET),
        repr(["curl", f'"it\'s" {SECRET}']),
        repr(SECRET.encode()),
        f"https://user:{quote(SECRET, safe='')}@host/path",
        f"https://host/{quote(SECRET)}",
    ],
)
def test_a_secret_is_known_in_every_spelling(redactor: Redactor, spelling: str) -> None:
    told = redactor.redact(f"before {spelling} after")
    assert "cr" not in told
    assert told.startswith("before ")
    assert told.endswith(" after")
    assert MARK in told


def test_a_secret_of_several_lines_is_hidden_line_by_line() -> None:
    redactor = Redactor()
    redactor.hide(["-- begin --\n  4f2a99\n  77c0e1\n-- end --\n"])
    assert redactor.redact("photo: 77c0e1") == f"photo: {MARK}"
    assert redactor.redact("photo: -- begin --\n  4f2a99\n") == f"photo: {MARK}\n  {MARK}\n"
    assert redactor.redact("-- begin -- 4f2a99 77c0e1 -- end --") == MARK


def test_secrets_are_added_and_stay() -> None:
    redactor = Redactor()
    assert redactor.redact("old new") == "old new"
    redactor.hide(["old-one"])
    redactor.hide(["new-one"])
    redactor.hide([])
    assert redactor.redact("old-one, new-one") == f"{MARK}, {MARK}"


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    redactor = Redactor()
    redactor.hide(["", " ", "a", "on", "dog", "\n", "1234"])
    assert redactor.redact("a dog began on 1234") == f"a dog began on {MARK}"


def test_the_halves_of_a_secret_in_a_text_that_was_cut() -> None:
    redactor = Redactor()
    redactor.hide(["0123456789"])
    assert redactor.redact("token 01234567", cut=True) == f"token {MARK}"
    assert redactor.redact("456789 was the token", cut=True) == f"{MARK} was the token"
    assert redactor.redact("23456789 is 0123456789, 0123", cut=True) == f"{MARK} is {MARK}, {MARK}"
    assert redactor.redact("9 is 0123456789, 012", cut=True) == f"9 is {MARK}, 012"
    assert redactor.redact("token 01234567") == "token 01234567"
    assert redactor.redact("", cut=True) == ""


def test_values_that_are_no_text_are_no_trouble() -> None:
    redactor = Redactor()
    redactor.hide(["\udcff\udcfe\0secret", "\n\n\n\n"])
    assert redactor.redact("\udcff\udcfe\0secret") == MARK
    assert redactor.redact("???secret") == MARK


secrets = st.text(alphabet="abc", min_size=LEAST_LENGTH, max_size=8)


@given(st.lists(secrets, max_size=4), st.text(alphabet="abc \n", max_size=60))
def test_nothing_of_a_secret_is_left_where_secrets_overlap(hidden: list[str], text: str) -> None:
    redactor = Redactor()
    redactor.hide(hidden)
    told = redactor.redact(text)
    assert not any(secret in told for secret in hidden)
    inside = {
        position
        for secret in hidden
        for start in range(len(text))
        if text.startswith(secret, start)
        for position in range(start, start + len(secret))
    }
    assert told.replace(MARK, "") == "".join(letter for n, letter in enumerate(text) if n not in inside)


@given(st.text(min_size=LEAST_LENGTH), st.text(), st.text())
def test_any_secret_in_any_text(secret: str, before: str, after: str) -> None:
    assume(len(secret.strip()) >= LEAST_LENGTH)
    assume(not set(secret) & set(MARK))
    redactor = Redactor()
    redactor.hide([secret])
    assert secret not in redactor.redact(f"{before}{secret}{after}")
