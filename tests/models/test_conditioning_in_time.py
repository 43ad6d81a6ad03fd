"""Which samples a frame conditions, to the sample, by arithmetic alone.

A frame is changed and the audio is not: p(x_t | x_<t, c) must change for the
t that the frame reaches and for no other. The teacher has one layer, which
reads the conditioning of t itself, so that nothing but the upsampling widens
the reach; how much a stack of layers adds is known.
"""

import dataclasses

import numpy as np
import pytest
import tiny_models
from tiny_models import HOP

FRAMES, FRAME = 13, 6
OWN = FRAME * HOP, (FRAME + 1) * HOP - 1


def reached(
    inputs: str, key: str, upsampling=(), dilations=(1,), **settings
) -> tuple[int, int]:
    """The first and the last t that change; all between them change too."""
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING,
        inputs=(inputs,),
        upsampling=upsampling,
        **settings,
    )
    teacher = tiny_models.teacher(
        dilations=dilations, conditioning=conditioning
    )
    features = tiny_models.features(1, FRAMES)
    other = {name: value.copy() for name, value in features.items()}
    other[key][:, FRAME] = (other[key][:, FRAME] + 1) % 2
    audio = {"audio": tiny_models.audio(1, FRAMES)}
    one, two = (teacher(given | audio).numpy() for given in (features, other))
    changed = np.flatnonzero((one != two).any(axis=(0, 2)))
    assert len(changed) == changed[-1] - changed[0] + 1
    return changed[0], changed[-1]


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        ("mel", "mel"),
        ("linguistic", "phones"),
        ("linguistic", "timing"),
        ("pitch", "pitch"),
    ],
)
def test_a_repeated_frame_conditions_its_own_samples_alone(inputs, key) -> None:
    """[f · hop, (f + 1) · hop): not one sample earlier or later."""
    assert reached(inputs, key) == OWN


def test_sinusoids_reach_as_far_as_the_filter_that_reads_them() -> None:
    """From their own sample on: three taps, the newest of them now."""
    first, last = OWN
    assert reached("sinusoids", "sinusoids") == (first, last + 2)


def test_each_further_layer_lets_it_reach_as_far_as_its_filter() -> None:
    """Forwards only: (filter width - 1) · dilation samples of each."""
    first, last = OWN
    found = reached("mel", "mel", dilations=(1, 2, 4))
    assert found == (first, last + 2 * (2 + 4))


@pytest.mark.parametrize(
    ("upsampling", "frame_layers"), [((20,), 1), ((4, 5), 1), ((2, 2, 5), 2)]
)
def test_an_upsampled_frame_reaches_the_samples_of_the_filters_alone(
    upsampling, frame_layers
) -> None:
    """A convolution over three frames reaches one more on each side.

    A transposed convolution by s, of 2 s taps, takes what lies at i to
    [i s - ⌊s / 2⌋, i s - ⌊s / 2⌋ + 2 s): centred on [i s, (i + 1) s).
    """
    first, last = FRAME - frame_layers, FRAME + frame_layers
    for stride in upsampling:
        first = first * stride - stride // 2
        last = last * stride - stride // 2 + 2 * stride - 1
    found = reached("mel", "mel", upsampling, frame_layers=frame_layers)
    assert found == (first, last)
    # An even number of taps over an odd stride has no middle sample.
    off_centre = np.mean(found) - np.mean(OWN)
    assert abs(off_centre) <= 0.5


def test_a_vector_of_several_samples_conditions_its_own_alone() -> None:
    """Upsampled by 4 of a hop of 20: a vector stands for 5 samples."""
    first = (FRAME - 1) * 4 - 2
    last = (FRAME + 1) * 4 - 2 + 7
    found = reached("mel", "mel", (4,))
    assert found == (first * 5, last * 5 + 4)
