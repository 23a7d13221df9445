"""What a configuration takes from the environment or from files is hidden as soon as it is read."""

from pathlib import Path

import pytest

from listener.config_file import read_config
from listener.errors import ConfigError
from listener.logs import redact, redaction


@pytest.fixture(autouse=True)
def nothing_hidden_before_or_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction._redactor, "_hidden", [])
    monkeypatch.setattr(redaction._redactor, "_known", set())


def test_values_are_hidden_and_what_stands_around_them_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "t0ken")
    (tmp_path / "password.txt").write_text("p4ssword\n")
    path = tmp_path / "config.yaml"
    path.write_text("actions: [{use: command, run: [curl, 'Bearer ${TEST_TOKEN}', !file password.txt]}]")
    file = read_config(path)
    assert file.secrets == {"t0ken", "p4ssword"}
    assert redact("curl Bearer t0ken p4ssword") == "curl Bearer ••• •••"


def test_a_place_that_exists_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOME", str(tmp_path))
    monkeypatch.setenv("TEST_KEY", "/k3y/" + "x" * 5000)
    monkeypatch.setenv("TEST_EMPTY", "")
    path = tmp_path / "config.yaml"
    path.write_text("actions: [{use: command, run: ['${TEST_HOME}/x${TEST_EMPTY}', '${TEST_KEY}']}]")
    assert read_config(path).secrets == {"/k3y/" + "x" * 5000}
    assert redact(f"{tmp_path}/clips") == f"{tmp_path}/clips"


def test_a_wrong_value_with_a_secret_in_it_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "t0ken")
    path = tmp_path / "config.yaml"
    path.write_text("windows: {hop_s: 'x-${TEST_TOKEN}'}")
    with pytest.raises(ConfigError, match=r"\(it is \(hidden\)\)"):
        read_config(path)
    assert redact("t0ken") == "•••"
