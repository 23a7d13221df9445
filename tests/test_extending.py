"""What docs/extending.md tells is true: all that stands in it is run, and so is the package in examples/."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import PATIENCE_S, events, run

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "examples" / "listener-example"
GUIDE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```\w* ?(\S*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^    (listener .+)$", GUIDE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All blocks of the guide, each as the file that it is."""
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_block_is_a_file_that_some_test_here_uses() -> None:
    assert set(BLOCKS) == {
        "hooks.py",
        "hooks.yaml",
        "tally.py",
        "beeper.py",
        "level.py",
        "level.yaml",
        "files.yaml",
        "pyproject.toml",
        "test_tally.py",
    }


@pytest.mark.parametrize(
    "path",
    [
        "listener_example/tally.py",
        "listener_example/beeper.py",
        "listener_example/level.py",
        "level.yaml",
        "pyproject.toml",
    ],
)
def test_the_guide_shows_the_package_as_it_is(path: str) -> None:
    assert (PACKAGE / path).read_text(encoding="utf-8") == BLOCKS[Path(path).name]


RUN_HOOKS, RUN_FILES = "listener run -c hooks.yaml --no-console", "listener run -c files.yaml --json"


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in (RUN_HOOKS, RUN_FILES)])
def test_a_command_of_the_guide(line: str, folder: Path) -> None:
    done = run(*shlex.split(line)[1:], cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_function_is_told_of_events(folder: Path) -> None:
    assert RUN_HOOKS in COMMANDS
    done = run(*shlex.split(RUN_HOOKS)[1:], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("smoke_alarm onset in demo, ") == 2, done.stderr
    assert done.stderr.count("smoke_alarm offset in demo, ") == 2


def test_classes_in_files(folder: Path) -> None:
    assert RUN_FILES in COMMANDS
    done = run(*shlex.split(RUN_FILES)[1:], cwd=folder)
    seen = events(done.stdout)
    assert [(event["label"], event["phase"], event["source"]) for event in seen] == [
        ("loud", phase, "beeper") for _ in range(3) for phase in ("onset", "offset")
    ]
    assert {event["model"] for event in seen} == {"level/1.0.0"}
    assert json.loads((folder / "tally.json").read_text()) == {"loud": 3}


def test_the_test_in_the_guide(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_tally.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package in examples/, installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("package")
    checkout = shutil.copytree(PACKAGE, folder / "checkout")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    done = subprocess.run(
        [*pip, "--target", str(folder / "site"), str(checkout)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def with_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))


@pytest.mark.usefixtures("with_package")
def test_an_installed_package_is_shown_with_its_origin(tmp_path: Path) -> None:
    done = run("plugins", cwd=tmp_path)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for kind, name in (("action", "tally"), ("source", "beeper"), ("classifier", "level")):
        assert f"{kind} {name} listener-example 1.0.0 ok" in lines


@pytest.mark.usefixtures("with_package")
def test_an_installed_package_does_its_work(tmp_path: Path) -> None:
    for name in ("config.yaml", "level.yaml"):
        shutil.copy(PACKAGE / name, tmp_path)
    assert run("check", "-c", "config.yaml", cwd=tmp_path).returncode == 0
    done = run("run", "-c", "config.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(events(done.stdout)) == 6
    assert json.loads((tmp_path / "tally.json").read_text()) == {"loud": 3}


@pytest.mark.usefixtures("with_package")
def test_options_of_an_installed_package_are_checked(tmp_path: Path) -> None:
    shutil.copy(PACKAGE / "level.yaml", tmp_path)
    text = (PACKAGE / "config.yaml").read_text(encoding="utf-8")
    text = text.replace("times: 3", "times: 0").replace("path: tally.json", "paths: x")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    done = run("check", "-c", "config.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "config.yaml:2: sources[0].times: must be greater than or equal to 1 (it is 0)" in done.stderr
    assert "config.yaml:8: actions[0].paths: unknown key: did you mean 'path'?" in done.stderr
