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
# Long recordings are searched in chunks, with so much more on either side.
_CHUNK_SECONDS = 60
_MARGIN_SECONDS = 0.5
# Harvest steps by this. D4C compares the energy below and above 4 kHz, up to
# 7.9 kHz, which lower rates lack.
_STEP_MILLISECONDS = 1.0
_LOWEST_RATE_OF_D4C = 16_000
# D4C's aperiodicity of frames without a period, at all frequencies.
_NOISE = 0.999


def pitch_track(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """F0 by Harvest and voicing by D4C, as in the vocoder WORLD.

    Harvest (Morise, Interspeech 2017) refines F0 by instantaneous frequency,
    and finds nearly all of voiced speech; frames that D4C (Morise 2016)
    takes for noise are unvoiced all the same. Below 16 kHz there is no D4C,
    and Harvest takes a sixth to a quarter of white noise for voiced.

    The audio is `(time,)` in [-1, 1), at the contract's rate; frame f is
    centred on its own samples, as the mel spectrogram's.

    Returns:
        float32 `(frames, 2)`: ln F0 in Hz, linearly interpolated where there
        is no voicing and held at the ends; 1 where voiced, else 0.
    """
    frames = contract.frames(len(audio))
    # Silence off zero is silence.
    audio = audio - audio.mean() if len(audio) else audio
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


def note_track(note: int, frames: int) -> np.ndarray:
    """The pitch of a known note, as `pitch_track` gives it, all voiced.

    The note is a MIDI number: 69 is A4, 440 Hz, and 12 more an octave.
    """
    logarithm = math.log(440.0) + (note - 69) * math.log(2.0) / 12.0
    return np.full((frames, 2), (logarithm, 1.0), np.float32)


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
    rate, hop = contract.sample_rate, contract.hop_length
    margin = round(_MARGIN_SECONDS * rate)
    start = max(0, first * hop - margin)
    segment = audio[start : (first + frames) * hop + margin]
    centres = (np.arange(first, first + frames) + 0.5) * hop - start
    return _harvest(segment.astype(np.float64), centres / rate, rate)


def _harvest(audio: np.ndarray, seconds: np.ndarray, rate: int) -> np.ndarray:
    """F0 at some moments of audio, Hz, NaN where unvoiced."""
    import pyworld

    hertz, times = pyworld.harvest(
        audio,
        rate,
        f0_floor=LOWEST_HZ,
        f0_ceil=HIGHEST_HZ,
        frame_period=_STEP_MILLISECONDS,
    )
    found = hertz > 0
    if not found.any():
        return np.full(len(seconds), np.nan)
    logarithm = np.interp(seconds, times[found], np.log(hertz[found]))
    voiced = np.interp(seconds, times, found.astype(np.float64)) > 0.5
    result = np.where(voiced, np.exp(logarithm), 0.0)
    if rate >= _LOWEST_RATE_OF_D4C:
        aperiodicity = pyworld.d4c(audio, result, seconds, rate)
        voiced &= aperiodicity.min(axis=1) < _NOISE
    return np.where(voiced, result, np.nan)
