"""Noise with the levels and spectra of speech."""

import math

import numpy as np

RATE = 16_000


def shaped(audio: np.ndarray, db_per_octave: float) -> np.ndarray:
    """Noise whose power density rises so steeply, at its own level."""
    frequencies = np.fft.rfftfreq(len(audio), 1 / RATE)
    # Below what is measured it is flat, or it would be all rumble.
    steepness = db_per_octave / (20 * math.log10(2))
    gain = np.maximum(frequencies, 80.0) ** steepness
    filtered = np.fft.irfft(np.fft.rfft(audio) * gain, len(audio))
    return filtered * audio.std() / filtered.std()


def band(audio: np.ndarray, low: float, high: float) -> np.ndarray:
    """What lies between two frequencies."""
    frequencies = np.fft.rfftfreq(len(audio), 1 / RATE)
    inside = (frequencies >= low) & (frequencies < high)
    return np.fft.irfft(np.fft.rfft(audio) * inside, len(audio))


def speech(seed: int) -> np.ndarray:
    """Four seconds of syllables and pauses with speech's fall of 6 dB."""
    random = np.random.default_rng(seed)
    noise = shaped(random.normal(size=4 * RATE), -6.0)
    syllables = np.repeat([0.12, 0.08, 0.0, 0.1], RATE // 2)
    loudness = np.tile(syllables, 2) + 0.002
    audio = noise * loudness
    return audio - audio.mean()
