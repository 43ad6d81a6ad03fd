"""Pitch of recordings, frame by frame."""

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pwavenet_tf.core.config import AudioContract

if TYPE_CHECKING:
    import tensorflow as tf

Array = TypeVar("Array", np.ndarray, "tf.Tensor")

LOWEST_HZ = 50.0
HIGHEST_HZ = 500.0
# For recordings in which no frame is voiced.
UNVOICED_HZ = 150.0
# Three periods of the lowest pitch.
_WINDOW_SECONDS = 0.06
_CHUNK_SECONDS = 60
# A frame without a period is voiced with so much probability. librosa's own
# 0.01 makes a tenth of white noise voiced; this makes none of it so.
_NO_TROUGH = 0.003


def pitch_track(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """F0 and voicing by probabilistic YIN (Mauch and Dixon, 2014).

    Args:
        audio: `(time,)` in [-1, 1), at the contract's rate.
        contract: Frame f is centred on its own samples, as the mel
            spectrogram's.

    Returns:
        float32 `(frames, 2)`: ln F0 in Hz, linearly interpolated where there
        is no voicing and held at the ends; 1 where voiced, else 0.
    """
    frames = contract.frames(len(audio))
    # An offset from zero hides every period from librosa's YIN.
    audio = audio - audio.mean()
    chunk = math.ceil(
        _CHUNK_SECONDS * contract.sample_rate / contract.hop_length
    )
    hertz = np.concatenate(
        [
            _fundamental(audio, start, min(chunk, frames - start), contract)
            for start in range(0, frames, chunk)
        ]
    )
    voiced = np.isfinite(hertz)
    if not voiced.any():
        logarithm = np.full(frames, math.log(UNVOICED_HZ))
    else:
        places = np.arange(frames)
        logarithm = np.interp(places, places[voiced], np.log(hertz[voiced]))
    return np.stack([logarithm, voiced], axis=1).astype(np.float32)


def relative_pitch(pitch: Array, mean_pitch_hz: float) -> Array:
    """From ln F0 in Hz to ln(F0 / mean), `(..., 2)` with the voicing."""
    return pitch - np.asarray([math.log(mean_pitch_hz), 0.0], np.float32)


def sinusoid_track(
    pitch: Array, contract: AudioContract, xp=np, phase: float = 0.0
) -> Array:
    """What sinusoids at the harmonics of F0 are made of, frame by frame.

    Args:
        pitch: As `pitch_track` gives it, `(..., frames, 2)`.
        contract: Gives the hop length and the rate.
        xp: NumPy, or what computes as NumPy does.
        phase: In cycles, at the first sample. A stream passes on where the
            part before ended: its last frame's phase and F0 times the hop.

    Returns:
        float32 `(..., frames, 3)`: F0 in Hz; the voicing; and the phase, in
        cycles from 0 to below 1, that an oscillator of this F0 has at the
        frame's first sample.
    """
    hertz = xp.exp(xp.asarray(pitch[..., 0], dtype=np.float64))
    cycles = hertz * (contract.hop_length / contract.sample_rate)
    phases = phase + xp.cumsum(cycles, axis=-1) - cycles
    phases = xp.asarray(phases - xp.floor(phases), dtype=np.float32)
    # Rounding may lead to 1, which is 0.
    phases = phases - xp.floor(phases)
    hertz = xp.asarray(hertz, dtype=np.float32)
    return xp.stack([hertz, pitch[..., 1], phases], axis=-1)


def _fundamental(
    audio: np.ndarray, first: int, frames: int, contract: AudioContract
) -> np.ndarray:
    """F0 of some frames, Hz, NaN where unvoiced.

    In chunks, because the search's memory grows with the recording.
    """
    import librosa

    hop = contract.hop_length
    window = 2 ** math.ceil(math.log2(_WINDOW_SECONDS * contract.sample_rate))
    start = first * hop + hop // 2 - window // 2
    end = start + (frames - 1) * hop + window
    segment = audio[max(0, start) : max(0, end)]
    padded = np.pad(segment, (max(0, -start), max(0, end - len(audio))))
    if not padded.any():
        return np.full(frames, np.nan)
    hertz, _, _ = librosa.pyin(
        padded[: end - start],
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
        sr=contract.sample_rate,
        frame_length=window,
        hop_length=hop,
        center=False,
        no_trough_prob=_NO_TROUGH,
    )
    return hertz
