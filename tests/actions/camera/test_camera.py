"""Pictures and films from real cameras: the right moment, whole files, names that stay in their folder."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from listener.actions.runner import ActionRunner
from tests.actions.camera.shooting import moment_of, shooting, wait_for
from tests.actions.fakes import ONSET, FakeTap, settings
from tests.cameras import FfmpegCamera, HttpCamera, RtspCamera, taken_ms
from tests.rtsp_camera import now_ms


@pytest.fixture(scope="module")
def http() -> Iterator[HttpCamera]:
    with HttpCamera() as camera:
        yield camera


@pytest.fixture(scope="module")
def rtsp() -> Iterator[RtspCamera]:
    with RtspCamera() as camera:
        yield camera


@pytest.fixture(autouse=True)
def all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "listener")


def test_a_single_picture(http: HttpCamera, tmp_path: Path) -> None:
    with shooting(tmp_path, http.url("cam.jpg")) as photo:
        asked_ms = now_ms()
        (path,) = photo.run()
    assert path.name == "20260131T061203.250Z_mic_dog.jpg"
    assert asked_ms <= moment_of(path) <= now_ms()
    assert photo.published == [path]


def test_a_single_picture_from_a_warm_process_is_asked_for_when_it_is_wanted(
    http: HttpCamera, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with shooting(tmp_path, http.url("cam.jpg"), warm=True, stills=2, interval_s=0.01) as photo:
        photo.wait_until_live(caplog)
        asked = http.asked
        for _ in range(2):
            asked_ms = now_ms()
            first, second = photo.run()
            assert asked_ms <= moment_of(first) < moment_of(second) <= now_ms()
    assert http.asked == asked + 4
    assert "no pictures" not in caplog.text


@pytest.mark.parametrize("kind", ["rtsp", "mjpeg"])
def test_a_stream_that_is_opened_at_need(
    kind: str, rtsp: RtspCamera, http: HttpCamera, tmp_path: Path
) -> None:
    with shooting(tmp_path, rtsp.url if kind == "rtsp" else http.url("cam.mjpg")) as photo:
        for _ in range(2):
            asked_ms = now_ms()
            (path,) = photo.run()
            assert asked_ms <= moment_of(path) <= now_ms()


@pytest.mark.parametrize("kind", ["rtsp", "mjpeg"])
def test_a_stream_that_is_kept_open(
    kind: str, rtsp: RtspCamera, http: HttpCamera, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = rtsp.url if kind == "rtsp" else http.url("cam.mjpg")
    opened_ms = now_ms()
    with shooting(tmp_path, url, warm=True, max_age_s=1) as photo:
        photo.wait_until_live(caplog)
        first = moment_of(*photo.run())
        assert opened_ms <= first <= now_ms()
        asked_ms = now_ms()
        wait_for(lambda: moment_of(*photo.run()) > asked_ms)  # it goes on


def test_mjpeg_by_ffmpeg(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FfmpegCamera() as camera, shooting(tmp_path, camera.url, warm=True) as photo:
        photo.wait_until_live(caplog)
        begun_ms = now_ms()
        wait_for(lambda: moment_of(photo.run()[0]) > begun_ms)


def test_a_burst_is_of_different_moments(rtsp: RtspCamera, tmp_path: Path) -> None:
    with shooting(tmp_path, rtsp.url, warm=True, stills=4, interval_s=0.2) as photo:
        paths = photo.run()
    moments = [moment_of(path) for path in paths]
    assert [path.stem.rpartition("_dog")[2] for path in paths] == ["", "_2", "_3", "_4"]
    assert all(after > before for before, after in pairwise(moments))
    assert photo.published == paths[:1]


def test_a_film_has_the_seconds_before_and_after(
    rtsp: RtspCamera, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = {"before_s": 1, "after_s": 1}
    with shooting(tmp_path, rtsp.url, warm=True, stills=1, video=video) as photo:
        photo.wait_until_live(caplog)
        threading.Event().wait(1.6)  # what is to be in it must have happened
        asked_ms = now_ms()
        still, film = photo.run()
    assert (still.suffix, film.suffix) == (".jpg", ".mp4")
    assert photo.published == [still]
    with av.open(str(film)) as container:
        (stream,) = container.streams
        first = next(packet for packet in container.demux(stream) if packet.size)
        assert first.is_keyframe
        assert first.dts == 0
    moments = moments_of(film)
    assert moments[0] <= asked_ms - 900
    assert asked_ms + 500 <= moments[-1] <= now_ms()
    # As the camera sent it: nothing between is missing, however slow a busy machine has made the camera.
    assert max(after - before for before, after in pairwise(moments)) < 700


def moments_of(film: Path) -> list[int]:
    with av.open(str(film)) as container:
        frames = container.decode(video=0)
        moments = [taken_ms(frame.to_image()) for frame in frames]  # type: ignore[no-untyped-call]
        duration_s = float(container.duration or 0) / av.time_base
    assert moments == sorted(moments)
    assert duration_s == pytest.approx((moments[-1] - moments[0]) / 1000, abs=0.5)
    return moments


@pytest.mark.parametrize("warm", [False, True])
def test_a_film_without_stills(warm: bool, http: HttpCamera, tmp_path: Path) -> None:
    """From a stream that has no clock: what is shown when is known from when it came."""
    with shooting(tmp_path, http.url("cam.mjpg"), warm=warm, stills=0, video={"after_s": 0.7}) as photo:
        (film,) = photo.run()
    assert photo.published == [film]
    assert moments_of(film)[-1] - moments_of(film)[0] > 300


def test_a_film_of_a_camera_that_has_just_been_opened(rtsp: RtspCamera, tmp_path: Path) -> None:
    """The first pictures of a connection come without a time."""
    with shooting(tmp_path, rtsp.url, stills=0, video={"after_s": 1}) as photo:
        (film,) = photo.run()
    assert moments_of(film)[-1] - moments_of(film)[0] > 500


def test_a_single_picture_makes_no_film(http: HttpCamera, tmp_path: Path) -> None:
    with shooting(tmp_path, http.url("cam.jpg"), video={"after_s": 1}) as photo:
        with pytest.raises(Exception, match="no film: it sends single pictures"):
            photo.run()
        assert [path.suffix for path in photo.files()] == [".jpg"]


def test_several_at_once(rtsp: RtspCamera, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with shooting(tmp_path, rtsp.url, warm=True, video={"before_s": 0.5, "after_s": 0.5}) as photo:
        photo.wait_until_live(caplog)
        threads = [threading.Thread(target=photo.action.run, args=(ONSET, photo.context())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(path.suffix for path in photo.files()) == [".jpg"] * 4 + [".mp4"] * 4
        for path in photo.folder.glob("*.mp4"):
            assert moments_of(path)


NASTY = ("../../x", "..", "", "a/b", "/etc/passwd", "two\nlines", "🐕 $(touch x) `id` \"'", "x" * 999, "a\0b")


def test_no_name_leaves_the_folder(http: HttpCamera, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "pictures"
    options = {"filename": "{label}/{source}_{id}", "caption": "{label} {source} {time}", "warm": True}
    taken = []
    with shooting(folder, http.url("cam.jpg"), **options) as photo:
        for label in NASTY:
            event = replace(ONSET, label=label, source=label, id=label)
            (path,) = photo.run(event)
            assert path.resolve().is_relative_to(folder.resolve())
            assert photo.published[-1] == path
            taken.append(path)
    assert sorted(file for file in tmp_path.rglob("*") if file.is_file()) == sorted(taken)


def test_a_caption_leaves_the_rest_of_the_picture(http: HttpCamera, tmp_path: Path) -> None:
    with shooting(tmp_path, http.url("cam.jpg"), caption="{label}") as photo:
        asked_ms = now_ms()
        (path,) = photo.run()
    # The lowest row of fields is under the bar: the 24 bits above it are to be read.
    assert moment_of(path) & 0xFFFFFF >= asked_ms & 0xFFFFFF


def test_the_runner_counts_what_a_camera_does(http: HttpCamera, tmp_path: Path) -> None:
    with (
        shooting(tmp_path / "unused", http.url("cam.jpg")) as there,
        shooting(tmp_path / "unused", http.url("nothing")) as gone,
    ):
        gone.action.name = "gone"
        runner = ActionRunner(
            [(action, settings(use="camera", name=action.name)) for action in (there.action, gone.action)],
            FakeTap(),
        )
        runner.start()
        runner.submit(ONSET)
        wait_for(lambda: (stats := runner.stats())["photo"].fired == 1 and stats["gone"].failed == 1)
        runner.stop(5.0)
