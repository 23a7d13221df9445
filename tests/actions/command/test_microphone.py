"""From the microphone to a program."""

import json
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from tests.actions.command.programs import Script
from tests.actions.fakes import LIMIT_S
from tests.bundles import loudness_bundle
from tests.program import Program
from tests.virtual_microphone import VirtualMicrophone


def test_a_program_answers_the_microphone(
    script: Script, tmp_path: Path, virtual_microphone: VirtualMicrophone
) -> None:
    """A source whose name longs for a shell, a program that vanishes and comes back, and one that fails."""
    name = "$(touch injected) `touch injected`; '\"../🐕"
    program = script(
        'printf "%s\\0" "$@" "$LISTENER_SOURCE" "$WHAT" "$(nice)" > "$OUT/part"; cat >> "$OUT/part"\n'
        'mv "$OUT/part" "$OUT/$LISTENER_PHASE"'
    )
    flaky = script('echo "$LISTENER_PHASE" > "$OUT/half"; mv "$OUT/half" "$OUT/flaky"', "flaky.sh")
    failing = script("echo no film in it >&2; exit 3", "failing.sh")
    loudness_bundle(tmp_path / "loudness.pt")
    settings = {
        "sources": [{"use": "microphone", "name": name}],
        "model": {"path": "loudness.pt"},
        "events": {"only": ["loud"], "default": {"cooldown_s": 0.0}},
        "actions": [
            {
                "use": "command",
                "name": "note",
                "when": "both",
                "run": [program, "{source}", "--at={onset_s}", "-{label}"],
                "env": {"WHAT": "{label} in {source}"},
                "cwd": str(tmp_path),
                "nice": 19,
            },
            {"use": "command", "name": "flaky", "when": "both", "run": [flaky]},
            {"use": "command", "name": "failing", "run": [failing]},
        ],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    with Program("run", "-c", "config.yaml", "--json", cwd=tmp_path) as running:
        running.wait_for_log("listening to ")
        Path(flaky).rename(tmp_path / "away")
        player = virtual_microphone.play_array(_bursts(1))
        first = running.wait_for_event("loud", "onset")
        running.wait_for_log("action 'flaky' failed on loud: run: ")
        onset = script.wait_for("onset")
        (tmp_path / "away").rename(flaky)
        ended = running.wait_for_event("loud", "offset")
        offset = script.wait_for("offset")
        assert script.wait_for("flaky") == "offset\n"
        player.wait(LIMIT_S)
        running.interrupt()
        assert running.wait() == 130
        told = "".join(running.told)
    for text, event in ((onset, first), (offset, ended)):
        *arguments, source, what, _, stdin = text.split("\0")
        assert arguments == [name, f"--at={event['onset_s']}", "-loud"]
        assert (source, what) == (name, f"loud in {name}")
        assert json.loads(stdin) == event
    assert "action 'failing' failed on loud: exit code 3: no film in it" in told
    assert "action 'note': 2 fired" in told
    assert "action 'flaky': 1 fired, 1 failed" in told
    assert not list(tmp_path.rglob("injected"))


def _bursts(times: int) -> NDArray[np.int16]:
    """A second of noise, two of as good as nothing, so many times."""
    noise = np.random.default_rng(1).integers(-16_000, 16_000, 3 * 16_000)
    noise[16_000:] //= 1_000
    return np.tile(noise.astype(np.int16), times)
