"""Blind listening tests: pages that a browser opens, next to the report.

`ab_test.html` asks which of two systems sounds better; `mushra.html` has the
systems of a sentence rated from 0 to 100 against the recording, with the
recording itself and a low anchor hidden among them (ITU-R BS.1534). Both give
a listener's answers as a JSON file, which `ratings` reads.
"""

import base64
import dataclasses
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.html import page_environment
from pwavenet_tf.evaluation.ratings import FORMAT, PAGE_VERSION
from pwavenet_tf.evaluation.report.page import (
    ListeningTest,
    Sentence,
    flac,
)
from pwavenet_tf.evaluation.report.tables import REFERENCE

# The low anchor of BS.1534, as it stands among the systems.
ANCHOR = "3.5 kHz anchor"

# What one listener is asked at most in an A/B test: about a quarter of an hour.
# Each listener gets other ones, and every pair equally often.
MOST_COMPARISONS = 40

# The anchor's pass and stop band, Hz. BS.1534 asks for ±0.1 dB up to 3.5 kHz
# and for 25 dB of attenuation at 4 kHz and 50 dB at 4.5 kHz.
_PASSED_HZ, _STOPPED_HZ = 3_500.0, 4_000.0
_STOPPED_DB = 60.0
_PEAK = 0.97


def write_listening_tests(
    folder: str | Path, *, sample_rate: int, sentences: Sequence[Sentence]
) -> list[ListeningTest]:
    """Writes the pages of the tests that can be made of some sentences.

    All sound of a sentence has the RMS level of its recording (or, without
    one, of its first system) and the length of the longest; a sentence that
    would clip is turned down as a whole. Systems that are absent from one of
    the sentences are left out. The pages hold everything that they need;
    systems are named by opaque ids in them. `folder` gets `ab_test.html`, and
    `mushra.html` if every sentence has a recording.

    Returns:
        The tests, for the report to link to; none if there are fewer than two
        systems.

    Raises:
        UserError: If audio is not `(time,)`, empty or not finite, or a file
            can't be written.
    """
    if not sentences:
        return []
    shared = [
        name
        for name in sentences[0].audio
        if all(name in sentence.audio for sentence in sentences)
    ]
    if len(shared) < 2:
        return []
    stimuli = [_matched(each, shared) for each in sentences]
    identity = _identity(stimuli, sample_rate)
    tests = [_write_page(Path(folder), "ab", identity, stimuli, sample_rate)]
    if REFERENCE in shared:
        anchored = [_with_anchor(each, sample_rate) for each in stimuli]
        tests.append(
            _write_page(Path(folder), "mushra", identity, anchored, sample_rate)
        )
    return tests


def low_anchor(audio: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """The low anchor of BS.1534: the recording, low-pass filtered at 3.5 kHz.

    A linear-phase FIR filter, its delay removed: at most 0.1 dB of ripple up
    to 3.5 kHz, at least 50 dB of attenuation from 4 kHz. None where the sample
    rate is too low for there to be anything to remove.
    """
    from scipy import signal

    if sample_rate <= 2 * _STOPPED_HZ:
        return None
    width = (_STOPPED_HZ - _PASSED_HZ) / (sample_rate / 2)
    taps, beta = signal.kaiserord(_STOPPED_DB, width)
    kernel = signal.firwin(
        # Odd: a delay of whole samples.
        taps | 1,
        (_PASSED_HZ + _STOPPED_HZ) / 2,
        window=("kaiser", beta),
        fs=sample_rate,
    )
    filtered = signal.fftconvolve(np.asarray(audio, float), kernel, "same")
    return filtered.astype(np.float32)


def _matched(sentence: Sentence, names: list[str]) -> Sentence:
    """A sentence as it is played: these systems at one level and length."""
    audio = sentence.checked(names)
    target = _rms(audio.get(REFERENCE, audio[names[0]]))
    longest = max(map(len, audio.values()))
    matched = {
        name: np.pad(
            samples * (target / rms if (rms := _rms(samples)) else 1.0),
            (0, longest - len(samples)),
        )
        for name, samples in audio.items()
    }
    peak = max(np.abs(samples).max() for samples in matched.values())
    gain = min(1.0, _PEAK / peak) if peak else 1.0
    played = {name: gain * samples for name, samples in matched.items()}
    return dataclasses.replace(sentence, audio=played)


def _rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))


def _with_anchor(sentence: Sentence, sample_rate: int) -> Sentence:
    anchor = low_anchor(sentence.audio[REFERENCE], sample_rate)
    added = {} if anchor is None else {ANCHOR: anchor}
    return dataclasses.replace(sentence, audio=sentence.audio | added)


def _write_page(
    folder: Path,
    kind: str,
    identity: str,
    stimuli: list[Sentence],
    sample_rate: int,
) -> ListeningTest:
    names = list(stimuli[0].audio)
    ids = {
        name: sha256(f"{identity} {kind} {name}".encode()).hexdigest()[:8]
        for name in names
    }
    seconds = [each.longest / sample_rate for each in stimuli]
    key = {
        "systems": {ids[name]: name for name in names},
        "reference": ids.get(REFERENCE),
    }
    test = {
        "format": FORMAT,
        "version": PAGE_VERSION,
        "kind": kind,
        "id": identity,
        "most": MOST_COMPARISONS,
        "seconds": sum(seconds) / len(seconds),
        # By id, which is as good as at random: the position reveals nothing.
        "systems": sorted(ids.values()),
        "sentences": [
            {"title": each.title, "text": each.text} for each in stimuli
        ],
        # Not a secret, but nothing that a listener reads by accident.
        "key": _base64(json.dumps(key).encode("utf-8")),
    }
    sounds = [
        {
            ids[name]: _base64(flac(each.audio[name], sample_rate))
            for name in sorted(names, key=ids.__getitem__)
        }
        for each in stimuli
    ]
    file = {"ab": "ab_test.html", "mushra": "mushra.html"}[kind]
    page = (
        page_environment("pwavenet_tf.evaluation")
        .get_template(f"{file}.j2")
        .render(test=test, sounds=sounds)
    )
    with atomic_write(folder / file) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return ListeningTest(kind, file)


def _identity(stimuli: list[Sentence], sample_rate: int) -> str:
    """The hash of all audio of a test."""
    content = sha256(f"{PAGE_VERSION} {sample_rate}".encode())
    for each in stimuli:
        for name, samples in each.audio.items():
            content.update(f"\0{each.title}\0{name}\0".encode())
            content.update(samples.astype(np.float32).tobytes())
    return content.hexdigest()[:16]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
