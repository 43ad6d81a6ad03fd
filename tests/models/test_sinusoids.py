"""Sinusoids at the harmonics of F0: one oscillator, whose phase never jumps."""

import dataclasses

import numpy as np
import pytest
import tensorflow.experimental.numpy as tnp
import tiny_models

from pwavenet_tf.audio.pitch import sinusoid_track
from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.conditioning import Conditioner

CONTRACT = preset("nano").audio
RATE, HOP = CONTRACT.sample_rate, CONTRACT.hop_length
ON_PITCH = Conditioning(inputs=("mel", "sinusoids"), harmonics=5)


def pitch(frames: int = 30, voiced: float = 1.0) -> np.ndarray:
    """A glide from 100 to 300 Hz, `(1, frames, 2)`."""
    hertz = np.geomspace(100.0, 300.0, frames)
    track = np.stack([np.log(hertz), np.full(frames, voiced)], axis=-1)
    return track[None].astype("float32")


def sinusoids(track: np.ndarray, **changes) -> np.ndarray:
    conditioning = dataclasses.replace(ON_PITCH, **changes)
    mel = np.zeros((*track.shape[:2], CONTRACT.mels), "float32")
    outputs = Conditioner(CONTRACT, conditioning)(
        {"mel": mel, "sinusoids": sinusoid_track(track, CONTRACT)}
    )
    return np.asarray(outputs["sinusoids"])[0]


def test_they_are_those_of_an_oscillator_that_runs_through_all_frames() -> None:
    """The oracle adds up F0 sample by sample, in float64."""
    track = pitch()
    hertz = np.repeat(np.exp(track[0, :, 0].astype(float)), HOP)
    cycles = (np.cumsum(hertz) - hertz) / RATE
    expected = np.sin(2.0 * np.pi * cycles[:, None] * np.arange(1, 6))
    np.testing.assert_allclose(sinusoids(track), expected, atol=2e-4)


def test_none_sounds_without_voice_or_above_half_the_rate() -> None:
    assert not sinusoids(pitch(voiced=0.0)).any()
    audible = sinusoids(pitch(), harmonics=80).any(axis=0)
    np.testing.assert_array_equal(audible, 100.0 * np.arange(1, 81) < RATE / 2)


def test_tensorflow_computes_the_track_as_numpy_does() -> None:
    track = np.repeat(pitch(400), 2, axis=0)
    numpy = sinusoid_track(track, CONTRACT)
    assert numpy.dtype == np.float32 and numpy.shape == (2, 400, 3)
    assert (numpy[..., 2] >= 0.0).all() and (numpy[..., 2] < 1.0).all()
    found = sinusoid_track(tnp.asarray(track), CONTRACT, tnp).numpy()
    apart = (found - numpy)[..., 2]
    np.testing.assert_allclose(apart - np.round(apart), 0.0, atol=1e-6)
    np.testing.assert_allclose(found[..., :2], numpy[..., :2], rtol=1e-6)


@pytest.mark.parametrize("model", ["teacher", "student"])
def test_models_read_it_at_its_own_sample_and_later(model) -> None:
    """One frame's F0 moves the outputs of that frame and of later ones."""
    conditioning = dataclasses.replace(
        tiny_models.ON_MEL, inputs=("mel", "sinusoids"), harmonics=3
    )
    built = getattr(tiny_models, model)(conditioning=conditioning)
    inputs = {
        "mel": tiny_models.mel(1, 6),
        "audio": tiny_models.audio(1, 6),
        "noise": tiny_models.noise(1, 6),
        "sinusoids": np.float32([[[150.0, 1.0, 0.25]] * 6]),
    }
    changed = inputs["sinusoids"].copy()
    changed[0, 3, 0] = 200.0

    def output(sinusoids):
        found = built(inputs | {"sinusoids": sinusoids})
        return np.asarray(found["location"] if model == "student" else found)

    moved = output(changed) != output(inputs["sinusoids"])
    moved = moved.reshape(6 * tiny_models.HOP, -1).any(axis=-1)
    first = 3 * tiny_models.HOP + 1  # At its first sample the phase is equal.
    assert not moved[:first].any()
    assert moved[first]


def test_a_track_in_parts_is_the_whole_where_the_phase_is_passed_on() -> None:
    whole = sinusoid_track(pitch(40), CONTRACT)[0]
    first = sinusoid_track(pitch(40)[:, :15], CONTRACT)[0]
    hertz, _, phase = first[-1]
    second = sinusoid_track(
        pitch(40)[:, 15:], CONTRACT, phase=phase + hertz * HOP / RATE
    )[0]
    apart = np.concatenate([first, second]) - whole
    apart[:, 2] -= np.round(apart[:, 2])
    np.testing.assert_allclose(apart, 0.0, atol=1e-4)


def test_under_mixed_precision_f0_and_phase_stay_exact() -> None:
    track = sinusoid_track(pitch(), CONTRACT)
    mel = np.zeros((1, 30, CONTRACT.mels), "float32")
    inputs = {"mel": mel, "sinusoids": track}
    mixed = Conditioner(CONTRACT, ON_PITCH, dtype="mixed_bfloat16")(inputs)
    assert mixed["sinusoids"].dtype == "bfloat16"
    np.testing.assert_allclose(
        np.asarray(mixed["sinusoids"], "float32")[0],
        sinusoids(pitch()),
        atol=1e-2,
    )


def test_without_one_harmonic_there_is_none() -> None:
    with pytest.raises(UserError, match="harmonics is 0; it must"):
        Conditioning(harmonics=0)
