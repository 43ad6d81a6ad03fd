"""Pictures as small WebP files: waveforms, spectrograms and encodings."""

import io
from typing import NamedTuple

import numpy as np

SHOWN_DB = 80
# Nothing is shown below this, re a full-scale sine: silence is black.
_LOWEST_DB = -120
_WIDTH, _WAVEFORM_HEIGHT, _SPECTROGRAM_HEIGHT = 640, 96, 208
# Each of 16 channels is four pixels high; colours end at so many standard
# deviations.
_ENCODING_HEIGHT = 64
_SHOWN_DEVIATIONS = 3.0
# Legible on a white and on a near-black page.
_WAVEFORM_COLOUR = "#3d8f95"
_WINDOW_SECONDS = 0.04


class Pictures(NamedTuple):
    """Two WebP files of a recording, of which each spans the same time.

    The waveform is on a transparent ground; the spectrogram has 0 Hz at the
    bottom and half the sample rate at the top.
    """

    waveform: bytes
    spectrogram: bytes


def draw_systems(
    systems: dict[str, np.ndarray], sample_rate: int
) -> dict[str, Pictures]:
    """Draws several systems' audio of one sentence for comparison.

    All share the time axis of the longest, the amplitude scale of the
    highest peak and the loudest `SHOWN_DB` decibels of any of them. Audio is
    `(time,)`, not empty, finite.
    """
    samples = max(len(audio) for audio in systems.values())
    padded = {
        system: np.pad(audio, (0, samples - len(audio)))
        for system, audio in systems.items()
    }
    spectra = {
        system: _decibels(audio, sample_rate)
        for system, audio in padded.items()
    }
    peak = max(np.abs(audio).max() for audio in padded.values())
    loudest = max(spectrum.max() for spectrum in spectra.values())
    loudest = max(loudest, _LOWEST_DB + SHOWN_DB)
    return {
        system: Pictures(
            waveform=_draw_waveform(audio, float(peak)),
            spectrogram=_draw_spectrogram(spectra[system], float(loudest)),
        )
        for system, audio in padded.items()
    }


def draw_encodings(
    encodings: list[np.ndarray], hop_length: int, samples: list[int]
) -> list[bytes]:
    """Draws one model's encodings of several recordings as heat maps.

    A row is a channel, the first at the bottom; its colours show how far it is
    from its mean over all of the recordings, in its standard deviations.
    Encodings are `(frames, channels)`, finite; each picture spans so many
    samples from the recording's first one on.

    Returns:
        WebP files, transparent after a recording's end.
    """
    together = np.concatenate(encodings)
    mean, deviation = together.mean(axis=0), together.std(axis=0) + 1e-9
    pictures = []
    for encoding, length in zip(encodings, samples, strict=True):
        figure, axes = _canvas(_ENCODING_HEIGHT)
        axes.imshow(
            ((encoding - mean) / deviation).T,
            origin="lower",
            aspect="auto",
            cmap="RdBu_r",
            vmin=-_SHOWN_DEVIATIONS,
            vmax=_SHOWN_DEVIATIONS,
            interpolation="nearest",
            extent=(0, len(encoding) * hop_length, 0, encoding.shape[1]),
        )
        axes.set_xlim(0, length)
        pictures.append(_encode(figure, lossless=True))
    return pictures


def _decibels(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    import librosa

    window = max(round(_WINDOW_SECONDS * sample_rate), 16)
    length = 2 ** int(np.ceil(np.log2(window)))
    spectrum = librosa.stft(
        # librosa centres its first window on the first sample: half a window
        # must lie inside.
        np.pad(audio, (0, max(length - len(audio), 0))),
        n_fft=length,
        win_length=window,
        hop_length=max(len(audio) // _WIDTH, 1),
    )
    columns = min(spectrum.shape[1], _WIDTH)
    magnitude = np.abs(spectrum[:, :columns]) / (window / 4)
    return 20 * np.log10(np.maximum(magnitude, 10 ** (_LOWEST_DB / 20)))


def _draw_waveform(audio: np.ndarray, peak: float) -> bytes:
    # Each pixel column shows the range of its samples; neighbours overlap by
    # one sample, so that the line is unbroken where it is steep.
    edges = np.linspace(0, len(audio), _WIDTH + 1).astype(int)
    columns = [
        audio[first : max(last, first) + 1]
        for first, last in zip(edges[:-1], edges[1:], strict=True)
    ]
    lowest = [column.min() for column in columns]
    highest = [column.max() for column in columns]
    figure, axes = _canvas(_WAVEFORM_HEIGHT)
    places = np.arange(_WIDTH)
    axes.fill_between(
        places, lowest, highest, color=_WAVEFORM_COLOUR, linewidth=0.6
    )
    axes.set_xlim(0, _WIDTH - 1)
    # Silence is a line through the middle.
    axes.set_ylim(-1.05 * (peak or 1), 1.05 * (peak or 1))
    return _encode(figure, lossless=True)


def _draw_spectrogram(decibels: np.ndarray, loudest: float) -> bytes:
    figure, axes = _canvas(_SPECTROGRAM_HEIGHT)
    axes.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=loudest - SHOWN_DB,
        vmax=loudest,
        interpolation="hanning",
        interpolation_stage="data",
    )
    return _encode(figure, quality=70)


def _canvas(height: int):
    # No pyplot: its global state would keep every figure alive.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _encode(figure, **options) -> bytes:
    # Noise hardly compresses without loss: the same spectrogram as a PNG
    # takes ten times the room.
    file = io.BytesIO()
    options["method"] = 6
    figure.savefig(file, format="webp", transparent=True, pil_kwargs=options)
    return file.getvalue()
