from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.actions.template import FIELDS, field_values, fields_of, fill
from tests.actions.fakes import OFFSET, ONSET


def test_the_text_of_every_field() -> None:
    assert field_values(OFFSET, Path("clips/dog.flac")) == {
        "label": "dog",
        "source": "mic",
        "score": "0.2",
        "phase": "offset",
        "id": "e1",
        "onset_s": "12.5",
        "offset_s": "15.0",
        "started_at": "2026-01-31T06:12:03.250Z",
        "clip": "clips/dog.flac",
    }


def test_what_is_not_known_is_empty() -> None:
    values = field_values(ONSET, None)
    assert (values["offset_s"], values["clip"]) == ("", "")


@given(st.text(), st.text())
def test_values_are_never_looked_at_again(label: str, source: str) -> None:
    values = {"label": label, "source": source}
    assert fill("a{label}b{source}{{label}}", values) == f"a{label}b{source}{{label}}"


@given(st.text().filter(lambda text: "{" not in text and "}" not in text))
def test_text_without_fields_stays(text: str) -> None:
    assert fill(text, {}) == text
    assert fields_of(text, ()) == set()


@pytest.mark.parametrize(
    "template",
    ["{lable}", "{}", "{0}", "{label.__class__}", "{label[0]}", "{label!r}", "{label:>9}", '{"a": 1}'],
)
def test_only_plain_known_fields(template: str) -> None:
    with pytest.raises(ValueError, match=r"there is no field .*there are label, source, "):
        fields_of(template, FIELDS)


@pytest.mark.parametrize("template", ["{", "}", "{label", "a}b"])
def test_braces_have_partners(template: str) -> None:
    with pytest.raises(ValueError, match=r"a brace without a partner; write {{ or }} for a brace"):
        fields_of(template, FIELDS)
