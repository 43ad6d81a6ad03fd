"""A small corpus of notes that needs no download: they are computed here."""

import itertools
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.corpus.nsynth import AUDIO, Note, write_notes

# From C3 to C6 by minor thirds.
PITCHES = range(48, 85, 3)
VELOCITIES = (50, 100)
SECONDS = 2.0
# Then the key is released.
HELD_SECONDS = 1.4

# At full velocity, and of a quiet room.
_PEAK = 0.4
_NOISE_STD = 5e-4
_HIGHEST_SHARE = 0.45
_PARTIALS = 24


# Each gives the partials' amplitudes and envelopes, by their number, the time
# in seconds, F0 in Hz and the velocity from 0 to 1.
def _organ(number, time, *_):
    """Some drawbars: steady at once."""
    drawbars = np.isin(number, (1, 2, 3, 4, 6, 8))
    return drawbars / number**0.5, _held(time, 0.01, 0.03)


def _reed(number, time, _, velocity):
    """Odd harmonics, brighter when blown harder, that swell."""
    odd = number % 2 == 1
    return odd / number ** (2.2 - velocity), _held(time, 0.08, 0.08)


def _string(number, time, hertz, velocity):
    """Plucked at a fifth of its length; high harmonics fade sooner."""
    shape = np.abs(np.sin(np.pi * number / 5)) / number ** (2.0 - velocity)
    fading = np.exp(-time * (1.0 + 0.4 * number) * (hertz / 260) ** 0.5)
    return shape, fading * _held(time, 0.004, 0.05)


def _bell(number, time, _, velocity):
    """Partials that are no multiples; see `_ratios`."""
    shape = (number <= 7) / number ** (1.5 - 0.5 * velocity)
    return shape, np.exp(-time * (0.8 + 0.5 * number)) * _held(time, 0.002, 0.3)


FAMILIES = {"organ": _organ, "reed": _reed, "string": _string, "bell": _bell}


def synthesize_notes(out: Path, sample_rate: int = 16_000) -> None:
    """Writes a corpus of notes in NSynth's JSON/WAV layout, about 3½ minutes.

    Four instruments, each the only one of its family, play every third note of
    three octaves, soft and loud. The same on every call, at a rate in Hz.

    Raises:
        UserError: If `out` already holds something or cannot be written.
    """
    require_free(Path(out))
    random = np.random.default_rng(0)
    notes = {}
    with atomic_write(Path(out)) as folder:
        (folder / AUDIO).mkdir(parents=True)
        for family, pitch, velocity in itertools.product(
            FAMILIES, PITCHES, VELOCITIES
        ):
            # As NSynth names them: the instrument, pitch, velocity.
            name = f"{family}_000-{pitch:03d}-{velocity:03d}"
            notes[name] = Note(family, pitch, velocity)
            audio = synthesize_note(notes[name], sample_rate, random)
            write_audio(folder / AUDIO / f"{name}.wav", audio, sample_rate)
        write_notes(folder, notes)


def synthesize_note(
    note: Note, sample_rate: int, random: np.random.Generator
) -> np.ndarray:
    """A note, float32 `(time,)`, as a sum of partials with their envelopes.

    No partial is above nearly half of the sample rate in Hz. The phases and the
    noise of the room are random.
    """
    time = np.arange(round(SECONDS * sample_rate)) / sample_rate
    number = np.arange(1, _PARTIALS + 1)[:, None]
    hertz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
    velocity = note.velocity / 127
    family = FAMILIES[note.instrument_family_str]
    amplitude, envelope = family(number, time, hertz, velocity)
    frequency = hertz * _ratios(note.instrument_family_str, number)
    amplitude = amplitude * (frequency < _HIGHEST_SHARE * sample_rate)
    phase = random.uniform(0.0, 2 * np.pi, number.shape)
    waves = np.sin(2 * np.pi * frequency * time + phase)
    audio = (amplitude * envelope * waves).sum(axis=0)
    audio *= _PEAK * velocity / np.abs(audio).max()
    audio += random.normal(0.0, _NOISE_STD, len(time))
    return audio.astype(np.float32)


def _ratios(family: str, number: np.ndarray) -> np.ndarray:
    """Frequencies of the partials, as multiples of the note's."""
    # Of a bar that is free at its ends, the higher the further apart.
    return ((2 * number + 1) / 3) ** 2 if family == "bell" else number


def _held(time: np.ndarray, attack: float, release: float) -> np.ndarray:
    """From 0 to 1 in `attack` seconds, and to 0 after the key is released."""
    rising = np.minimum(time / attack, 1.0)
    return rising * np.exp(-np.maximum(time - HELD_SECONDS, 0.0) / release)
