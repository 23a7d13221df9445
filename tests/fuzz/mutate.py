"""Damage that fits any file: what broken disks, cut transfers and careless editors do."""

from random import Random

SECTOR = 512

ODD_INTS = (0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 1023, 1024, 1025, 32_767, 32_768, 65_535, 65_536)
HUGE_INTS = (2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**36 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def odd_int(random: Random, bits: int, near: int = 0) -> int:
    """A number that programs stumble over, in ``bits`` bits."""
    choice = random.random()
    if choice < 0.3:
        value = near + random.choice((-2, -1, 1, 2))
    elif choice < 0.4:
        value = near * random.choice((2, 3, 10, 1000))
    elif choice < 0.6:
        value = random.choice(ODD_INTS)
    elif choice < 0.8:
        value = random.choice(HUGE_INTS)
    else:
        value = random.getrandbits(bits)
    return value % (1 << bits)


def put(data: bytes, place: int, value: int, n_bytes: int, big_endian: bool = False) -> bytes:
    """Write a number over what stands at ``place``."""
    written = value.to_bytes(n_bytes, "big" if big_endian else "little")
    return data[:place] + written + data[place + n_bytes :]


def damaged(random: Random, data: bytes) -> bytes:
    """Damage a file, once or a few times."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = random.choice(_DAMAGES)(random, data)
    return data


def _flip_bits(random: Random, data: bytes) -> bytes:
    flipped = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 32))):
        if flipped:
            flipped[_place(random, data)] ^= 1 << random.randrange(8)
    return bytes(flipped)


def _odd_bytes(random: Random, data: bytes) -> bytes:
    place = _place(random, data)
    n_bytes = random.choice((1, 2, 4, 8))
    near = int.from_bytes(data[place : place + n_bytes], "little")
    return put(data, place, odd_int(random, 8 * n_bytes, near), n_bytes, random.random() < 0.5)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _cut_at_a_sector(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) // SECTOR + 1) * SECTOR]


def _lose_the_head(random: Random, data: bytes) -> bytes:
    return data[_place(random, data) :]


def _lost_sector(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data) // SECTOR + 1) * SECTOR
    filling = random.choice((b"\0", b"\xff", b"\xf6")) * len(data[place : place + SECTOR])
    return data[:place] + filling + data[place + SECTOR :]


def _remove(random: Random, data: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + data[place + random.choice((1, 2, 4, 17, SECTOR)) :]


def _insert(random: Random, data: bytes) -> bytes:
    place = _place(random, data)
    return data[:place] + random.randbytes(random.choice((1, 2, 4, 17, SECTOR))) + data[place:]


def _repeat(random: Random, data: bytes) -> bytes:
    first, last = sorted((_place(random, data), _place(random, data)))
    return data[:last] + data[first:last] + data[last:]


def _append(random: Random, data: bytes) -> bytes:
    n_bytes = random.choice((1, 2, 3, 128, 4096))
    return data + random.choice((bytes(n_bytes), random.randbytes(n_bytes), data[:n_bytes], data))


def _place(random: Random, data: bytes) -> int:
    """A place in a file; half of the time in its head, where the decisions are made."""
    end = min(len(data), 64) if random.random() < 0.5 else len(data)
    return random.randrange(end) if end else 0


_DAMAGES = (
    _flip_bits,
    _flip_bits,
    _odd_bytes,
    _odd_bytes,
    _cut,
    _cut_at_a_sector,
    _lose_the_head,
    _lost_sector,
    _remove,
    _insert,
    _repeat,
    _append,
)
