"""Cameras that are away, come back, stall, refuse, or send rubbish: named, bounded in time, nothing left."""

import logging
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import listener
from listener.actions.camera import CameraAction, CameraOptions
from listener.errors import ActionError, TransientError
from listener.logs import redact
from tests.actions.camera.shooting import Shooting, age_ms, moment_of, shooting, wait_for
from tests.actions.fakes import ONSET
from tests.cameras import HttpCamera, RtspCamera, free_port, jpeg
from tests.disk import SmallDisk
from tests.rtsp_camera import now_ms

PASSWORD = "p4ss/w0rd of the camera"
IN_URL = "me:p4ss%2Fw0rd%20of%20the%20camera@"


@pytest.fixture(autouse=True)
def all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "listener")


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("listener.actions.camera.action.find_spec", lambda name: None)
    needs = r"needs the package av: pip install 'listener\[camera\]'"
    with pytest.raises(ActionError, match=needs), shooting(tmp_path, "rtsp://cam/x"):
        pass


def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import sys; sys.modules['av'] = None")
    monkeypatch.setattr("listener.actions.camera.child.listener.__file__", str(broken / "x" / "y"))
    (broken / "listener").symlink_to(Path(listener.__path__[0]))
    why = r"its process has ended: ModuleNotFoundError: .*\bav\b"
    with shooting(tmp_path / "p", "rtsp://cam/x") as photo, pytest.raises(TransientError, match=why):
        photo.run()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = "directory: nothing can be written to"
    with pytest.raises(ActionError, match=why), shooting(tmp_path / "file" / "pictures", "rtsp://cam/x"):
        pass


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/dev/video99", "there is no such device"),
        ("rtsp://127.0.0.1:{port}/cam", "the connection is refused"),
        ("http://127.0.0.1:{port}/cam.jpg", "the connection is refused"),
    ],
)
def test_a_camera_that_is_not_there(url: str, why: str, warm: bool, tmp_path: Path) -> None:
    with shooting(tmp_path, url.format(port=free_port()), warm=warm) as photo:
        with pytest.raises(TransientError, match=why):
            photo.run()
        assert photo.files() == []
        assert photo.published == []


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with HttpCamera() as camera, shooting(tmp_path, camera.url("nothing")) as photo:
        with pytest.raises(ActionError, match="404") as caught:
            photo.run()
        assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", ["rtsp", "http"])
def test_a_wrong_password(kind: str, warm: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with HttpCamera(user="me", password=PASSWORD) as http, RtspCamera(user="me", password=PASSWORD) as rtsp:
        right = http.url("cam.jpg", IN_URL) if kind == "http" else rtsp.url.replace("//", f"//{IN_URL}")
        with shooting(tmp_path, right.replace("p4ss", "wrong"), warm=warm) as photo:
            for _ in range(3 if warm else 1):
                with pytest.raises(
                    ActionError, match=r"refuses the user name and password \(401\)"
                ) as caught:
                    photo.run()
                assert not isinstance(caught.value, TransientError)
                assert "wrong" not in f"{caught.value}{caplog.text}"
        if warm and kind == "http":
            assert http.asked <= 2  # who tries again and again is locked out
        with shooting(tmp_path, right, warm=warm) as photo:
            moment_of(*photo.run())
    assert "p4ss" not in caplog.text
    assert PASSWORD not in redact(f"a library says {PASSWORD}")


@pytest.mark.parametrize(("path", "warm"), [("cam.jpg", False), ("cam.mjpg", True)])
def test_rubbish(path: str, warm: bool, tmp_path: Path) -> None:
    with HttpCamera() as camera:
        camera.body = lambda: os.urandom(20_000)
        with shooting(tmp_path, camera.url(path), warm=warm, open_s=1, stall_s=0.5) as photo:
            with pytest.raises(TransientError, match="no picture from"):
                photo.run()
            assert photo.files() == []


def test_a_picture_that_is_cut_off_is_followed_by_a_whole_one(tmp_path: Path) -> None:
    with HttpCamera() as camera, shooting(tmp_path, camera.url("cam.mjpg"), warm=True) as photo:
        whole, count = camera.body, iter(range(10**9))
        camera.body = lambda: os.urandom(50) if next(count) % 2 else whole()
        for _ in range(3):
            moment_of(*photo.run())


@pytest.mark.parametrize("warm", [False, True])
def test_a_camera_that_does_not_answer(warm: bool, tmp_path: Path) -> None:
    with HttpCamera() as camera:
        camera.flows.clear()
        limits = {"open_s": 0.5, "stall_s": 0.5}
        why = r"no answer within 0\.5 s"
        with (
            shooting(tmp_path, camera.url("cam.mjpg"), warm=warm, **limits) as photo,
            pytest.raises(TransientError, match=why),
        ):
            photo.run()


def test_a_slow_camera(tmp_path: Path) -> None:
    with HttpCamera() as camera, shooting(tmp_path, camera.url("cam.jpg")) as photo:
        camera.flows.clear()
        timer = threading.Timer(1.0, camera.flows.set)
        timer.start()
        asked_ms = now_ms()
        (path,) = photo.run()
        assert moment_of(path) >= asked_ms + 900


@pytest.mark.parametrize("kind", ["rtsp", "http"])
def test_a_stream_that_stalls_gives_no_old_picture(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with HttpCamera() as http, RtspCamera() as rtsp:
        url = rtsp.url if kind == "rtsp" else http.url("cam.mjpg")
        with shooting(tmp_path, url, warm=True, max_age_s=0.8, open_s=2, stall_s=1.5) as photo:
            wait_for(lambda: _comes(photo.action, photo.context()))
            http.flows.clear()
            rtsp.freeze()
            stalled_ms = now_ms()
            threading.Event().wait(1.0)
            with pytest.raises(TransientError, match="no picture from"):
                photo.run()
            wait_for(lambda: "nothing came for 1.5 s" in caplog.text or "no answer within" in caplog.text)
            http.flows.set()
            rtsp.thaw()
            wait_for(lambda: _comes(photo.action, photo.context()))
            newest = max(photo.files(), key=lambda path: path.stat().st_mtime_ns)
            assert moment_of(newest) > stalled_ms


def _is_later(photo: Shooting, than_ms: int) -> bool:
    return moment_of(*photo.run()) > than_ms


def _comes(action: CameraAction, context: object) -> bool:
    try:
        action.run(ONSET, context)  # type: ignore[arg-type]
    except TransientError:
        return False
    return True


@pytest.mark.parametrize("kind", ["rtsp", "http"])
def test_a_warm_camera_that_is_down_at_the_start_goes_away_and_comes_back(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    http, rtsp = HttpCamera(), RtspCamera()
    with http:
        pass  # it has its port now
    url = rtsp.url if kind == "rtsp" else http.url("cam.mjpg")
    with shooting(tmp_path, url, warm=True, open_s=3, stall_s=2, max_age_s=0.5) as photo:
        try:
            with pytest.raises(TransientError, match="the connection is refused"):
                photo.run()
            for _ in range(2):
                rtsp.start()
                http.start()
                back_ms = now_ms()
                wait_for(lambda: _comes(photo.action, photo.context()))
                wait_for(partial(_is_later, photo, back_ms))
                caplog.clear()
                rtsp.kill()
                http.stop()
                wait_for(lambda: "no pictures from" in caplog.text)
                threading.Event().wait(0.6)  # what was taken is old now
                with pytest.raises(TransientError, match="no picture from"):
                    photo.run()
        finally:
            rtsp.kill()
            http.stop()


def test_a_process_that_is_killed_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with HttpCamera() as camera, shooting(tmp_path, camera.url("cam.mjpg"), warm=True) as photo:
        photo.run()
        kept = photo.action._kept
        assert kept is not None
        assert kept._child is not None
        kept._child.kill()
        wait_for(
            lambda: "its process has ended: ended by signal 9 (Killed); it is started again" in caplog.text
        )
        wait_for(lambda: _comes(photo.action, photo.context()))


def test_a_process_that_hangs_is_left_within_the_time_of_a_cancelled_run(tmp_path: Path) -> None:
    """As a driver does that waits for ever: it obeys nothing but the end of its process."""
    with HttpCamera() as camera, shooting(tmp_path, camera.url("cam.mjpg"), warm=True) as photo:
        photo.run()
        kept = photo.action._kept
        assert kept is not None
        assert kept._child is not None
        kept._child.process.send_signal(signal.SIGSTOP)
        run = threading.Thread(target=lambda: _fails(photo.action, photo.context()))
        run.start()
        photo.cancelled.set()
        photo.action.cancel()
        run.join(30)
        assert not run.is_alive()
        photo.cancelled.clear()
        wait_for(lambda: _comes(photo.action, photo.context()))


def _fails(action: CameraAction, context: object) -> None:
    with pytest.raises(ActionError, match="given up"):
        action.run(ONSET, context)  # type: ignore[arg-type]


@pytest.mark.parametrize("warm", [False, True])
def test_a_run_that_is_given_up_ends_and_leaves_nothing(warm: bool, tmp_path: Path) -> None:
    with HttpCamera() as camera:
        camera.flows.clear()
        with shooting(tmp_path, camera.url("cam.mjpg"), warm=warm, open_s=60, stall_s=60) as photo:
            run = threading.Thread(target=lambda: _fails(photo.action, photo.context()))
            run.start()
            wait_for(lambda: camera.asked > 0)
            photo.cancelled.set()
            photo.action.cancel()
            run.join(30)
            assert not run.is_alive()
            begun = time.monotonic()
        assert time.monotonic() - begun < 30  # not the sixty seconds that the camera may take
        assert photo.files() == []


def test_closing_ends_the_process(tmp_path: Path) -> None:
    with HttpCamera() as camera:
        with shooting(tmp_path, camera.url("cam.mjpg"), warm=True) as photo:
            photo.run()
            kept = photo.action._kept
            assert kept is not None
            assert kept._child is not None
            pid = kept._child.process.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_ends_with_the_program(tmp_path: Path) -> None:
    with HttpCamera() as camera, shooting(tmp_path, camera.url("cam.mjpg"), warm=True) as photo:
        photo.run()
        kept = photo.action._kept
        assert kept is not None
        assert kept._child is not None
        process = kept._child.process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_full_disk(small_disk: SmallDisk) -> None:
    with HttpCamera() as camera, shooting(small_disk.folder, camera.url("cam.jpg"), warm=True) as photo:
        small_disk.fill()
        with pytest.raises(ActionError, match="No space left on device"):
            photo.run()
        assert [path.name for path in photo.files()] == ["filler"]
        small_disk.make_room()
        moment_of(*photo.run())


def test_a_disk_that_fills_up_while_a_film_is_written(small_disk: SmallDisk) -> None:
    video = {"after_s": 1}
    with (
        RtspCamera(rate=50) as camera,
        shooting(small_disk.folder, camera.url, warm=True, video=video) as photo,
    ):
        small_disk.fill(leave=8_000)
        with pytest.raises(ActionError, match="No space left on device"):
            photo.run()
        assert [path.suffix for path in photo.files() if path.name != "filler"] == [".jpg"]
        small_disk.make_room()
        photo.run()


def test_what_a_killed_program_has_left_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".1-2-3.camera.part", tmp_path / ".1-2-4.camera.part"
    other = tmp_path / "mine.part"
    for path in (old, new, other):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    with shooting(tmp_path, "rtsp://cam/x") as photo:
        assert sorted(photo.files()) == sorted((new, other))


def test_libav_says_nothing_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with HttpCamera() as camera:
        camera.body = lambda: os.urandom(20_000)
        with (
            shooting(tmp_path, camera.url("cam.mjpg"), open_s=1, stall_s=1) as photo,
            pytest.raises(TransientError),
        ):
            photo.run()
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


def test_options_are_refused_before_anything_is_opened() -> None:
    with pytest.raises(ValueError, match="must be an address"):
        CameraOptions.model_validate({"url": "camera"})


def test_age_is_what_a_picture_shows(tmp_path: Path) -> None:
    """The tool itself: a camera that shows another time is found out."""
    path = tmp_path / "old.jpg"
    path.write_bytes(jpeg(now_ms() - 60_000))
    assert age_ms(path) >= 60_000
