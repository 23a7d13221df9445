"""Windows that are made of sounds whose content is known: what was asked for can be measured in them."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from listener.features import PRESETS
from listener.features.layers import LogMelLayer
from listener.training.augment import Masks, SceneMaker, Scenes
from listener.training.augment.codec import Codec, Losses
from listener.training.augment.draws import Draws
from listener.training.augment.hearing import loudness_offset_db
from listener.training.augment.placing import AUDIBLE_S
from listener.training.augment.plan import NOISE_DB
from listener.training.augment.speed import SpeedChange
from listener.training.data.clip import Manifest
from listener.training.data.manifest import read_manifest
from listener.training.data.sounds import Sound, alarms, as_int16, beeps, load_sounds, make_sound
from listener.training.recipe import Augmentation, Recipe

HOUSEHOLD = PRESETS["household"]
RATE = HOUSEHOLD.sample_rate
N_SAMPLES = HOUSEHOLD.window_samples
CPU = torch.device("cpu")
LABELS = ("low", "high")

AS_IT_IS: dict[str, Any] = {
    "event_chance": 1.0,
    "second_event_chance": 0.0,
    "background_chance": 0.0,
    "room_chance": 0.0,
    "filter_chance": 0.0,
    "noise_chance": 0.0,
    "mask_chance": 0.0,
    "speed": 0.0,
    "shift": False,
    "level_db": None,
}
EVERYTHING: dict[str, Any] = {
    "mixup_chance": 0.4,
    "codec_chance": 0.4,
    "room_chance": 0.5,
    "speed": 0.3,
}

MakeMaker = Callable[..., SceneMaker]


def tone(label: str, pitch_hz: float, length_s: float = 4.0, amplitude: float = 0.3) -> Sound:
    time_s = np.arange(round(length_s * RATE)) / RATE
    return make_sound(label, as_int16((amplitude * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)))


def rustle(label: str, seed: int, length_s: float = 4.0) -> Sound:
    noise = np.random.default_rng(seed).standard_normal(round(length_s * RATE))
    return make_sound(label, as_int16((0.1 * noise).astype(np.float32)))


def amplitude(window: torch.Tensor, pitch_hz: float) -> float:
    """Of a tone, where it sounds throughout."""
    turning = np.exp(-2j * np.pi * pitch_hz * np.arange(len(window)) / RATE) * np.hanning(len(window))
    return float(np.abs(turning @ window.numpy()) / np.hanning(len(window)).sum() * 2)


def level_db(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(samples))))


def same(one: Scenes, other: Scenes) -> bool:
    return torch.equal(one.waveforms, other.waveforms) and np.array_equal(
        one.presence.numpy(), other.presence.numpy(), equal_nan=True
    )


@pytest.fixture
def make_maker(make_recipe: Callable[..., Recipe]) -> MakeMaker:
    """Of some sounds, with some keys of the recipe changed."""

    def make(
        sounds: list[Sound], seed: int = 7, fit: dict[str, Any] | None = None, **chances: Any
    ) -> SceneMaker:
        recipe = make_recipe(
            seed=seed,
            labels=list(LABELS),
            synthetic=[],
            data={"uncertain": {"hiss": ["low"]}},
            fit={"steps": 4, "batch_size": 4} | (fit or {}),
            augmentation=chances,
        )
        return SceneMaker(recipe, LABELS, sounds, HOUSEHOLD)

    return make


@pytest.fixture
def scenery() -> list[Sound]:
    """Something of every kind."""
    return [
        *(rustle("low", seed, 0.1 + seed) for seed in range(3)),
        *(tone("high", 3_000.0 + 100 * number) for number in range(3)),
        *(rustle("hiss", seed) for seed in range(10, 12)),
        *(rustle("hum", seed) for seed in range(12, 14)),
        *beeps(RATE, seed=0, n_sounds=2),
    ]


def test_a_batch_has_the_form_of_the_front_end(make_maker: MakeMaker, scenery: list[Sound]) -> None:
    batch = make_maker(scenery, **EVERYTHING).batch(step=0, size=32)
    assert batch.waveforms.shape == (32, N_SAMPLES)
    assert batch.waveforms.dtype == batch.presence.dtype == torch.float32
    assert batch.presence.shape == (32, 2)
    log_mel = LogMelLayer(HOUSEHOLD)(batch.waveforms)
    assert log_mel.shape == (32, HOUSEHOLD.n_mels, HOUSEHOLD.n_frames)
    assert log_mel.isfinite().all()


@given(
    chances=st.fixed_dictionaries(
        {
            **{
                f"{name}_chance": st.sampled_from([0.0, 0.5, 1.0])
                for name in (
                    "event",
                    "second_event",
                    "background",
                    "mixup",
                    "room",
                    "filter",
                    "codec",
                    "noise",
                )
            },
            "speed": st.sampled_from([0.0, 0.07, 0.49]),
            "shift": st.booleans(),
            "level_db": st.sampled_from([None, (-60.0, 0.0)]),
            "snr_db": st.sampled_from([(-10.0, 60.0), (3.0, 3.0)]),
        }
    ),
    fit=st.fixed_dictionaries({"balance": st.booleans(), "loss": st.sampled_from(["sigmoid", "softmax"])}),
    kinds=st.sets(st.sampled_from(["low", "high", "hiss", "beep"]), min_size=1),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_chances_samples_fit_a_converter(
    make_maker: MakeMaker,
    scenery: list[Sound],
    chances: dict[str, Any],
    fit: dict[str, Any],
    kinds: set[str],
) -> None:
    sounds = [sound for sound in scenery if sound.label in kinds]
    batch = make_maker(sounds, fit=fit, **chances).batch(step=1, size=8)
    assert batch.waveforms.isfinite().all()
    assert batch.waveforms.abs().max() <= 1
    known = batch.presence[~batch.presence.isnan()]
    assert ((known >= 0) & (known <= 1)).all()


def test_a_step_gives_the_same_windows_whenever_it_is_asked_for(
    make_maker: MakeMaker, scenery: list[Sound]
) -> None:
    maker = make_maker(scenery, **EVERYTHING)
    first = maker.batch(step=3, size=8)
    other = maker.batch(step=4, size=8)
    assert same(first, maker.batch(step=3, size=8))
    assert same(first, make_maker(scenery, **EVERYTHING).batch(step=3, size=8))
    assert not torch.equal(first.waveforms, other.waveforms)
    assert not torch.equal(first.waveforms, make_maker(scenery, seed=8, **EVERYTHING).batch(3, 8).waveforms)


@pytest.mark.parametrize("balance", [True, False])
def test_several_devices_draw_the_windows_that_one_would_have_drawn(
    make_maker: MakeMaker, scenery: list[Sound], balance: bool
) -> None:
    maker = make_maker(scenery, fit={"balance": balance}, **EVERYTHING)
    whole = maker.batch(step=2, size=21)
    for first, size in ((0, 1), (1, 6), (7, 14)):
        part = maker.batch(step=2, size=size, first=first, total=21)
        assert torch.equal(part.waveforms, whole.waveforms[first : first + size])
        assert np.array_equal(part.presence, whole.presence[first : first + size], equal_nan=True)


@given(first=st.integers(0, 200), size=st.integers(1, 20), step=st.integers(0, 10_000))
@settings(max_examples=30)
def test_numbers_belong_to_their_window(first: int, size: int, step: int) -> None:
    whole = Draws(1, "scenes", step, 0, first + size)
    part = Draws(1, "scenes", step, first, size)
    for _ in range(3):
        assert np.array_equal(part.uniform(), whole.uniform()[first:])
    assert not np.array_equal(
        Draws(1, "masks", step, first, size).uniform(), Draws(1, "scenes", step, first, size).uniform()
    )


def test_without_any_chance_a_window_is_a_piece_of_a_clip(make_maker: MakeMaker) -> None:
    sounds = [rustle("low", 1), rustle("high", 2)]
    batch = make_maker(sounds, **AS_IT_IS).batch(step=0, size=12)
    for window, presence in zip(batch.waveforms, batch.presence, strict=True):
        clip = sounds[int(presence.argmax())]
        assert presence.sum() == 1
        assert (window.numpy() * 32_768).astype(np.int16).tobytes() in clip.samples.tobytes()


def test_a_clip_that_is_shorter_than_a_window_is_repeated(make_maker: MakeMaker) -> None:
    sound = rustle("low", 1, length_s=0.5)
    batch = make_maker([sound], **AS_IT_IS).batch(step=0, size=4)
    again = np.tile(sound.samples, 6).tobytes()
    for window in batch.waveforms:
        assert (window.numpy() * 32_768).astype(np.int16).tobytes() in again
    assert (batch.presence[:, 0] == 1).all()


def test_labels_are_balanced_or_clips_are_taken_in_turn(make_maker: MakeMaker) -> None:
    sounds = [rustle("low", 1), *(rustle("high", seed) for seed in range(2, 7))]
    balanced = make_maker(sounds, **AS_IT_IS).batch(step=0, size=200).presence.sum(dim=0)
    assert 70 < balanced[0] < 130
    maker = make_maker(sounds, fit={"balance": False}, **AS_IT_IS)
    drawn = [maker.batch(step, size=3) for step in range(8)]
    waveforms = torch.cat([batch.waveforms for batch in drawn])
    for epoch in range(4):
        found = [_clip_of(window, sounds) for window in waveforms[6 * epoch : 6 * epoch + 6]]
        assert sorted(found) == list(range(6))


def _clip_of(window: torch.Tensor, sounds: list[Sound]) -> int:
    piece = (window.numpy() * 32_768).astype(np.int16).tobytes()
    return next(number for number, sound in enumerate(sounds) if piece in sound.samples.tobytes())


@pytest.mark.parametrize("snr_db", [-5.0, 3.0, 20.0])
def test_an_event_lies_above_its_background_as_asked(make_maker: MakeMaker, snr_db: float) -> None:
    sounds = [tone("low", 500.0, amplitude=0.01), tone("high", 500.0), tone("hum", 2_000.0, amplitude=0.9)]
    chances = AS_IT_IS | {"background_chance": 1.0, "snr_db": [snr_db, snr_db]}
    for levels in (None, [-30.0, -20.0]):
        for window in make_maker(sounds, **chances | {"level_db": levels}).batch(0, 8).waveforms:
            measured = 20 * np.log10(amplitude(window, 500.0) / amplitude(window, 2_000.0))
            assert measured == pytest.approx(snr_db, abs=0.2)


def test_a_window_has_the_level_that_was_asked_for(make_maker: MakeMaker, scenery: list[Sound]) -> None:
    batch = make_maker(
        scenery, **EVERYTHING | {"event_chance": 1.0, "codec_chance": 0.0, "level_db": [-40.0, -30.0]}
    ).batch(step=0, size=32)
    levels = [level_db(window) for window in batch.waveforms.numpy()]
    assert min(levels) > -40.2
    assert max(levels) < -29.8
    assert max(levels) - min(levels) > 5


def test_windows_without_an_event_are_sounds_faint_noise_or_silence(
    make_maker: MakeMaker, scenery: list[Sound]
) -> None:
    only_noise = make_maker(scenery[:6], event_chance=0.0, noise_chance=0.0).batch(step=0, size=40)
    silent = only_noise.waveforms.abs().amax(dim=1) == 0
    assert silent.any()
    noise = only_noise.waveforms[~silent].numpy()
    assert all(NOISE_DB[0] - 0.1 < level_db(window) < NOISE_DB[1] + 0.1 for window in noise)
    with_sounds = make_maker(scenery, event_chance=0.0).batch(step=0, size=40)
    assert (with_sounds.waveforms.square().mean(dim=1) > 10 ** (NOISE_DB[1] / 10)).any()
    assert (only_noise.presence == 0).all()
    assert (with_sounds.presence[:, 1] == 0).all()
    assert with_sounds.presence[:, 0].isnan().any()  # low, where the hiss is heard


def test_silence_stays_silence(make_maker: MakeMaker) -> None:
    silence = make_sound("low", np.zeros(4 * RATE, np.int16))
    chances = EVERYTHING | {"event_chance": 1.0, "noise_chance": 0.0, "codec_chance": 1.0}
    for levels in (None, (-50.0, -8.0)):
        batch = make_maker([silence], **chances | {"level_db": levels}).batch(step=0, size=16)
        assert (batch.waveforms == 0).all()
        assert (batch.presence == 0).all()


@given(step=st.integers(0, 10_000), length_s=st.sampled_from([0.2, 1.0, 3.0]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_label_is_present_only_if_it_can_be_heard(
    make_maker: MakeMaker, step: int, length_s: float
) -> None:
    maker = make_maker([tone("low", 700.0, length_s)], **AS_IT_IS | {"shift": True, "speed": 0.15})
    batch = maker.batch(step, size=16)
    for window, presence in zip(batch.waveforms.numpy(), batch.presence[:, 0].tolist(), strict=True):
        heard_s = np.count_nonzero(np.abs(window) > 0.01) / RATE
        needed_s = min(AUDIBLE_S, 0.6 * length_s)
        if presence == 1:
            assert heard_s > 0.8 * needed_s
        elif np.isnan(presence):
            assert 0 < heard_s < 1.3 * needed_s
        else:
            assert heard_s == 0


def test_padding_of_a_clip_is_not_taken_for_its_sound(make_maker: MakeMaker) -> None:
    beginning = tone("low", 700.0, 0.5).samples
    padded = make_sound("low", np.concatenate((beginning, np.zeros(9 * RATE, np.int16))))
    batch = make_maker([padded], **AS_IT_IS).batch(step=0, size=64)
    is_heard = batch.waveforms.abs().amax(dim=1) > 0
    assert (batch.presence[~is_heard, 0] == 0).all()
    assert not (batch.presence[is_heard, 0] == 0).any()
    assert (batch.presence[:, 0] == 1).any()


def test_mixed_events_share_their_labels_by_how_loud_they_are(make_maker: MakeMaker) -> None:
    sounds = [tone("low", 200.0), tone("high", 2_000.0, amplitude=0.01)]
    batch = make_maker(sounds, **AS_IT_IS | {"mixup_chance": 1.0}).batch(step=0, size=32)
    assert torch.allclose(batch.presence.sum(dim=1), torch.ones(32))
    shares = batch.presence.numpy()
    assert shares[:, 0].min() < 0.2
    assert shares[:, 0].max() > 0.8
    louder_db = loudness_offset_db(sounds[0].samples, RATE) - loudness_offset_db(sounds[1].samples, RATE)
    assert louder_db == pytest.approx(-10.8 - 1.2, abs=0.3)  # IEC 61672-1, table 3
    for window, (low, high) in zip(batch.waveforms, shares, strict=True):
        if min(low, high) > 0.02:
            ratio_db = 20 * np.log10(amplitude(window, 200.0) / amplitude(window, 2_000.0))
            assert ratio_db + louder_db == pytest.approx(20 * np.log10(low / high), abs=0.5)


def test_a_second_event_is_of_another_label(make_maker: MakeMaker) -> None:
    sounds = [tone("low", 500.0), tone("high", 2_000.0)]
    batch = make_maker(sounds, **AS_IT_IS | {"second_event_chance": 1.0}).batch(step=0, size=16)
    assert (batch.presence == 1).all()
    for window in batch.waveforms:
        assert abs(20 * np.log10(amplitude(window, 500.0) / amplitude(window, 2_000.0))) < 10.2


def test_where_one_label_is_right_each_window_holds_one_event(
    make_maker: MakeMaker, scenery: list[Sound]
) -> None:
    chances = {"event_chance": 0.1, "second_event_chance": 1.0}
    batch = make_maker(scenery, fit={"loss": "softmax"}, **chances).batch(step=0, size=64)
    assert ((batch.presence == 1).sum(dim=1) + batch.presence.isnan().any(dim=1) >= 1).all()
    assert ((batch.presence == 1).sum(dim=1) <= 1).all()


@pytest.mark.parametrize("percent", [-15, -1, 1, 15, 49])
def test_speed_moves_pitch_and_folds_nothing_back(percent: int) -> None:
    change = SpeedChange(49, N_SAMPLES, CPU)
    position = np.arange(change.n_needed) - change.before
    middle = slice(500, N_SAMPLES - 500)

    def played(pitch_hz: float) -> NDArray[np.float32]:
        row = np.sin(2 * np.pi * pitch_hz * position / RATE).astype(np.float32)[None]
        return change(torch.from_numpy(row), torch.tensor([percent]))[0].numpy()

    expected = np.sin(2 * np.pi * 1_000 * (1 + percent / 100) * np.arange(N_SAMPLES) / RATE)
    assert level_db(played(1_000.0)[middle] - expected[middle].astype(np.float32)) < -60
    if percent > 1:  # a tone that the new rate cannot hold
        beyond_hz = RATE / 2 / (1 + percent / 100) * 1.05
        assert level_db(played(min(beyond_hz, 7_900.0))[middle]) < -15


def test_rooms_and_bands_change_a_sound_but_not_its_level(make_maker: MakeMaker) -> None:
    sounds = [rustle("low", 1)]
    levels: dict[str, Any] = {"level_db": (-30.0, -30.0)}
    dry = make_maker(sounds, **AS_IT_IS | levels).batch(0, 8).waveforms
    for chance in ("room_chance", "filter_chance"):
        wet = make_maker(sounds, **AS_IT_IS | levels | {chance: 1.0}).batch(0, 8).waveforms
        for one, other in zip(dry.numpy(), wet.numpy(), strict=True):
            assert level_db(other) == pytest.approx(-30.0, abs=0.1)
            assert level_db(one - other) > -50


def test_a_coder_takes_what_lies_above_its_band_and_some_of_the_rest() -> None:
    noise = np.random.default_rng(1).standard_normal((3, N_SAMPLES)).astype(np.float32) * np.float32(0.1)
    losses = Losses(
        cutoff_hz=np.array([4_000.0, np.inf, np.inf]),
        accuracy_db=np.array([120.0, 12.0, 120.0]),
        masked_db=np.full(3, 240.0),
        levels=np.array([0.0, 0.0, 63.0]),
    )
    coded = Codec(RATE, CPU)(torch.from_numpy(noise), losses).numpy()
    spectrum = np.abs(np.fft.rfft(coded[0]))
    above = np.fft.rfftfreq(N_SAMPLES, 1 / RATE) > 4_100
    assert level_db(spectrum[above]) < level_db(spectrum[~above]) - 40
    assert level_db(noise[1] - coded[1]) == pytest.approx(-20 - 12, abs=3)
    assert -60 < level_db(noise[2] - coded[2]) < -40
    lossless = replace(
        losses, cutoff_hz=np.full(3, np.inf), accuracy_db=np.full(3, 120.0), levels=np.zeros(3)
    )
    assert np.abs(Codec(RATE, CPU)(torch.from_numpy(noise), lossless).numpy() - noise).max() < 1e-5


def test_what_a_coder_has_taken_is_not_judged(make_maker: MakeMaker) -> None:
    sounds = [tone("low", 300.0), tone("high", 7_500.0)]
    batch = make_maker(sounds, **AS_IT_IS | {"codec_chance": 1.0}).batch(step=0, size=64)
    of_high = ~(batch.presence[:, 0] == 1)
    is_gone = batch.waveforms.square().mean(dim=1) < 1e-4
    assert of_high.any()
    assert is_gone.any()
    assert batch.presence[is_gone, 1].isnan().all()
    assert (batch.presence[of_high & ~is_gone, 1] == 1).all()


def test_samples_are_rounded_to_16_bits(make_maker: MakeMaker) -> None:
    batch = make_maker(
        [tone("low", 500.0)], **AS_IT_IS | {"noise_chance": 1.0, "level_db": (-20.0, -20.0)}
    ).batch(step=0, size=4)
    steps = batch.waveforms * 32_768
    assert torch.equal(steps, steps.round())


def test_nobody_waits_for_the_device(
    make_recipe: Callable[..., Recipe], scenery: list[Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that holds no values, whatever looks at one fails."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # does not know this device
    for levels in (None, (-50.0, -8.0)):
        recipe = make_recipe(augmentation=EVERYTHING | {"level_db": levels})
        batch = SceneMaker(recipe, (*LABELS, "smoke_alarm"), scenery, HOUSEHOLD, "meta").batch(0, 32)
        assert batch.waveforms.device.type == batch.presence.device.type == "meta"
        masks = Masks(recipe.augmentation, recipe.seed)
        assert masks(torch.empty((32, 64, 128), device="meta"), step=0).shape == (32, 64, 128)


class TestMasks:
    log_mel = torch.randn((8, 64, 128), generator=torch.Generator().manual_seed(0))

    def masked(self, **chances: Any) -> torch.Tensor:
        return Masks(Augmentation(**chances), seed=1)(self.log_mel, step=5)

    def test_bands_and_frames_become_the_mean(self) -> None:
        masked = self.masked(mask_chance=1.0, masked_bands=10, masked_frames=20)
        changed = masked != self.log_mel
        means = self.log_mel.mean(dim=(1, 2))
        for window, mean, where in zip(masked, means, changed, strict=True):
            assert (window[where] == mean).all()
            bands, frames = where.all(dim=1), where.all(dim=0)
            assert (where == (bands[:, None] | frames)).all()
            assert bands.sum() <= 20
            assert frames.sum() <= 40
        assert changed.any()

    def test_they_are_a_function_of_step_and_window(self) -> None:
        masks = Masks(Augmentation(mask_chance=1.0), seed=1)
        whole = masks(self.log_mel, step=5)
        assert torch.equal(masks(self.log_mel[3:], step=5, first=3), whole[3:])
        assert not torch.equal(masks(self.log_mel, step=6), whole)

    def test_there_may_be_none(self) -> None:
        assert torch.equal(self.masked(mask_chance=0.0), self.log_mel)
        assert torch.equal(self.masked(mask_chance=1.0, masked_bands=0, masked_frames=0), self.log_mel)

    def test_they_may_be_wider_than_the_spectrogram(self) -> None:
        assert self.masked(mask_chance=1.0, masked_bands=1_000, masked_frames=1_000).isfinite().all()


def test_real_clips(data: Path, make_recipe: Callable[..., Recipe]) -> None:
    manifest = read_manifest(data)
    labels = ("dog", "rooster", "rain", "smoke_alarm")
    clips = [clip for clip in manifest if clip.label in {*labels, "room_tone", "speech"}][::8]
    sounds = load_sounds(Manifest(manifest.folder, tuple(clips)), RATE)
    sounds += alarms(["smoke_alarm"], RATE, seed=0, n_sounds=2)
    recipe = make_recipe(labels=list(labels), data={}, augmentation=EVERYTHING)
    batch = SceneMaker(recipe, labels, sounds, HOUSEHOLD).batch(step=0, size=64)
    assert batch.waveforms.isfinite().all()
    assert batch.waveforms.abs().max() <= 1
    assert ((batch.presence > 0).sum(dim=0) >= 5).all()
    log_mel = Masks(recipe.augmentation, recipe.seed)(LogMelLayer(HOUSEHOLD)(batch.waveforms), step=0)
    assert log_mel.isfinite().all()
