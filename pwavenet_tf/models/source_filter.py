"""The student's source-filter flow: harmonics and filtered noise."""

import math

import keras
import numpy as np
from keras import ops

from pwavenet_tf.audio.mel import (
    band_centres,
    band_interpolation,
    inverse_normalised,
    log_noise_std,
    log_pre_emphasis,
)
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.models.arguments import KeepsArguments
from pwavenet_tf.models.conditioning import with_repeated_ends

# All of these are a part of the file format: a saved layer has no others.
_LAYERS = 3
_CHANNELS = 160
# Enough for all harmonics below 8 kHz from an F0 of 125 Hz on. Where there
# are more, noise stands for the highest.
HARMONICS = 64
# F0 is an input in nats from here.
_REFERENCE_HZ = 200.0
# How much softer harmonics are where the track has no voicing, in nats, before
# training: the search for F0 misses the ends of voiced speech.
_UNVOICED = 3.0


@keras.saving.register_keras_serializable(package="pwavenet_tf")
class SourceFilter(KeepsArguments, keras.layers.Layer):
    """A flow that starts from what a mel spectrogram and F0 say of the sound.

    The harmonics of F0 and white noise z, each with the spectral envelope of
    the frames, as in the source-filter model of speech; the envelopes are
    learned, as in DDSP (2001.04643). Written as a flow of 1711.10433,

        x_t = μ_t + s_t · z_t,   μ_t = harmonics_t + Σ_{k>0} h_k z_{t-k},

    where h is a minimum-phase filter at the centre of each frame, and s_t =
    h_0 its first tap: so s_t is the geometric mean of the noise's spectral
    envelope, the scale of the best linear prediction (Kolmogorov's formula),
    and nothing but z before t enters μ_t. In between, where filters are
    interpolated, they are not of minimum phase in general: the inverse of the
    flow may be unstable there.

    An untrained layer has the envelopes of the mel spectrogram itself. A
    small convolutional network over frames learns what is added to them, in
    nats: for the harmonics at every mel band, for the noise at every point
    of the filter's spectrum. It gives them at the centre of each frame, or at
    several points of it: speech changes faster than frames follow each other,
    and their windows, which overlap, say more of it than one vector a frame
    can hold. Between the points, amplitudes and filters are interpolated
    linearly.

    Args:
        audio: The acoustic contract.
        taps: Length of the noise's filter, even.
        noise_std: Standard deviation of z.
        points: Envelopes for each frame, evenly spaced.

    Call arguments:
        mel: `(batch, frames, mels)`, normalised as the contract says.
        track: `(batch, frames, 3)`, from `sinusoid_track`.

    Returns:
        The conditioning of the flow: `{"harmonics": (batch, frames * hop
        length), "filters": (batch, frames, points + 2, taps)}`: the last
        filter of the previous frame, this frame's and the first of the next.
    """

    def __init__(
        self,
        audio: AudioContract,
        taps: int = 256,
        noise_std: float = 1.0,
        points: int = 1,
        **kwargs,
    ) -> None:
        # Phases and logarithms stay float32 under mixed precision.
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.audio = AudioContract.from_config(audio)
        self.taps = taps
        self.noise_std = noise_std
        self.points = points
        self.hidden = [
            keras.layers.Conv1D(_CHANNELS, 3, padding="same", dtype="float32")
            for _ in range(_LAYERS)
        ]
        self.mixing = keras.layers.Dense(_CHANNELS, dtype="float32")
        self.corrections = keras.layers.Dense(
            points * (self.audio.mels + taps // 2 + 1),
            kernel_initializer="zeros",
            dtype="float32",
        )

    @property
    def context_frames(self) -> int:
        """Frames on either side that a frame's samples depend on."""
        return len(self.hidden) + 1

    @property
    def receptive_field(self) -> int:
        """Samples before t that μ_t depends on."""
        return self.taps - 1

    def build(self, mel_shape=None, track_shape=None) -> None:
        shape = (None, None, self.audio.mels + 2)
        for layer in self.hidden:
            layer.build(shape)
            shape = (None, None, _CHANNELS)
        self.mixing.build(shape)
        self.corrections.build(shape)
        self.built = True

    def call(self, mel, track):
        mel, track = (
            with_repeated_ends(ops.cast(x, "float32"), self.context_frames)
            for x in (mel, track)
        )
        hertz, voicing = track[..., :1], track[..., 1:2]
        # Other sources of F0 have 0 where there is none.
        log_pitch = ops.log(ops.maximum(hertz, 1.0) / _REFERENCE_HZ)
        h = ops.concatenate([mel, log_pitch, voicing], axis=-1)
        for layer in (*self.hidden, self.mixing):
            h = ops.leaky_relu(layer(h), 0.1)
        batch, frames, _ = ops.shape(h)
        corrections = ops.reshape(
            self.corrections(h),
            (batch, frames * self.points, self.audio.mels + self.taps // 2 + 1),
        )
        harmonic, noisy = ops.split(corrections, [self.audio.mels], axis=-1)
        bands = band_centres(self.audio)
        envelope = self._at_points(inverse_normalised(mel, self.audio))
        voicing, at_points = (self._at_points(x) for x in (voicing, hertz))
        # The flows generate pre-emphasised audio.
        emphasis = log_pre_emphasis(self.audio, bands)
        envelope = envelope + emphasis.astype("float32")
        harmonic = harmonic - _UNVOICED * (1.0 - voicing)
        amplitudes = self._amplitudes(envelope + harmonic, at_points)
        grid = np.linspace(0, self.audio.sample_rate / 2, self.taps // 2 + 1)
        at_grid = band_interpolation(self.audio, grid)
        noise = ops.matmul(envelope, at_grid) + noisy
        log_std = log_noise_std(self.audio) - math.log(self.noise_std)
        filters = self._minimum_phase(noise + log_std)
        return {
            "harmonics": self._oscillators(amplitudes, track),
            "filters": self._with_neighbours(filters, self.points),
        }

    def location_and_scale(self, z, harmonics, filters):
        """(μ, s) of the flow, `(batch, time)` each, from what `call` returns.

        The noise z, `(batch, taps - 1 + time)`, begins with the `taps - 1`
        samples before; zeros before the first.
        """
        hop, past = self.audio.hop_length, self.taps - 1
        batch, frames = ops.shape(filters)[0], ops.shape(filters)[1]
        # Each frame's samples with those before: blocks of one hop, side by
        # side, of which the last ends with the frame.
        blocks = -(-past // hop) + 1
        z = ops.pad(z, [[0, 0], [(blocks - 1) * hop - past, 0]])
        z = ops.reshape(z, (batch, frames + blocks - 1, hop))
        spans = ops.concatenate(
            [z[:, i : i + frames] for i in range(blocks)], axis=-1
        )
        newest = np.arange(hop)[:, None] + (blocks - 1) * hop
        before = ops.take(spans, newest - np.arange(1, self.taps), axis=-1)
        weights = self._interpolation()
        filtered = ops.einsum("bfnk,bfck->bfnc", before, filters[..., 1:])
        filtered = ops.sum(filtered * weights, axis=-1)
        scale = ops.matmul(filters[..., 0], weights.T)
        shape = (batch, frames * hop)
        location = harmonics + ops.reshape(filtered, shape)
        return location, ops.reshape(scale, shape)

    def flow(self, x, harmonics, filters):
        """(μ, ln s) given a whole series x, as a `FlowNetwork` gives them."""
        past = ops.pad(x, [[0, 0], [self.taps - 1, 0]])
        location, scale = self.location_and_scale(past, harmonics, filters)
        return location, ops.log(scale)

    def filters_at_samples(self, filters):
        """The filter of each sample, `(batch, time, taps)`."""
        batch, frames = ops.shape(filters)[0], ops.shape(filters)[1]
        each = ops.matmul(self._interpolation(), filters)
        hop = self.audio.hop_length
        return ops.reshape(each, (batch, frames * hop, self.taps))

    def _amplitudes(self, envelope, hertz):
        """Of the harmonics, `(batch, frames, harmonics)`.

        Harmonics of amplitude A, one every F0 hertz, have a mean magnitude of
        A · rate / (2 F0), whatever the window.
        """
        half = self.audio.sample_rate / 2
        bands = band_centres(self.audio).astype("float32")
        width = np.diff(bands)
        lower = np.concatenate([width[:1], width])
        upper = np.concatenate([width, width[-1:]])
        frequencies = hertz * np.arange(1, HARMONICS + 1, dtype="float32")
        audible = ops.cast(frequencies < half, "float32")
        off = ops.clip(frequencies, bands[0], bands[-1])[..., None] - bands
        weights = ops.relu(1.0 - ops.maximum(off / upper, -off / lower))
        logs = ops.einsum("bfhm,bfm->bfh", weights, envelope)
        per_magnitude = hertz * (2.0 / self.audio.fft_length)
        return ops.exp(logs) * per_magnitude * audible

    def _minimum_phase(self, log_magnitudes):
        """Impulse responses, `(..., taps)`, by the folded cepstrum.

        From `(..., taps / 2 + 1)`, 0 to half the rate. Matrix products in place
        of FFTs, which TFLite lacks.
        """
        n, k = self.taps, np.arange(self.taps // 2 + 1)
        both_sides = np.where((k == 0) | (k == n // 2), 1.0, 2.0)
        angle = 2 * math.pi * np.outer(k, k) / n
        cepstrum = both_sides[:, None] * np.cos(angle) / n
        to_phase = -(cepstrum * both_sides) @ np.sin(angle)
        angle = 2 * math.pi * np.outer(k, np.arange(n)) / n
        real = both_sides[:, None] * np.cos(angle) / n
        imaginary = -both_sides[:, None] * np.sin(angle) / n
        magnitude = ops.exp(log_magnitudes)
        phase = ops.matmul(log_magnitudes, to_phase.astype("float32"))
        response = ops.matmul(
            magnitude * ops.cos(phase), real.astype("float32")
        ) + ops.matmul(magnitude * ops.sin(phase), imaginary.astype("float32"))
        # Always positive, where the transform may alias.
        to_first = cepstrum[:, :1].astype("float32")
        first = ops.exp(ops.matmul(log_magnitudes, to_first))
        return ops.concatenate([first, response[..., 1:]], axis=-1)

    def _interpolation(self) -> np.ndarray:
        """Weights at each sample of a frame, `(hop length, points + 2)`."""
        return _linear(self.audio.hop_length, self.points)

    def _at_points(self, x):
        """A series of frames `(batch, frames, channels)` at all points."""
        batch, frames, channels = ops.shape(x)
        padded = with_repeated_ends(x, 1)
        three = ops.stack([padded[:, i : i + frames] for i in range(3)], axis=2)
        points = ops.matmul(_linear(self.points, 1), three)
        return ops.reshape(points, (batch, frames * self.points, channels))

    def _with_neighbours(self, x, points: int = 1):
        """A series of points, of the frames without the extension.

        `(batch, frames, points + 2, channels)`.
        """
        first = self.context_frames
        batch, length, channels = ops.shape(x)
        x = ops.reshape(x, (batch, length // points, points, channels))
        end = length // points - first
        parts = (
            x[:, first - 1 : end - 1, -1:],
            x[:, first:end],
            x[:, first + 1 : end + 1, :1],
        )
        return ops.concatenate(parts, axis=2)

    def _oscillators(self, amplitudes, track):
        """The sum of the harmonics, `(batch, time)`."""
        hop, rate = self.audio.hop_length, self.audio.sample_rate
        around = self._with_neighbours(amplitudes, self.points)
        smooth = ops.matmul(self._interpolation(), around)
        three = self._with_neighbours(track)
        before, hertz, after = (three[:, :, i : i + 1, :1] for i in range(3))
        batch, frames = ops.shape(three)[0], ops.shape(three)[1]
        # F0 runs from one boundary between frames to the next, through a
        # parabola that keeps its mean over the frame and so the track's phase.
        first, last = (before + hertz) / 2, (hertz + after) / 2
        rest = hertz - (first + last) / 2
        u = np.arange(hop, dtype="float32")[:, None] / hop
        mean_hertz = (
            first * (1 - u / 2) + last * (u / 2) + rest * (3 * u - 2 * u**2)
        )
        cycles = three[:, :, 1:2, 2:] + mean_hertz * u * (hop / rate)
        multiples = np.arange(1, HARMONICS + 1, dtype="float32")
        cycles = cycles * multiples
        # A sine of few cycles is exact.
        waves = ops.sin(2 * math.pi * (cycles - ops.floor(cycles)))
        total = ops.sum(waves * smooth, axis=-1)
        return ops.reshape(total, (batch, frames * hop))

    def compute_output_shape(self, mel_shape, track_shape=None):
        batch, frames, _ = mel_shape
        time = frames and frames * self.audio.hop_length
        return {
            "harmonics": (batch, time),
            "filters": (batch, frames, self.points + 2, self.taps),
        }


def _linear(places: int, points: int) -> np.ndarray:
    """Weights of linear interpolation within a frame.

    Points are given at the centres of so many parts of the frame, and wanted
    at those of `places`. float32 `(places, points + 2)`: of the last point of
    the previous frame, this frame's, and the first of the next.
    """
    wanted = (np.arange(places) + 0.5) / places * points + 0.5
    given = np.arange(points + 2)
    weights = np.maximum(1 - np.abs(wanted[:, None] - given), 0)
    return weights.astype("float32")
