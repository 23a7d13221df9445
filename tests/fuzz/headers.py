"""Small recordings of every format, and what may stand in their headers instead."""

import io
import struct
from collections.abc import Callable
from random import Random

import numpy as np
import soundfile

from tests.fuzz.mutate import odd_int, put

RATES_HZ = (8_000, 16_000, 48_000)
N_SAMPLES = 1_500

_ENCODINGS = (
    *(("WAV", subtype) for subtype in ("PCM_16", "PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE")),
    *(("WAV", subtype) for subtype in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32")),
    *(("WAVEX", "PCM_16"), ("WAVEX", "FLOAT"), ("RF64", "PCM_16"), ("W64", "PCM_16")),
    *(("FLAC", subtype) for subtype in ("PCM_16", "PCM_16", "PCM_24", "PCM_S8")),
    *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT")),
    *(
        ("AU", "PCM_16"),
        ("AU", "ULAW"),
        ("CAF", "PCM_16"),
        ("CAF", "ALAC_16"),
        ("VOC", "PCM_16"),
        ("NIST", "PCM_16"),
    ),
    *(
        ("IRCAM", "FLOAT"),
        ("PVF", "PCM_16"),
        ("SVX", "PCM_16"),
        ("AVR", "PCM_16"),
        ("MAT4", "FLOAT"),
        ("MAT5", "FLOAT"),
    ),
    *(
        ("PAF", "PCM_16"),
        ("HTK", "PCM_16"),
        ("SDS", "PCM_16"),
        ("XI", "DPCM_16"),
        ("WVE", "ALAW"),
        ("MPC2K", "PCM_16"),
    ),
)


def templates() -> dict[str, list[bytes]]:
    """Write small recordings of all kinds that libsndfile writes, by format."""
    made: dict[str, list[bytes]] = {}
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, (N_SAMPLES, 6))
    for place, (form, subtype) in enumerate(_ENCODINGS):
        for channels in (1, 2, 6):
            file = io.BytesIO()
            try:
                soundfile.write(
                    file, noise[:, :channels], RATES_HZ[(place + channels) % 3], format=form, subtype=subtype
                )
            except soundfile.LibsndfileError:
                continue  # not every format takes as many channels
            made.setdefault(form, []).append(file.getvalue())
    return made


def spoilt_header(random: Random, form: str, data: bytes) -> bytes:
    """Change what a recording's header says."""
    spoil = _SPOILERS.get(form)
    return data if spoil is None else spoil(random, data)


def _chunks(data: bytes, big_endian: bool = False) -> list[tuple[bytes, bytes]]:
    """The chunks of a RIFF or IFF file."""
    chunks, place = [], 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from(">4sI" if big_endian else "<4sI", data, place)
        chunks.append((name, data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return chunks


def _spoilt_chunks(random: Random, data: bytes, big_endian: bool) -> bytes:
    """Chunks in another order, twice, or missing; others between them; lengths that are not theirs."""
    chunks = _chunks(data, big_endian)
    order = ">I" if big_endian else "<I"
    for _ in range(random.choice((0, 1, 1, 2))):
        place = random.randrange(len(chunks) + 1)
        match random.randrange(4):
            case 0 if len(chunks) > 1:
                del chunks[place % len(chunks)]
            case 1 if chunks:
                chunks.insert(place, chunks[random.randrange(len(chunks))])
            case 2:
                random.shuffle(chunks)
            case _:
                names = (
                    b"LIST",
                    b"fact",
                    b"PEAK",
                    b"cue ",
                    b"smpl",
                    b"bext",
                    b"cart",
                    b"id3 ",
                    b"JUNK",
                    b"PAD ",
                    b"\0\0\0\0",
                )
                chunks.insert(
                    place,
                    (
                        random.choice((*names, b"data", b"fmt ", b"ds64", random.randbytes(4))),
                        _filling(random),
                    ),
                )
    body = b""
    for name, content in chunks:
        size = odd_int(random, 32, len(content)) if random.random() < 0.25 else len(content)
        body += name + struct.pack(order, size) + content + bytes(len(content) % 2)
    size = odd_int(random, 32, len(body) + 4) if random.random() < 0.2 else len(body) + 4
    magic = (
        random.choice((b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff"))
        if random.random() < 0.1
        else data[:4]
    )
    form = random.choice((b"WAVE", b"AIFF", b"AIFC", b"AVI ")) if random.random() < 0.05 else data[8:12]
    return magic + struct.pack(order, size) + form + body


def _filling(random: Random) -> bytes:
    content = random.choice(
        (b"", bytes(4), b"INFOISFT\xff\xff\xff\x7fx", random.randbytes(random.choice((1, 16, 602))))
    )
    return content + random.choice((b"", b"adtl", struct.pack("<I", odd_int(random, 32))))


def _spoilt_wav(random: Random, data: bytes) -> bytes:
    place = data.find(b"fmt ")
    fields = ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2), (22, 2), (24, 2), (26, 2), (28, 4), (32, 4), (4, 4))
    if place >= 0 and random.random() < 0.6:
        for _ in range(random.choice((1, 1, 2, 3))):
            offset, n_bytes = random.choice(fields)
            near = int.from_bytes(data[place + offset : place + offset + n_bytes], "little")
            data = put(data, place + offset, odd_int(random, 8 * n_bytes, near), n_bytes)
    place = data.find(b"data")
    if place >= 0 and random.random() < 0.4:
        data = put(data, place + 4, odd_int(random, 32, len(data) - place - 8), 4)
    return _spoilt_chunks(random, data, False) if random.random() < 0.4 else data


def _spoilt_aiff(random: Random, data: bytes) -> bytes:
    place = data.find(b"COMM")
    if place >= 0 and random.random() < 0.6:
        offset, n_bytes = random.choice(((4, 4), (8, 2), (10, 4), (14, 2), (16, 2), (18, 8)))
        data = put(data, place + offset, odd_int(random, 8 * n_bytes), n_bytes, big_endian=True)
    return _spoilt_chunks(random, data, True) if random.random() < 0.4 else data


def _spoilt_flac(random: Random, data: bytes) -> bytes:
    """Change STREAMINFO, another block, or the first frame's header."""
    widths = (16, 16, 24, 24, 20, 3, 5, 36)  # block sizes, frame sizes, rate, channels, bits, samples in all
    info = int.from_bytes(data[8:42], "big")
    for _ in range(random.choice((0, 1, 1, 2))):
        field = random.randrange(len(widths))
        below = 128 + sum(widths[field + 1 :])
        near = info >> below & (1 << widths[field]) - 1
        info += (odd_int(random, widths[field], near) - near) << below
    data = put(data, 8, info, 34, big_endian=True)
    match random.randrange(6):
        case 0:  # another block's type or length
            return put(data, 4, odd_int(random, 32, int.from_bytes(data[4:8], "big")), 4, big_endian=True)
        case 1:  # more blocks
            kind = random.choice((1, 2, 3, 4, 5, 6, 126, 127))
            content = _filling(random)
            size = len(content) if random.random() < 0.7 else odd_int(random, 24, len(content))
            return data[:42] + bytes([kind]) + size.to_bytes(3, "big") + content + data[42:]
        case 2:  # a frame's header
            frame = data.find(b"\xff\xf8", 42)
            return put(data, frame + 2, random.getrandbits(16), 2) if frame > 0 else data
    return data


def _spoilt_ogg(random: Random, data: bytes) -> bytes:
    """A page says: version, kind, position, stream, number, check sum, segments."""
    pages = [place for place in range(len(data)) if data.startswith(b"OggS", place)]
    place = random.choice(pages)
    offset, n_bytes = random.choice(((4, 1), (5, 1), (6, 8), (14, 4), (18, 4), (22, 4), (26, 1), (27, 1)))
    near = int.from_bytes(data[place + offset : place + offset + n_bytes], "little")
    data = put(data, place + offset, odd_int(random, 8 * n_bytes, near), n_bytes)
    if random.random() < 0.7:  # with the right sum, as a broken program would write it
        end = next((later for later in pages if later > place), len(data))
        data = data[:place] + with_ogg_sum(data[place:end]) + data[end:]
    return data


def with_ogg_sum(page: bytes) -> bytes:
    """Give a page its right check sum."""
    blank = put(page, 22, 0, 4)
    return put(blank, 22, _ogg_sum(blank), 4)


def _ogg_sum(page: bytes) -> int:
    """CRC-32 without reflection, as RFC 3533 has it."""
    sum_ = 0
    for byte in page:
        sum_ = sum_ << 8 & 0xFFFFFFFF ^ _OGG_TABLE[sum_ >> 24 ^ byte]
    return sum_


def _ogg_entry(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_OGG_TABLE = [_ogg_entry(value << 24) for value in range(256)]


def _spoilt_mp3(random: Random, data: bytes) -> bytes:
    """A tag in front of any length; frames of another rate, layer or bit rate; a count that is not theirs."""
    frames = [
        place for place in range(len(data) - 1) if data[place] == 0xFF and data[place + 1] & 0xE0 == 0xE0
    ]
    match random.randrange(4):
        case 0:
            size = random.choice((b"\0\0\0\x0a", b"\x7f\x7f\x7f\x7f", b"\xff\xff\xff\xff", b"\0\0\x10\0"))
            return b"ID3" + random.randbytes(3) + size + _filling(random) + data
        case 1:
            place = data.find(random.choice((b"Xing", b"Info", b"LAME")))
            return (
                put(data, place + random.choice((4, 8, 12)), odd_int(random, 32), 4) if place >= 0 else data
            )
    for place in random.choices(frames, k=random.choice((1, 3))):
        data = put(data, place + random.choice((1, 2, 3)), random.getrandbits(8), 1)
    return data


_SPOILERS: dict[str, Callable[[Random, bytes], bytes]] = {
    "WAV": _spoilt_wav,
    "WAVEX": _spoilt_wav,
    "RF64": _spoilt_wav,
    "FLAC": _spoilt_flac,
    "OGG": _spoilt_ogg,
    "MP3": _spoilt_mp3,
    "AIFF": _spoilt_aiff,
}
