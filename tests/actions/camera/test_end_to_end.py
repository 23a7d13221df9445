"""From a sound played into a microphone to pictures of that moment, by the program as a user runs it."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.actions.camera.shooting import wait_for
from tests.bundles import loudness_bundle
from tests.cameras import FfmpegCamera, HttpCamera, RtspCamera, free_port, taken_ms
from tests.program import Program
from tests.rtsp_camera import now_ms
from tests.virtual_microphone import VirtualMicrophone

RATE = 16_000
PASSWORD = "p4ss/w0rd of the camera"


def test_a_sound_takes_its_picture(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    """RTSP, MJPEG and JPEG; a camera that is away, and one that refuses, are named and disturb nobody."""
    with (
        RtspCamera() as rtsp,
        FfmpegCamera() as mjpeg,
        HttpCamera(user="me", password=PASSWORD) as jpeg,
        Program(
            "run",
            "-c",
            _configuration(tmp_path, rtsp.url, mjpeg.url, jpeg.url("cam.jpg", "me:${CAM_PASSWORD}@"), jpeg),
            "--json",
            environment={"CAM_PASSWORD": "p4ss%2Fw0rd%20of%20the%20camera"},
        ) as program,
    ):
        program.wait_for_log("listening to mic")
        wait_for(lambda: "".join(program.told).count("': pictures come from") == 2)
        played_ms = now_ms()
        player = virtual_microphone.play_array(_bursts(2))
        onsets = [program.wait_for_event("loud", phase) for phase in ("onset", "offset") * 2][::2]
        player.wait()
        pictures = [
            tmp_path / name / f"{onset['id']}{suffix}"
            for onset in onsets
            for name, suffix in (("film", ".mp4"), ("rtsp", ".jpg"), ("mjpeg", ".jpg"), ("jpeg", ".jpg"))
        ]
        wait_for(lambda: all(picture.exists() for picture in pictures), lambda: "".join(program.told))
        wait_for(
            lambda: "".join(program.told).count(" failed on loud: no picture from ") == 4,
            lambda: "".join(program.told),
        )
        ended_ms = now_ms()
        program.interrupt()
        assert program.wait() == 130
    told = "".join(program.told)
    for name in ("rtsp", "mjpeg", "jpeg"):
        moments = [_moment(tmp_path / name / f"{onset['id']}.jpg") for onset in onsets]
        assert played_ms <= moments[0] < moments[1] <= ended_ms
    for onset in onsets:
        with av.open(str(tmp_path / "film" / f"{onset['id']}.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) >= 10
    assert "action 'away' failed on loud: no picture from rtsp://127.0.0.1" in told
    assert "the connection is refused" in told
    assert "action 'refused' failed on loud: no picture from http://127.0.0.1" in told
    assert "refuses the user name and password (401)" in told
    assert "p4ss" not in told
    assert "wr0ng" not in told


def _configuration(folder: Path, rtsp: str, mjpeg: str, jpeg: str, http: HttpCamera) -> Path:
    path = folder / "config.yaml"
    cameras = {"rtsp": rtsp, "mjpeg": mjpeg, "jpeg": jpeg, "film": rtsp}
    more = {"film": ", warm: true, video: {before_s: 1, after_s: 1}", "mjpeg": ", warm: true"}
    takes = [
        f"  - {{use: camera, name: {name}, url: '{url}', directory: {folder / name}, filename: '{{id}}'"
        f"{more.get(name, '')}, labels: [loud]}}"
        for name, url in cameras.items()
    ]
    refused = http.url("cam.jpg", "me:wr0ng-password@")
    path.write_text(
        f"""
sources: [{{use: microphone, name: mic}}]
model: {{path: {loudness_bundle(folder / "loudness.pt")}}}
windows: {{hop_s: 0.1}}
events: {{only: [loud], default: {{release_s: 0.1, cooldown_s: 0}}}}
actions:
{chr(10).join(takes)}
  - {{use: camera, name: away, url: 'rtsp://127.0.0.1:{free_port()}/cam', directory: {folder}/away}}
  - {{use: camera, name: refused, url: '{refused}', directory: {folder}/refused}}
"""
    )
    return path


def _moment(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        assert image.format == "JPEG"
        return taken_ms(image)


def _bursts(n: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Half a loud second in every three, at its end."""
    gain = np.repeat([10, 10_000], [5 * RATE // 2, RATE // 2])
    noise = np.random.default_rng(1).uniform(-1, 1, n * 3 * RATE)
    return np.asarray(np.round(noise * np.tile(gain, n)), np.int16)
