"""Phones of a recording whose text is known.

espeak-ng synthesizes the text, dynamic time warping (Sakoe and Chiba 1978) maps
the times of its speech to those of the recording, and the phones are moved
accordingly.
"""

from dataclasses import dataclass

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import LANGUAGE, SILENCE, Phone, filled

# The matrix of costs grows with the square of this, to 300 MB.
LONGEST_SECONDS = 40

_SAMPLE_RATE = 16_000
_HOP = 160
_HOP_SECONDS = _HOP / _SAMPLE_RATE
_WINDOW = 400
_FFT = 512
# Few and broad, because the two voices differ in what is finer than that;
# of 8 to 20 and with real speech these did best.
_COEFFICIENTS = 9
_DELTA_FRAMES = 5
# Shorter silence is the closure of a stop.
_SHORTEST_PAUSE = 10
# Of a longer pause so much takes part: the readers pause at different
# places, yet where both do it is a landmark.
_PAUSE_FRAMES = 8
_SHORTEST_PHONE = 0.01


class Aligner:
    """Finds the phones of recordings by their texts, by a voice of espeak-ng.

    Raises:
        UserError: As `Espeak`.
    """

    def __init__(self, voice: str = LANGUAGE) -> None:
        self._espeak = Espeak(voice)

    def align(
        self, text: str, audio: np.ndarray, sample_rate: int
    ) -> list[Phone]:
        """Finds where each phone of a text is in a recording `(time,)` of it.

        The phones of espeak-ng, with `SILENCE` where the recording is silent
        for 0.1 s or more, cover it.

        Raises:
            UserError: If the text holds nothing to synthesize, or the recording
                is silent, longer than `LONGEST_SECONDS`, or too short for it.
        """
        if not text.strip():
            raise UserError("there is no text to align")
        speech = self._espeak.synthesize(text)
        phones = [one for one in speech.phones if one.symbol != SILENCE]
        seconds = len(audio) / sample_rate
        _require_length(seconds, len(phones))
        highest_hz = min(sample_rate, speech.sample_rate, _SAMPLE_RATE) / 2
        reference = _Frames.of(speech.audio, speech.sample_rate, highest_hz)
        recording = _Frames.of(audio, sample_rate, highest_hz)
        starts, ends = (
            _mapped(np.array(times), reference, recording)
            for times in (
                [one.start for one in phones],
                [one.end for one in phones],
            )
        )
        pauses = np.clip(recording.pauses, 0, seconds)
        starts, ends = _with_pauses(starts, ends, pauses)
        symbols = [one.symbol for one in phones]
        return filled(
            map(Phone, symbols, starts.tolist(), ends.tolist()), seconds
        )


def _require_length(seconds: float, phones: int) -> None:
    if seconds > LONGEST_SECONDS:
        raise UserError(
            f"{seconds:.1f} s are too long to align; cut the recording into "
            f"sentences of at most {LONGEST_SECONDS} s"
        )
    if seconds < (phones + 1) * _SHORTEST_PHONE:
        raise UserError(
            f"{seconds:.2f} s are too short for the {phones} phones of its "
            "text; correct the text"
        )


@dataclass(frozen=True)
class _Frames:
    """What a recording is compared by."""

    # `(coefficients, kept frames)`, normalised.
    features: np.ndarray
    # Numbers of the frames that take part.
    kept: np.ndarray
    # Start and end in seconds of each silence, `(pauses, 2)`; the first and the
    # last are those before and after the speech, perhaps empty.
    pauses: np.ndarray

    @classmethod
    def of(
        cls, audio: np.ndarray, sample_rate: int, highest_hz: float
    ) -> "_Frames":
        import librosa
        import soxr

        audio = soxr.resample(
            np.asarray(audio, np.float64), sample_rate, _SAMPLE_RATE
        )
        quiet = _quiet(audio)
        pauses, keep = _pauses(quiet)
        # espeak-ng's silence is exactly zero, which has no logarithm.
        noise = np.random.default_rng(0).normal(size=len(audio))
        cepstrum = librosa.feature.mfcc(
            y=audio + 1e-4 * np.abs(audio).max() * noise,
            sr=_SAMPLE_RATE,
            n_mfcc=_COEFFICIENTS,
            n_fft=_FFT,
            win_length=_WINDOW,
            hop_length=_HOP,
            n_mels=40,
            fmax=highest_hz,
        )
        delta = librosa.feature.delta(
            cepstrum, width=_DELTA_FRAMES, mode="nearest"
        )
        features = np.concatenate([cepstrum, delta])
        voiced = features[:, ~quiet]
        std = np.maximum(voiced.std(axis=1, keepdims=True), 1e-6)
        features = (features - voiced.mean(axis=1, keepdims=True)) / std
        return cls(features[:, keep], np.flatnonzero(keep), pauses)


def _quiet(audio: np.ndarray) -> np.ndarray:
    """Which frames are silent: 35 dB below speech, or as low as its noise."""
    import librosa

    level = librosa.feature.rms(y=audio, frame_length=_WINDOW, hop_length=_HOP)
    loud = np.percentile(level, 95)
    if not loud > 0:
        raise UserError("the recording is silent; remove it or its text")
    decibels = 20 * np.log10(np.maximum(level[0] / loud, 1e-9))
    noise = np.percentile(decibels, 5) + 6
    return decibels < np.clip(noise, -35, -25)


def _pauses(quiet: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pauses, in seconds, and which frames are left of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]])))
    frames = len(quiet)
    keep = np.ones(frames, bool)
    inner = []
    speech_start, speech_end = 0, frames
    for start, end in edges.reshape(-1, 2).tolist():
        if start == 0:
            speech_start = end
        elif end == frames:
            speech_end = start
        elif end - start >= _SHORTEST_PAUSE:
            inner.append((start, end))
        else:
            continue
        half = _PAUSE_FRAMES // 2
        keep[start + half : max(end - half, start + half)] = False
    # A frame stands for the hop around its centre.
    borders = [(-1, speech_start), *inner, (speech_end, frames + 1)]
    return (np.array(borders) - 0.5) * _HOP_SECONDS, keep


def _mapped(
    times: np.ndarray, reference: _Frames, recording: _Frames
) -> np.ndarray:
    """Takes times of the reference to times of the recording."""
    import librosa

    # Sums of magnitudes forgive a frame that is wholly different, as a click.
    _, path = librosa.sequence.dtw(
        reference.features, recording.features, metric="cityblock"
    )
    here, there = path[::-1].T
    here, there = reference.kept[here], recording.kept[there]
    # Where the path stands still in the reference, the middle of its stay.
    frames, first, stay = np.unique(here, return_index=True, return_counts=True)
    middle = np.add.reduceat(there, first) / stay
    return np.interp(times, frames * _HOP_SECONDS, middle * _HOP_SECONDS)


def _with_pauses(
    starts: np.ndarray, ends: np.ndarray, pauses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Puts each pause between two phones and the phones between pauses.

    Starts, never falling, and ends, none after the next phone's start, are in
    seconds. Afterwards each phone lasts some time, and between pauses there is
    no gap.
    """
    count = len(starts)
    # Boundary k is before phone k: the end of one phone, the start of another.
    left = np.concatenate([ends[:1] * 0, ends[:-1]])
    place = {0: pauses[0], count: pauses[-1]}
    for start, end in pauses[1:-1]:
        distance = np.maximum(starts[1:] - end, start - left[1:])
        if not distance.size:
            continue
        boundary = 1 + int(np.argmin(distance))
        # Two at one place are a pause with a breath in it.
        earlier, _ = place.get(boundary, (start, end))
        place[boundary] = (earlier, end)
    boundaries = (starts + left) / 2
    starts, ends = starts.copy(), ends.copy()
    order = sorted(place)
    for first, last in zip(order, order[1:], strict=False):
        low, high = place[first][1], place[last][0]
        inner = _spaced(boundaries[first + 1 : last], low, high)
        starts[first:last] = [low, *inner]
        ends[first:last] = [*inner, high]
    return starts, ends


def _spaced(times: np.ndarray, low: float, high: float) -> np.ndarray:
    """Spaces rising times that are close to each other or to the limits."""
    least = min(_SHORTEST_PHONE, (high - low) / (len(times) + 1))
    steps = least * np.arange(1, len(times) + 1)
    # Without the steps, spaced times are non-decreasing.
    free = np.maximum.accumulate(np.maximum(times - steps, low))
    return np.minimum(free, high - least * (len(times) + 1)) + steps
