"""PESQ and STOI, and WORLD as a baseline."""

import importlib
import math
import warnings
from collections.abc import Callable
from types import ModuleType

import numpy as np

from pwavenet_tf.audio.metrics import checked_audio

# How to get PESQ.
INSTALL = "pip install 'pwavenet_tf[metrics]'"

PESQ_RATE = 16_000
PESQ_LOWEST = 1.0
# ITU-T P.862.3 asks for 8 to 20 s, and the reference implementation has
# arrays for 50 utterances, beyond which it writes into other memory.
_PIECE_SECONDS = 15.0
# Below that PESQ has no result.
_PESQ_SHORTEST_SECONDS = 0.25
# What pystoi returns, with a warning, for less than 30 frames of speech.
_TOO_LITTLE = 1e-5
# 30 frames of 12.8 ms and the rest of the last one.
_STOI_SHORTEST_SECONDS = 0.41


def library(name: str) -> ModuleType | None:
    """An optional library; None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def pesq_wide_band(
    reference: np.ndarray, audio: np.ndarray, sample_rate: int
) -> float:
    """PESQ, wide band (ITU-T P.862.2), by the library `pesq`.

    It aligns the two in time itself, so a constant delay costs nothing. Other
    rates are resampled to 16 kHz: what lies above 8 kHz does not count.
    Recordings of more than 15 s are measured in equal pieces, whose mean it
    is.

    Both are `(time,)` in [-1, 1).

    Returns:
        MOS-LQO from 1.0, which silence has, to 4.64, which equal audio has.
        NaN if the library is missing, or where the recording is shorter than
        0.25 s or has no utterance.
    """
    pesq = library("pesq")
    if pesq is None:
        return math.nan
    if sample_rate != PESQ_RATE:
        import soxr

        reference, audio = (
            soxr.resample(one, sample_rate, PESQ_RATE)
            for one in (reference, audio)
        )

    def of_piece(reference: np.ndarray, audio: np.ndarray) -> float:
        if len(reference) <= _PESQ_SHORTEST_SECONDS * PESQ_RATE:
            return math.nan
        try:
            return float(pesq.pesq(PESQ_RATE, reference, audio, "wb"))
        except (pesq.NoUtterancesError, pesq.BufferTooShortError):
            return math.nan
        except ValueError:
            # It divides by the audio's power and gets no number.
            return PESQ_LOWEST

    return _mean_of_pieces(of_piece, reference, audio, PESQ_RATE)


def stoi(
    reference: np.ndarray,
    audio: np.ndarray,
    sample_rate: int,
    extended: bool = False,
) -> float:
    """Short-time objective intelligibility, by the library `pystoi`.

    Taal et al.'s of 2011, or the extended one, Jensen and Taal's of 2016. At
    10 kHz, without frames more than 40 dB below the loudest. Recordings of
    more than 15 s are measured in equal pieces, whose mean it is. Both are
    `(time,)` in [-1, 1).

    Returns:
        1 for equal audio, about 0 for unrelated audio. NaN for less than 0.4 s
        of speech.
    """
    import pystoi

    def of_piece(reference: np.ndarray, audio: np.ndarray) -> float:
        if len(reference) < _STOI_SHORTEST_SECONDS * sample_rate:
            return math.nan
        # It adds noise of 1e-16 from NumPy's global generator; the figures must
        # not depend on earlier random numbers.
        state = np.random.get_state()
        np.random.seed(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                found = pystoi.stoi(reference, audio, sample_rate, extended)
        finally:
            np.random.set_state(state)
        return math.nan if found == _TOO_LITTLE else float(found)

    return _mean_of_pieces(of_piece, reference, audio, sample_rate)


def _mean_of_pieces(
    measure: Callable[[np.ndarray, np.ndarray], float],
    reference: np.ndarray,
    audio: np.ndarray,
    sample_rate: int,
) -> float:
    """The mean over equal pieces of those that can be measured."""
    count = math.ceil(len(reference) / (_PIECE_SECONDS * sample_rate))
    pieces = (np.array_split(one, count) for one in (reference, audio))
    found = [
        measure(*pair) for pair in zip(*pieces, strict=True) if pair[0].any()
    ]
    known = [value for value in found if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def world_copy_synthesis(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Copy synthesis by WORLD (Morise et al., 2016), a parametric vocoder.

    F0 by Harvest, the spectral envelope by CheapTrick, aperiodicity by D4C,
    all every 5 ms, with the settings of `pyworld`. It analyses the recording
    itself, at full resolution, where a model has the mel spectrogram alone.
    From `(time,)` in [-1, 1), at 8,000 Hz or more, it makes float32 of the same
    shape; the same input gives the same audio.

    Raises:
        UserError: If the audio is empty, not `(time,)`, or not finite.
    """
    import pyworld

    audio = np.ascontiguousarray(checked_audio(audio, "the recording"))
    samples = len(audio)
    # Harvest needs a few periods of its lowest F0.
    padded = np.pad(audio, (0, max(0, sample_rate // 4 - samples)))
    pitch, times = pyworld.harvest(padded, sample_rate)
    envelope = pyworld.cheaptrick(padded, pitch, times, sample_rate)
    aperiodicity = pyworld.d4c(padded, pitch, times, sample_rate)
    synthesized = pyworld.synthesize(pitch, envelope, aperiodicity, sample_rate)
    synthesized = np.pad(synthesized, (0, max(0, samples - len(synthesized))))
    return synthesized[:samples].astype(np.float32)
