"""Looks through a TorchScript archive before libtorch does.

libtorch believes what an archive says of itself: a tensor whose bytes are not all there is read beyond
its end, which ends the process without a word. So the check sums are looked at here, and whether each
tensor's bytes are as many as its type and length say.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

ITEM_BYTES = {
    "ByteStorage": 1,
    "CharStorage": 1,
    "BoolStorage": 1,
    "ShortStorage": 2,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "IntStorage": 4,
    "FloatStorage": 4,
    "LongStorage": 8,
    "DoubleStorage": 8,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}
"""Bytes of a number, by the name that torch gives its storage."""

_INDEX = "/data.pkl"


def check_archive(path: Path) -> None:
    """See that an archive is undamaged and that its tensors are whole.

    Raises
    ------
    ValueError
        It is not; the message says what is wrong.
    Exception
        Whatever `zipfile` and `pickle` raise at a file that is none of theirs.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"'{damaged}' is damaged")
        index = next((name for name in archive.namelist() if name.endswith(_INDEX)), None)
        if index is None:
            raise ValueError(f"there is no {_INDEX[1:]} in it")
        root = index.removesuffix(_INDEX)
        sizes = {file.filename: file.file_size for file in archive.infolist()}
        _Tensors(archive.read(index), f"{root}/data/", sizes).load()


class _Anything:
    """Stands for every class that an archive names: none of them is imported."""

    def __init__(self, *parts: object) -> None:
        """Take anything."""

    def __setstate__(self, state: object) -> None:
        """Take anything."""


class _Tensors(pickle.Unpickler):
    """Reads nothing but how many bytes the tensors have."""

    def __init__(self, content: bytes, folder: str, sizes: dict[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self._folder = folder
        self._sizes = sizes

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        return type(global_name, (_Anything,), {})

    def persistent_load(self, pid: Any) -> Any:
        _, storage, key, _, n_items = pid
        there = self._sizes.get(f"{self._folder}{key}")
        item_bytes = ITEM_BYTES.get(storage.__name__)
        if there is None or (item_bytes is not None and there != n_items * item_bytes):
            raise ValueError(f"the numbers of tensor {key} are not all there")
        return _Anything()
