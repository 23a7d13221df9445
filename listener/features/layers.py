"""The front end as PyTorch modules: part of a training step, or of an exported model.

`LogMelLayer` is the front end of `listener.features.logmel` for a batch of waveforms, on any
device, with a gradient. Window, bands and constants come from the same place, so the two differ
by the rounding of their transforms alone.
"""

from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from listener.features.front_end import LEAST_SPREAD, MAGNITUDE_OFFSET, hann, log_factor, mel_weights
from listener.types import FeatureParameters

Transform = Literal["fft", "fft_single", "matrices"]
"""How the spectrum is computed: see `LogMelLayer`."""


class LogMelLayer(nn.Module):
    """Waveforms (n, n_samples) in [-1, 1] to spectrograms (n, n_mels, n_frames).

    It learns nothing and remembers nothing; its buffers are constants. Fit for `torch.jit.script`
    and, with ``transform="matrices"``, for ONNX.

    Parameters
    ----------
    parameters
        The front end's parameters.
    transform
        ``fft``: torch's own, in double precision: within 1e-4 of the NumPy form, whatever is heard.
        ``fft_single``: in single precision, for training: a third less time, and a band 100 dB below the
        loudest may be off by 1e-3. ``matrices``: two matrix products in single precision, in
        operations that every ONNX runtime has; in ONNX Runtime three times as fast as its STFT.

    Raises
    ------
    ValueError
        Bands are linear, and ``n_mels`` is not the number of bins.
    """

    one_by_one: Final[bool]
    padding: Final[str]
    padding_samples: Final[int]
    is_linear: Final[bool]
    is_magnitude: Final[bool]
    magnitude_offset: Final[float]
    floor: Final[float]
    log_factor: Final[float]
    normalisation: Final[str]
    least_variance: Final[float]
    weights: Tensor
    order: Tensor

    def __init__(self, parameters: FeatureParameters, transform: Transform = "fft") -> None:
        super().__init__()
        self.one_by_one = transform != "matrices"
        self.padding, self.padding_samples = parameters.padding, parameters.padding_samples
        self.is_magnitude, self.magnitude_offset = parameters.power == 1, MAGNITUDE_OFFSET
        self.floor, self.log_factor = parameters.floor, log_factor(parameters)
        self.normalisation, self.least_variance = parameters.normalisation, LEAST_SPREAD**2
        self.spectrum: _FastSpectrum | _MatrixSpectrum
        if transform == "matrices":
            self.spectrum = _MatrixSpectrum(parameters.n_fft, parameters.hop_length)
        else:
            self.spectrum = _FastSpectrum(parameters.n_fft, parameters.hop_length, transform == "fft")
        weights = mel_weights(parameters)
        self.is_linear = weights is None
        order = self.spectrum.order()
        arranged = np.zeros((self.spectrum.n_out, 0 if weights is None else parameters.n_mels))
        arranged[order] = 0 if weights is None else weights.T
        self.register_buffer("order", torch.from_numpy(order), persistent=False)
        self.register_buffer("weights", _constant(arranged), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(n, n_samples) to (n, n_mels, n_frames), float32."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._spectrogram(waveform.float())
        # In half precision a quiet band would be lost beside a loud one.
        with torch.autocast(waveform.device.type, enabled=False):
            return self._in_cache(waveform.float())

    @torch.jit.unused
    def _in_cache(self, waveform: Tensor) -> Tensor:
        """Sound after sound, so that all of one stays in the cache; oneDNN's fusion breaks on such a loop."""
        if self.one_by_one and waveform.device.type == "cpu" and len(waveform) > 1:
            return torch.cat([self._spectrogram(sound) for sound in torch.split(waveform, 1)])
        return self._spectrogram(waveform)

    def _spectrogram(self, waveform: Tensor) -> Tensor:
        bands = self._bands(self.spectrum(self._padded(waveform)))
        logarithm = bands.clamp_min(self.floor).log()
        if self.log_factor != 1.0:
            logarithm = logarithm * self.log_factor
        return self._normalised(logarithm).transpose(1, 2).contiguous()

    def _padded(self, waveform: Tensor) -> Tensor:
        if self.padding == "none":
            return waveform
        widths = [self.padding_samples, self.padding_samples]
        return functional.pad(waveform, widths, mode="reflect" if self.padding == "reflect" else "constant")

    def _bands(self, power: Tensor) -> Tensor:
        """(n, n_frames, n_bins), in the spectrum's order, to (n, n_frames, n_mels)."""
        amount = (power + self.magnitude_offset).sqrt() if self.is_magnitude else power
        return amount.index_select(2, self.order) if self.is_linear else torch.matmul(amount, self.weights)

    def _normalised(self, logarithm: Tensor) -> Tensor:
        """(n, n_frames, n_mels) to the same."""
        if self.normalisation == "frame":
            # Less its first band, as in `listener.features.logmel`: a silent frame is zeros.
            relative = logarithm - logarithm[:, :, :1]
            deviation = relative - relative.mean(dim=2, keepdim=True)
            variance = deviation.square().mean(dim=2, keepdim=True)
            # The root of 0 has no slope: it is cut before the root is taken.
            return deviation / variance.clamp(min=self.least_variance).sqrt()
        if self.normalisation == "min_max":
            lowest = logarithm.amin(dim=[1, 2], keepdim=True)
            span = logarithm.amax(dim=[1, 2], keepdim=True) - lowest
            return (logarithm - lowest) / torch.where(span > 0, span, torch.ones_like(span))
        return logarithm


class WithFrontEnd(nn.Module):
    """A network that hears: waveform (n, n_samples) to whatever the network gives, such as logits.

    The card of a bundle made of it has ``input: waveform``, no ``features``, the front end's
    ``sample_rate``, and as ``window_s`` its ``window_samples / sample_rate``. Script it for a
    TorchScript bundle: ``torch.jit.script(WithFrontEnd(LogMelLayer(parameters), network))``. For ONNX
    give the front end ``transform="matrices"``; ``torch.onnx.export(..., dynamo=False)`` takes the
    script. Whoever makes integers of the network leaves out all nodes of ``front_end``.

    Parameters
    ----------
    front_end
        Such as `LogMelLayer`: (n, n_samples) to (n, n_mels, n_frames).
    network
        What it was trained with: (n, n_mels, n_frames) to (n, n_labels).
    channel_axis
        The network wants (n, 1, n_mels, n_frames), as one made for images does.
    """

    channel_axis: Final[bool]

    def __init__(self, front_end: nn.Module, network: nn.Module, channel_axis: bool = False) -> None:
        super().__init__()
        self.front_end = front_end
        self.network = network
        self.channel_axis = channel_axis

    def forward(self, waveform: Tensor) -> Tensor:
        """(n, n_samples) to the network's output."""
        spectrograms = self.front_end(waveform)
        if self.channel_axis:
            spectrograms = spectrograms.unsqueeze(1)
        output: Tensor = self.network(spectrograms)
        return output


class _FastSpectrum(nn.Module):
    """Power of each bin by the fast Fourier transform: (n, n_samples) to (n, n_frames, n_bins)."""

    n_fft: Final[int]
    hop_length: Final[int]
    n_out: Final[int]
    is_double: Final[bool]
    window: Tensor

    def __init__(self, n_fft: int, hop_length: int, is_double: bool) -> None:
        super().__init__()
        self.is_double = is_double
        self.n_fft, self.hop_length, self.n_out = n_fft, hop_length, 1 + n_fft // 2
        self.register_buffer("window", _constant(hann(n_fft)), persistent=False)

    def order(self) -> NDArray[np.int64]:
        """Where each bin lies in the last axis of what `forward` gives, which is ``n_out`` long."""
        return np.arange(self.n_out)

    def forward(self, waveform: Tensor) -> Tensor:
        frames = waveform.unfold(1, self.n_fft, self.hop_length) * self.window
        # torch's single precision is lost 95 dB below the loudest bin; NumPy's is not.
        if self.is_double:
            spectrum = torch.fft.rfft(frames.double()).to(torch.complex64)
        else:
            spectrum = torch.fft.rfft(frames)
        parts = torch.view_as_real(spectrum).square()
        return parts[:, :, :, 0] + parts[:, :, :, 1]


class _MatrixSpectrum(nn.Module):
    """The same by matrix products, in operations that every runtime has.

    A frame of ``n_fft = rows * columns`` samples is a table. The columns are transformed, turned by
    their twiddle factors, then the rows (Cooley & Tukey, "An algorithm for the machine calculation
    of complex Fourier series", 1965). For 1024 points that is a tenth of the work of one matrix.
    """

    n_fft: Final[int]
    hop_length: Final[int]
    n_out: Final[int]
    rows: Final[int]
    bins_in_row: Final[int]
    hops_in_frame: Final[int]
    window: Tensor
    of_columns: Tensor
    turn_real: Tensor
    turn_imaginary: Tensor
    of_rows: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.hops_in_frame = -(-n_fft // hop_length)
        self.rows = max(n for n in range(1, int(n_fft**0.5) + 1) if n_fft % n == 0)
        self.bins_in_row = n_fft // 2 // self.rows + 1
        self.n_out = self.rows * self.bins_in_row
        columns = n_fft // self.rows
        column, turn = _roots(self.rows, self.rows, self.rows), _roots(self.rows, columns, n_fft)
        row = _roots(columns, self.bins_in_row, columns)
        constants: dict[str, ArrayLike] = {
            "window": hann(n_fft).reshape(self.rows, columns),
            "of_columns": np.concatenate((column.real, column.imag)),
            "turn_real": turn.real,
            "turn_imaginary": turn.imag,
            "of_rows": np.block([[row.real, row.imag], [-row.imag, row.real]]),
        }
        for name, values in constants.items():
            self.register_buffer(name, _constant(values), persistent=False)

    def order(self) -> NDArray[np.int64]:
        """Where each bin lies in the last axis of what `forward` gives, which is ``n_out`` long."""
        bins = np.arange(1 + self.n_fft // 2)
        return bins % self.rows * self.bins_in_row + bins // self.rows

    def forward(self, waveform: Tensor) -> Tensor:
        frames = self._frames(waveform)
        tables = frames.reshape(frames.size(0), frames.size(1), self.rows, -1) * self.window
        columns = torch.matmul(self.of_columns, tables)
        real, imaginary = columns[:, :, : self.rows], columns[:, :, self.rows :]
        turned = torch.cat(
            (
                real * self.turn_real - imaginary * self.turn_imaginary,
                real * self.turn_imaginary + imaginary * self.turn_real,
            ),
            dim=3,
        )
        parts = torch.matmul(turned, self.of_rows).square()
        return (parts[:, :, :, : self.bins_in_row] + parts[:, :, :, self.bins_in_row :]).flatten(2)

    def _frames(self, waveform: Tensor) -> Tensor:
        """(n, n_samples) to (n, n_frames, n_fft): whole hops are moved, as ONNX knows no `unfold`."""
        n_frames = (waveform.size(1) - self.n_fft) // self.hop_length + 1
        n_hops = n_frames + self.hops_in_frame - 1
        # The last frame may begin in a hop that the sound does not fill.
        rest = torch.zeros(waveform.size(0), self.hop_length, device=waveform.device)
        hops = torch.cat((waveform, rest), dim=1)[:, : n_hops * self.hop_length]
        first = torch.arange(n_frames, device=waveform.device).unsqueeze(1)
        wanted = first + torch.arange(self.hops_in_frame, device=waveform.device)
        frames = hops.reshape(waveform.size(0), n_hops, -1).index_select(1, wanted.flatten())
        return frames.reshape(waveform.size(0), n_frames, -1)[:, :, : self.n_fft]


def _roots(n_left: int, n_right: int, period: int) -> NDArray[np.complex128]:
    """Powers of the root of unity, shape (n_left, n_right): exp(-2 pi i left right / period)."""
    # The product modulo the period: large angles would be rounded.
    powers = np.outer(np.arange(n_left), np.arange(n_right)) % period
    return np.asarray(np.exp(-2j * np.pi * powers / period))


def _constant(values: ArrayLike) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
