"""Mel spectrograms as others make them, by the cause that is named."""

import dataclasses
import functools

import numpy as np
from audit_signals import RATE, syllables

from pwavenet_tf.audio.mel import mel_filterbank, normalised
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.corpus.compact import numpy_log_mel
from pwavenet_tf.corpus.statistics import Statistics

PLAIN = AudioContract()


def logarithms(audio: np.ndarray, contract=PLAIN) -> np.ndarray:
    """Natural log magnitudes `(frames, mels)`, not normalised."""
    plain = dataclasses.replace(contract, mel_mean=(), mel_deviation=())
    audio = audio.astype(np.float32)
    return numpy_log_mel(audio, plain, mel_filterbank(plain))


def contract_of(recordings: list[np.ndarray]) -> AudioContract:
    """The contract with the statistics of recordings."""
    statistics = Statistics(PLAIN.mels)
    for audio in recordings:
        statistics.add({"mel": logarithms(audio)})
    return statistics.written_into(PLAIN)


def speech(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Syllables in a quiet room."""
    room = np.random.default_rng(seed).standard_normal(round(RATE * seconds))
    return syllables(seconds, seed=seed) + 3e-4 * room


@functools.cache
def contract() -> AudioContract:
    """That of a corpus of `speech`."""
    return contract_of([speech(seed=seed) for seed in range(3)])


def right(audio: np.ndarray, contract: AudioContract) -> np.ndarray:
    """As the contract has it."""
    return normalised(logarithms(audio), contract)


def foreign(log: np.ndarray) -> dict[str, np.ndarray]:
    """Natural logarithms on other scales, by a part of the cause."""
    magnitudes = np.exp(log.astype(np.float64))
    decibels = 20 * np.log10(magnitudes)
    low, high = log.min(), log.max()
    return {
        "holds logarithms that are not normalised": log,
        "holds decibels": decibels,
        "as decibels above a floor": np.clip(decibels + 100, 0, None),
        "linear magnitudes or power": magnitudes,
        "magnitudes or power": magnitudes**2,
        "linear magnitudes": 1_000 * magnitudes,
        "is scaled to between 0 and 1": (log - low) / (high - low),
        "has values that no mel spectrogram": 1e6 * log,
        "values that no mel spectrogram": 1e300 * log.astype(np.float64),
    }
