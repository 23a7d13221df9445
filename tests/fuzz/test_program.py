"""What is made up by hand, through the whole program: exit code 1, a line for each problem, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.testing import tiny_bundle
from tests.fuzz.headers import templates
from tests.program import PATIENCE_S, command, run


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "tiny.pt"
    tiny_bundle(path)
    return path


def assert_refused(*arguments: str | Path, told: str, cwd: Path, stdin: bytes | None = None) -> None:
    done = run(*arguments, cwd=cwd, stdin=stdin)
    assert done.returncode == 1, done.stderr
    problems = [
        line for line in done.stderr.splitlines() if " INFO: " not in line and " WARNING: " not in line
    ]
    assert problems
    for line in problems:
        assert line.startswith("listener: ")
        assert line.isprintable()
        assert len(line) < 1_500
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: " + "[" * 500, "no valid YAML: more than"),
        ("model: {path: !file /dev/zero}", "cannot be read: it is no file"),
        ('sources: [{use: file, path: "a\\0b"}]', "a?b cannot be read: "),
        ("sources: [{use: file, path: " + "x" * 5_000 + "}]", "cannot be read: File name too long"),
        ('model: {path: tiny.pt, card: "a\\0b"}', "cannot be read: "),
        ("\xff\xfem", "cannot be read: 'utf-8' codec"),
    ],
)
def test_configurations(text: str, told: str, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").symlink_to(bundle)
    model = "" if "model" in text or text[0] < "a" else "model: {path: tiny.pt}\n"
    (tmp_path / "config.yaml").write_bytes((model + text).encode("latin-1"))
    assert_refused("run", "-c", "config.yaml", told=told, cwd=tmp_path)


def recordings() -> dict[str, tuple[bytes, str]]:
    """Damaged files, and what is said of them."""
    made = templates()
    wav, flac, opus, sds = made["WAV"][0], made["FLAC"][0], made["OGG"][-1], made["SDS"][0]
    endless = int.from_bytes(flac[18:26], "big") | (1 << 36) - 1
    return {
        "rate.wav": (wav[:24] + b"\x01\0\0\0" + wav[28:], "its rate is 1 Hz"),
        "channels.wav": (wav[:22] + b"\xff\xff" + wav[24:], "is damaged: its sound cannot be decoded"),
        "cut.wav": (wav[: len(wav) // 2], "is truncated"),
        "cut.flac": (flac[: len(flac) // 2], "is truncated or damaged"),
        "endless.flac": (flac[:18] + endless.to_bytes(8, "big") + flac[26:], "is truncated or damaged"),
        "cut.opus": (opus[: len(opus) - 100], "is not an audio file that can be read"),
        "noisy.wav": (sds[:2_000] + b"\x7f" * 300 + sds[2_300:], ""),
        "empty.mp3": (b"", "is empty"),
        "words.mp3": (b"words" * 1_000, "is not an audio file"),
    }


def test_recordings(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"model: {{path: {bundle}}}\n", encoding="utf-8")
    damaged = recordings()
    for name, (content, _) in damaged.items():
        (tmp_path / name).write_bytes(content)
    for called in ("predict", "analyze"):
        form = ("--json",) if called == "predict" else ("--format", "jsonl")
        done = run(called, *form, "-c", "config.yaml", *damaged, cwd=tmp_path)
        assert done.returncode == 1
        assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
        lines = done.stderr.splitlines()
        assert all(line.startswith("listener: ") and line.isprintable() for line in lines)
        for name, (_, told) in damaged.items():
            if told:
                (line,) = [line for line in lines if name in line]
                assert told in line


def test_a_recording_whose_name_is_not_utf8(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.wav"))
    with open(path, "wb") as file:
        soundfile.write(file, np.random.default_rng(1).uniform(-0.5, 0.5, 48_000), 16_000, format="WAV")
    (tmp_path / "config.yaml").write_text(
        f"model: {{path: {bundle}}}\nevents: {{default: {{threshold_on: 0.001}}}}\n", encoding="utf-8"
    )
    for encoding, arguments, told in (
        ("utf-8:strict", ("predict",), b"/caf\xe9.wav (3.0 s)"),
        ("ascii:strict", ("predict",), b".wav (3.0 s)"),
        ("utf-8:strict", ("analyze", "--out", "out.txt"), b""),
    ):
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
        program = command(*arguments, "-c", "config.yaml", path)
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert told in done.stdout
    assert b"/caf\xe9.wav\n" in (tmp_path / "out.txt").read_bytes()
    assert_refused(
        "run", "--source", path, "-c", "config.yaml", told="a name that is not UTF-8", cwd=tmp_path
    )


def test_no_pcm(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"model: {{path: {bundle}}}\n", encoding="utf-8")
    form = ("--channels", "2", "--sample-format", "s32le")
    arguments = ("run", "-c", "config.yaml", "--source", "-", *form, "--json")
    assert_refused(*arguments, told="ended without a sample", cwd=tmp_path, stdin=b"x" * 7)


def test_any_pcm_is_heard(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"model: {{path: {bundle}}}\n", encoding="utf-8")
    noise = np.random.default_rng(2).bytes(64_003)
    done = run(
        *("run", "-c", "config.yaml", "--source", "-", "--sample-format", "f32le", "--json"),
        cwd=tmp_path,
        stdin=noise,
    )
    assert done.returncode == 0
    assert "heard 1.0 s" in done.stderr
    assert "3 bytes at the end" in done.stderr
    assert "Traceback" not in done.stderr


def test_bundles(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    damaged = {
        "half.pt": whole[: len(whole) // 2],
        "tensor.pt": whole.replace(b"data/1", b"data/9", 1),
        "card.pt": whole.replace(b'"sample_rate": 16000', b'"sample_rate": 1e999', 1),
        "words.pt": b"words",
        "empty.pt": b"",
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    done = run("models", "verify", *damaged, bundle, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    for line, name in zip(lines, damaged, strict=True):
        assert line.startswith(f"listener: {name}: no TorchScript model, or a broken one")
        assert line.isprintable()
    assert done.stdout == f"{bundle}: tiny/1.0.0 is as its card says\n"
    (tmp_path / "config.yaml").write_text("model: {path: tensor.pt}\n", encoding="utf-8")
    told = "tensor.pt: no TorchScript model, or a broken one"
    assert_refused("run", "-c", "config.yaml", "--source", "demo", told=told, cwd=tmp_path)


def test_not_enough_memory(tmp_path: Path) -> None:
    code = """
import listener.cli, listener.cli.group
def devour(**options): bytes(2**62)
listener.cli.group.cli.main = devour
listener.cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(b"listener: there is not enough memory")
