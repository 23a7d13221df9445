"""``listener dataset download``, against a server of our own."""

import gzip
import io
import json
import os
import re
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from listener.errors import DatasetError
from listener.training.data.download import DATASETS, Dataset, Downloaded, download, transfer
from listener.training.data.download.unpack import unpack
from listener.training.data.whole_folder import locked_folder
from tests import program
from tests.disk import SmallDisk
from tests.http_server import Answer, Handler, WebServer, hang, hang_up, rubbish, status

N_SOUND = 300_000


def archive_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return packed.getvalue()


SOUND = os.urandom(N_SOUND)
ARCHIVE = archive_of({"set-1.0/recordings/0_ann_0.wav": SOUND, "set-1.0/README": b"hello"})
SET = Dataset("tiny", "Tiny", "", "http://home", "CC0", "recordings/", 1, 1_000)


def send(
    content: bytes = ARCHIVE, tag: str = '"v1"', stop_after: int | None = None, ranges: bool = True
) -> Answer:
    """Answer as a server of files does; ``stop_after``: hang up after so many bytes."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        first = 0
        if asked and ranges and handler.headers.get("If-Range") == tag:
            first = int(asked[1])
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        if tag:
            handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(content) - first))
        handler.end_headers()
        handler.wfile.write(content[first:][:stop_after])

    return answer


@contextmanager
def unseen(what: str) -> Iterator[Callable[[int, int | None], None]]:
    yield lambda done, total: None


def get(server: WebServer, into: Path, dataset: Dataset = SET) -> Downloaded:
    return download(dataset, into, unseen, f"{server.url}/set.zip", pause=lambda seconds: None)


@pytest.fixture(autouse=True)
def small_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPARE_BYTES", 100_000)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def asked_for(server: WebServer) -> list[str | None]:
    return [request.headers.get("range") for request in server.requests]


def test_a_set_is_downloaded_unpacked_and_pinned(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(send())
    done = get(web_server, tmp_path)
    assert done.folder == tmp_path / "tiny"
    assert (done.folder / "recordings" / "0_ann_0.wav").read_bytes() == SOUND  # no folder around it
    assert left(tmp_path) == {"tiny", "tiny.lock.json"}
    assert json.loads((tmp_path / "tiny.lock.json").read_text())["md5"] == md5(ARCHIVE).hexdigest()
    assert not done.is_published


def test_what_is_there_is_not_fetched_again(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(send())
    get(web_server, tmp_path)
    assert get(web_server, tmp_path).was_there
    assert len(web_server.requests) == 1


def test_a_folder_that_came_from_elsewhere_is_left_alone(web_server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "dear").touch()
    with pytest.raises(DatasetError, match="is there already, and was not downloaded"):
        get(web_server, tmp_path)
    assert not web_server.requests


def test_cut_off_in_the_middle_it_goes_on_from_there(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([send(stop_after=100_000), send(stop_after=50_000), send()])
    assert (get(web_server, tmp_path).folder / "recordings" / "0_ann_0.wav").read_bytes() == SOUND
    assert asked_for(web_server) == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_goes_away_leaves_what_was_fetched(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([send(stop_after=100_000), *[hang_up] * transfer.ATTEMPTS])
    with pytest.raises(DatasetError, match=r"cut off; 0\.1 MB of 0\.3 MB are here: the same command goes on"):
        get(web_server, tmp_path)
    web_server.answers.append(send())
    get(web_server, tmp_path)
    assert asked_for(web_server)[-1] == "bytes=100000-"


def test_a_server_without_ranges_is_asked_for_all_again(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([send(stop_after=100_000, ranges=False), send(ranges=False)])
    assert (get(web_server, tmp_path).folder / "recordings" / "0_ann_0.wav").read_bytes() == SOUND


def test_two_states_of_a_file_are_never_mixed(web_server: WebServer, tmp_path: Path) -> None:
    other = archive_of({"set/recordings/1_bob_1.wav": os.urandom(N_SOUND)})
    web_server.answers.extend([send(stop_after=100_000), send(other, tag='"v2"')])
    assert left(get(web_server, tmp_path).folder / "recordings") == {"1_bob_1.wav"}


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_mark_all_is_fetched_again(web_server: WebServer, tmp_path: Path, tag: str) -> None:
    web_server.answers.extend([send(tag=tag, stop_after=100_000), send(tag=tag)])
    get(web_server, tmp_path)
    assert asked_for(web_server) == [None, None]


def test_a_part_of_another_address_is_not_gone_on_with(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([send(stop_after=100_000), *[hang_up] * transfer.ATTEMPTS])
    with pytest.raises(DatasetError):
        get(web_server, tmp_path)
    web_server.answers.append(send())
    download(SET, tmp_path, unseen, f"{web_server.url}/other.zip")
    assert asked_for(web_server)[-1] is None


def test_a_length_that_nobody_knew(web_server: WebServer, tmp_path: Path) -> None:
    def chunked(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for first in range(0, len(ARCHIVE), 40_000):
            chunk = ARCHIVE[first : first + 40_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")

    web_server.answers.append(chunked)
    assert get(web_server, tmp_path).folder.is_dir()


def test_a_killed_download_is_gone_on_with(web_server: WebServer, tmp_path: Path) -> None:
    half = 9 * transfer.BLOCK_BYTES

    def begin(handler: Handler) -> None:
        send(stop_after=half)(handler)
        hang(handler)

    web_server.answers.append(begin)
    arguments = ("dataset", "download", "fsdd", "--into", tmp_path, "--url", f"{web_server.url}/x.zip")
    with program.Program(*arguments) as running:
        part = tmp_path / ".fsdd.download" / "archive.part"
        deadline = time.monotonic() + program.PATIENCE_S
        while not part.is_file() or part.stat().st_size < half:
            assert running.is_running, running.told
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.kill()
    web_server.answers.append(send())
    done = program.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert asked_for(web_server) == [None, f"bytes={half}-"]
    assert left(tmp_path) == {"fsdd", "fsdd.lock.json"}


def test_the_command_tells_terms_hash_and_what_comes_next(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(send())
    done = program.run("dataset", "download", "fsdd", "--into", tmp_path, "--url", f"{web_server.url}/x.zip")
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert told[2].startswith("Terms: CC BY-SA 4.0")
    assert re.fullmatch(r"SHA-256 [0-9a-f]{64}: nobody publishes one; kept in .*/fsdd\.lock\.json", told[3])
    assert told[4] == f"Next: listener dataset scan {tmp_path}/fsdd"


def test_the_command_says_in_one_line_what_is_wrong(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(status(404))
    url = f"{web_server.url}/x.zip"
    done = program.run("dataset", "download", "esc50", "--into", tmp_path, "--url", url)
    assert done.returncode == 1
    assert done.stderr == f"listener: {url}: 404 Not Found: --url names another address\n"


def test_a_published_check_sum_is_met(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(send())
    assert get(web_server, tmp_path, replace(SET, md5=md5(ARCHIVE).hexdigest())).is_published


def test_a_wrong_check_sum_leaves_nothing(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.append(send())
    with pytest.raises(DatasetError, match="is not tiny: its MD5 is"):
        get(web_server, tmp_path, replace(SET, md5="0" * 32))
    assert not left(tmp_path)


def test_another_archive_than_the_first_time_is_refused(web_server: WebServer, tmp_path: Path) -> None:
    other = archive_of({"set/recordings/1_bob_1.wav": b"other"})
    web_server.answers.extend([send(), send(other)])
    first = get(web_server, tmp_path)
    first.folder.rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"its SHA-256 is .* stands in tiny\.lock\.json"):
        get(web_server, tmp_path)
    assert not (tmp_path / "tiny").exists()
    web_server.answers.append(send())
    assert get(web_server, tmp_path).pin == first.pin


def test_a_redirection_is_followed(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([status(302, Location="/elsewhere.zip"), send()])
    get(web_server, tmp_path)
    assert [request.path for request in web_server.requests] == ["/set.zip", "/elsewhere.zip"]


def test_a_redirection_without_end(web_server: WebServer, tmp_path: Path) -> None:
    web_server.answers.extend([status(302, Location="/set.zip")] * 40)
    with pytest.raises(DatasetError, match="redirects"):
        get(web_server, tmp_path)


def test_a_busy_server_is_asked_again_when_it_says(web_server: WebServer, tmp_path: Path) -> None:
    pauses: list[float] = []
    web_server.answers.extend([status(503, retry_after="7"), send()])
    download(SET, tmp_path, unseen, f"{web_server.url}/set.zip", pause=pauses.append)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(404), "404 Not Found"),
        (status(403), "403 Forbidden"),
        (status(503, retry_after="86400"), "the server is busy for 86400 s more"),
        (hang_up, "the connection was cut off"),
        (rubbish, "the connection was cut off"),
        (status(200, "<html>Log in, please</html>"), "is no zip or tar archive: did the server send a page"),
        (send(archive_of({"set/readme": b"x"})), "holds no recordings/: it is not tiny"),
        (send(ARCHIVE[:-30]), "is damaged"),
    ],
)
def test_what_a_server_may_do_is_one_line(
    answer: Answer, message: str, web_server: WebServer, tmp_path: Path
) -> None:
    web_server.answers.append(answer)
    with pytest.raises(DatasetError, match=re.escape(message)) as error:
        get(web_server, tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / "tiny.lock.json").exists()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nobody answers there"):
        download(SET, tmp_path, unseen, "http://127.0.0.1:9/set.zip")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "set.zip", "http://"])
def test_what_is_no_web_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=re.escape(url)):
        download(SET, tmp_path, unseen, url)


def test_too_small_a_disk_is_seen_before(web_server: WebServer, small_disk: SmallDisk) -> None:
    web_server.answers.append(send())
    with pytest.raises(DatasetError, match=r"too little room: \d+\.\d MB are needed .*, \d\.\d MB are free"):
        get(web_server, small_disk.folder, replace(SET, unpacked_bytes=2_000_000))
    assert not (small_disk.folder / ".tiny.download" / "archive.part").exists()


def test_a_disk_that_fills_up_leaves_what_was_fetched(
    web_server: WebServer, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.Transfer, "_refuse_small_disk", lambda self, missing: None)
    small_disk.fill(leave=150_000)
    web_server.answers.extend([send(), send()])
    with pytest.raises(DatasetError, match="No space left"):
        get(web_server, small_disk.folder)
    small_disk.make_room()
    get(web_server, small_disk.folder)
    first = asked_for(web_server)[1]
    assert first is not None
    assert int(first[6:-1]) > 50_000


def test_a_disk_that_is_too_full_to_unpack_keeps_the_archive(
    web_server: WebServer, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.Transfer, "_refuse_small_disk", lambda self, missing: None)
    small_disk.fill(leave=400_000)
    web_server.answers.append(send())
    with pytest.raises(DatasetError, match="No space left"):
        get(web_server, small_disk.folder)
    assert not (small_disk.folder / "tiny").exists()
    assert not (small_disk.folder / "tiny.lock.json").exists()
    small_disk.make_room()
    get(web_server, small_disk.folder)
    assert len(web_server.requests) == 1


def test_two_at_once_are_one_too_many(web_server: WebServer, tmp_path: Path) -> None:
    with (
        locked_folder(tmp_path / ".tiny.download"),
        pytest.raises(DatasetError, match="another process is at work there"),
    ):
        get(web_server, tmp_path)


def test_a_lock_file_that_is_no_lock_file(web_server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.lock.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"tiny\.lock\.json: cannot be read: remove it"):
        get(web_server, tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_every_known_set_names_its_terms_and_a_safe_address(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.url.startswith("https://")
    assert dataset.terms.startswith("CC BY")


# Unpacking


def tar_of(*members: tuple[tarfile.TarInfo, bytes], packing: str = "gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{packing}") as tar:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def member(name: str, **changes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for attribute, value in changes.items():
        setattr(info, attribute, value)
    return info


def unpacked(content: bytes, folder: Path) -> Path:
    archive = folder / "archive"
    archive.write_bytes(content)
    out = folder / "out"
    out.mkdir()
    unpack(archive, out, lambda done, total: None)
    return out


@pytest.mark.parametrize("packing", ["", "gz", "xz", "bz2"])
def test_tars_are_unpacked_however_they_are_packed(packing: str, tmp_path: Path) -> None:
    directory = member("./set", type=tarfile.DIRTYPE, mode=0o755)
    content = tar_of((directory, b""), (member("./set/a/b.wav", mode=0o4777), b"sound"), packing=packing)
    out = unpacked(content, tmp_path)
    assert (out / "a" / "b.wav").read_bytes() == b"sound"
    assert not (out / "a" / "b.wav").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


def test_a_folder_in_the_outermost_may_have_its_name(tmp_path: Path) -> None:
    out = unpacked(archive_of({"set/set/a": b"1", "set/b": b"2", "__MACOSX/set/._a": b"x"}), tmp_path)
    assert (out / "set" / "a").read_bytes() == b"1"
    assert left(out) == {"set", "b"}


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:/evil", "C:evil"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nothing_leaves_the_folder(name: str, kind: str, tmp_path: Path) -> None:
    content = archive_of({name: b"x"}) if kind == "zip" else tar_of((member(name), b"x"))
    with pytest.raises(DatasetError, match=r"evil' (leads out of|is a name of another)"):
        unpacked(content, tmp_path)
    assert left(tmp_path) == {"archive", "out"}
    assert not left(tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    content = tar_of((member("set/x", type=kind, linkname="/etc/passwd"), b""))
    with pytest.raises(DatasetError, match=r"is a link, or no file|is damaged"):
        unpacked(content, tmp_path)


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        link = zipfile.ZipInfo("set/link")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match="'set/link' is a link, or no file"):
        unpacked(packed.getvalue(), tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar", "header"])
def test_bombs_do_not_go_off(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.training.data.download.unpack.SMALL_BYTES", 100_000)
    if kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("set/zeros", bytes(10_000_000))
        content = packed.getvalue()
    elif kind == "tar":
        content = tar_of((member("set/zeros"), bytes(10_000_000)))
    else:  # a name that is megabytes long
        content = gzip.compress(tar_of((member("set/" + "x" * 5_000_000), b""), packing=""))
    with pytest.raises(DatasetError, match=r"unpacks to|too far away"):
        unpacked(content, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) < 10_000_000


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'set/A' is in it twice"):
        unpacked(tar_of((member("set/a"), b"1"), (member("set/A"), b"2")), tmp_path)


@pytest.mark.parametrize("cut", [1, 100, 10_000, -5])
@pytest.mark.parametrize("packing", ["zip", "gz", "xz"])
def test_damaged_archives_are_one_line(packing: str, cut: int, tmp_path: Path) -> None:
    noise = os.urandom(50_000)
    whole = (
        archive_of({"set/a": noise})
        if packing == "zip"
        else tar_of((member("set/a"), noise), packing=packing)
    )
    with pytest.raises(DatasetError) as error:
        unpacked(whole[:cut], tmp_path)
    assert "\n" not in str(error.value)
