"""What the documentation shows works: every configuration in it is read and built."""

import re
from pathlib import Path

import pytest

from listener.assembly import build_actions, build_rules
from listener.classifiers.bundle import read_card
from listener.config_file import read_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECRET = re.compile(r"!file ([\w/.-]+)")
FROM_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
OURS = re.compile(r"^(?:sources|model|windows|events|actions|place):", re.MULTILINE)
EXAMPLES = [
    pytest.param(block, id=f"{page.name}:{text[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for text in [page.read_text(encoding="utf-8")]
    for match in BLOCK.finditer(text)
    for block in [match.group(1)]
    if OURS.search(block)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_configuration(
    example: str, tmp_path: Path, household: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in SECRET.findall(example):
        secret = tmp_path / path
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("json://localhost/secret\n")
    for variable in FROM_ENVIRONMENT.findall(example):
        monkeypatch.setenv(variable, "a-secret-of-some-length")
    for name in re.findall(r"python:([\w./-]+\.py):(\w+)", example):
        (tmp_path / name[0]).write_text(f"def {name[1]}(event):\n    pass\n")
    (tmp_path / "config.yaml").write_text(example)
    monkeypatch.chdir(tmp_path)
    file = read_config(tmp_path / "config.yaml")
    card = read_card(household)
    build_rules(file, card)
    assert len(build_actions(file, card)) == len(file.config.actions)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 10
