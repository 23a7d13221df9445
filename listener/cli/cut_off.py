"""A FLAC file whose end could not be written, because the disk is full, made into a whole one in place."""

from pathlib import Path

_BLOCK = 256
"""Samples that are decoded at once: few, for those of a block that cannot be had to its end are lost."""

_LENGTH_AT = 8 + 13
"""Position of the byte whose lower half begins the number of samples: 36 bits (RFC 9639, section 8.2)."""


def mend_flac(path: Path) -> int:
    """Write into the header how many samples can be had; it takes no room.

    Returns
    -------
    int
        Samples.
    """
    n_samples = _decodable(path)
    with path.open("r+b") as file:
        file.seek(_LENGTH_AT)
        upper = file.read(1)[0] & 0xF0
        file.seek(_LENGTH_AT)
        file.write((upper << 32 | n_samples).to_bytes(5, "big"))
    return n_samples


def _decodable(path: Path) -> int:
    import soundfile

    n_samples = 0
    try:
        with soundfile.SoundFile(path) as sound:
            while n_read := len(sound.read(_BLOCK, dtype="int16")):
                n_samples += n_read
    except (soundfile.LibsndfileError, AssertionError):
        pass  # here it was cut off
    return n_samples
