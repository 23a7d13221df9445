"""What libtorch would believe, and die of, is found before."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from listener.classifiers.archive import ITEM_BYTES, check_archive
from listener.classifiers.bundle import read_card
from listener.classifiers.torchscript import TorchScriptClassifier
from listener.errors import ModelError
from listener.testing import tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "tiny.pt"
    tiny_bundle(path)
    return path


def rewritten(bundle: Path, path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write the archive anew, with right check sums; each member as ``change`` gives it, None: without."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if (content := change(name, old.read(name))) is not None:
                new.writestr(name, content)
    return path


def refused(path: Path, bundle: Path) -> str:
    with pytest.raises(ModelError, match="no TorchScript model, or a broken one") as caught:
        TorchScriptClassifier(path, read_card(bundle))
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_whole_bundles_pass(bundle: Path, household: Path, tmp_path: Path) -> None:
    for path in (bundle, household, rewritten(bundle, tmp_path / "m.pt", lambda _, content: content)):
        check_archive(path)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    ],
)
def test_every_kind_of_number_passes(dtype: torch.dtype, tmp_path: Path) -> None:
    module = torch.nn.Module()
    module.register_buffer("numbers", torch.zeros(5, dtype=dtype))
    module.register_buffer("none", torch.zeros(0, dtype=dtype))
    path = tmp_path / "m.pt"
    torch.jit.save(torch.jit.script(module), path)
    assert len(ITEM_BYTES) == 12
    check_archive(path)
    rewritten(path, tmp_path / "cut.pt", lambda name, content: content[:-1] if "/data/" in name else content)
    with pytest.raises(ValueError, match="are not all there"):
        check_archive(tmp_path / "cut.pt")


@pytest.mark.parametrize("tensor", ["/data/0", "/data/5"])
@pytest.mark.parametrize("keep", [0, 4, -1])
def test_a_tensor_without_all_its_numbers(tensor: str, keep: int, bundle: Path, tmp_path: Path) -> None:
    """Libtorch would read on past what there is, and end the process."""
    path = tmp_path / "m.pt"
    rewritten(bundle, path, lambda name, content: content[:keep] if name.endswith(tensor) else content)
    assert f"the numbers of tensor {tensor[-1]} are not all there" in refused(path, bundle)


@pytest.mark.parametrize("member", ["/data/0", "/data.pkl", "/constants.pkl", "/version", "container.py"])
def test_a_missing_member(member: str, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    rewritten(bundle, path, lambda name, content: None if name.endswith(member) else content)
    refused(path, bundle)


def test_a_flipped_bit_is_found_by_its_check_sum(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    whole = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        tensors = [file for file in archive.infolist() if "/data/" in file.filename]
    for file in tensors:
        n_name, n_extra = struct.unpack_from("<HH", whole, file.header_offset + 26)
        place = file.header_offset + 30 + n_name + n_extra
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert "is damaged" in refused(path, bundle)


def test_an_index_of_another_kind(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    for index in (b"", b"words", b"\x80\x02N.", b"\x80\x02X\xff\xff\xff\xffx.", b"\x80\x02}q\x01."):
        rewritten(bundle, path, lambda name, old, new=index: new if name.endswith("data.pkl") else old)  # type: ignore[misc]
        refused(path, bundle)


def test_nothing_that_the_index_names_is_imported(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    flag = tmp_path / "called"
    harm = (
        b"\x80\x02cos\nsystem\nX"
        + len(f"touch {flag}").to_bytes(4, "little")
        + f"touch {flag}".encode()
        + b"\x85R."
    )
    rewritten(bundle, path, lambda name, old: harm if name.endswith("data.pkl") else old)
    check_archive(path)
    refused(path, bundle)
    assert not flag.exists()
