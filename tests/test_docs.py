"""What the documentation shows works: every configuration in it is read and built."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from listener.assembly import build_actions, build_rules
from listener.classifiers.bundle import read_card
from listener.config_file import read_config
from listener.training.networks import check_network
from listener.training.recipe import read_recipe

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECRET = re.compile(r"!file ([\w/.-]+)")
FROM_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
RECIPE = re.compile(r"^fit:", re.MULTILINE)
OURS = re.compile(r"^(?:sources|model|windows|events|actions|place):", re.MULTILINE)
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{text[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for text in [page.read_text(encoding="utf-8")]
    for match in BLOCK.finditer(text)
    for block in [match.group(1)]
]
CONFIGURATIONS = [example for example in BLOCKS if OURS.search(str(example.values[0]))]
RECIPES = [example for example in BLOCKS if RECIPE.search(str(example.values[0]))]


@pytest.mark.parametrize("example", CONFIGURATIONS)
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
    if "doorbell.pt" in example:
        card = replace(card, labels=("doorbell",), thresholds={})
    build_rules(file, card)
    assert len(build_actions(file, card)) == len(file.config.actions)


@pytest.mark.parametrize("example", RECIPES)
def test_a_recipe_is_one(example: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(example)
    recipe = read_recipe(path)
    check_network(recipe.network)
    shipped = ROOT / "recipes" / f"{recipe.name}.yaml"
    assert not shipped.exists() or recipe == read_recipe(shipped)


def test_there_are_examples() -> None:
    assert len(CONFIGURATIONS) > 10
    assert RECIPES
