"""Events of two streams and what detectors of several strictnesses might make of them."""

import numpy as np

LABELS = ("bell", "dog", "rain")
STREAM_S = 600.0

Events = dict[str, list[tuple[str, float, float]]]
"""Stream: label, onset and offset of its events."""


def made_up(seed: int, points: tuple[float, ...] = (0.0,)) -> tuple[Events, list[Events]]:
    """Make what happens, and what is found at each strictness; the same for the same seed."""
    rng = np.random.default_rng(seed)
    truth: Events = {}
    found: list[Events] = [{} for _ in points]
    for stream in ("one", "two"):
        truth[stream] = []
        for point in found:
            point[stream] = []
        for label in LABELS:
            start = 0.0
            while (start := start + rng.uniform(4, 40)) < STREAM_S - 20:
                length = rng.uniform(0.5, 8)
                if rng.random() < 0.7:
                    truth[stream].append((label, round(start, 3), round(start + length, 3)))
                heard, sure = rng.random() < 0.8, rng.random()
                said = label if rng.random() < 0.85 else LABELS[int(rng.integers(3))]
                onset = start + rng.normal(0, 0.5)
                end = onset + max(0.2, length + rng.normal(0, 1.5))
                for point, least in zip(found, points, strict=True):
                    if heard and sure >= least and said == label:
                        point[stream].append((label, round(onset, 3), round(end, 3)))
                start += length + 3.0
    return truth, found
