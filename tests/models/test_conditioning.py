"""The conditioner: its inputs, their rate, and what must not matter."""

import dataclasses
import itertools

import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.config import CONDITIONING_INPUTS, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.conditioning import Conditioner
from pwavenet_tf.models.layers import GatedBlock, GatedStack, add_frames

FRAMES = 5
KEYS = {
    "mel": {"mel"},
    "linguistic": {"phones", "timing"},
    "pitch": {"pitch"},
    "sinusoids": {"sinusoids"},
    "encoding": {"encoding"},
    "speaker": {"speaker"},
}


def conditioned_on(inputs, upsampling=(4, 5)) -> Conditioning:
    return dataclasses.replace(
        tiny_models.EVERYTHING, inputs=inputs, upsampling=upsampling
    )


def combinations():
    """All of the inputs that are mixed with others; the rest in a few."""
    for count in range(1, 5):
        mixed = ("mel", "linguistic", "pitch", "speaker")
        yield from itertools.combinations(mixed, count)
    yield ("sinusoids",)
    yield ("encoding",)
    yield ("encoding", "speaker")
    yield CONDITIONING_INPUTS


@pytest.mark.network
@pytest.mark.parametrize("upsampling", [(), (4, 5), (4,)])
@pytest.mark.parametrize("inputs", combinations(), ids="+".join)
def test_audio_depends_on_exactly_the_chosen_inputs(inputs, upsampling) -> None:
    teacher = tiny_models.teacher(
        conditioning=conditioned_on(inputs, upsampling)
    )
    features = tiny_models.features(1, FRAMES)
    features["encoding"] = tiny_models.encoding(1, FRAMES)
    audio = tiny_models.audio(1, FRAMES)
    # The first row is as it was; of each other, one input is another.
    owners = [(kind, key) for kind, keys in KEYS.items() for key in keys]
    rows = {
        key: np.concatenate(
            [
                value,
                *(
                    (value + 1) % 2 if key == one else value
                    for _, one in owners
                ),
            ]
        )
        for key, value in features.items()
    }
    rows["audio"] = np.repeat(audio, 1 + len(owners), axis=0)
    parameters = teacher(rows).numpy()
    for row, (kind, key) in enumerate(owners, start=1):
        change = np.abs(parameters[row] - parameters[0]).max()
        if kind in inputs:
            assert change > 1e-4, key
        else:
            assert change < 1e-6, key
    needed = {key for kind in inputs for key in KEYS[kind]}
    alone = {key: features[key] for key in needed} | {"audio": audio}
    np.testing.assert_allclose(
        teacher(alone)[0], parameters[0], rtol=0, atol=1e-5
    )


def test_projection_at_frame_rate_equals_projection_of_repeated_frames() -> (
    None
):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 60, 3)).astype("float32")
    frames = generator.normal(size=(2, 3, 4)).astype("float32")
    slow = GatedBlock(6, 3, 5, dilation=2, stride=20)
    fast = GatedBlock(6, 3, 5, dilation=2)
    repeated = np.repeat(frames, 20, axis=1)
    found = slow(x, frames)
    fast(x, repeated)
    fast.set_weights(slow.get_weights())
    for one, other in zip(found, fast(x, repeated), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_speaker_is_a_constant_series() -> None:
    """V h, broadcast over time (WaveNet, section 2.5)."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 30, 1)).astype("float32")
    h = generator.normal(size=(2, 1, 4)).astype("float32")
    by_speaker, by_series = (GatedStack((1, 2), 6, 5, 7) for _ in range(2))
    by_speaker(x, speaker=h)
    by_series(x, np.repeat(h, 30, axis=1))
    by_series.set_weights(by_speaker.get_weights())
    np.testing.assert_allclose(
        by_speaker(x, speaker=h),
        by_series(x, np.repeat(h, 30, axis=1)),
        atol=1e-6,
    )


def test_frames_are_added_to_their_own_samples() -> None:
    frames = np.arange(3.0).reshape(1, 3, 1)
    added = add_frames(np.zeros((1, 12, 1)), frames, 4)
    np.testing.assert_array_equal(np.ravel(added), np.repeat([0, 1, 2], 4))


def test_repeated_frames_stay_at_their_rate() -> None:
    conditioner = Conditioner(
        tiny_models.CONTRACT, conditioned_on(("mel", "pitch"), ())
    )
    features = tiny_models.features(2, FRAMES)
    series = conditioner(features)["conditioning"]
    assert conditioner.stride == tiny_models.HOP
    expected = np.concatenate([features["mel"], features["pitch"]], axis=-1)
    np.testing.assert_array_equal(series, expected)


def test_phones_share_one_table_with_their_neighbours() -> None:
    conditioner = Conditioner(
        tiny_models.CONTRACT, conditioned_on(("linguistic",), ())
    )
    features = tiny_models.features(1, 2)
    features["phones"] = np.array([[[1, 2, 3], [2, 3, 0]]], "int32")
    series = conditioner(features)["conditioning"].numpy()
    phones = series[..., :48].reshape(2, 3, 16)
    np.testing.assert_array_equal(phones[0, 1], phones[1, 0])
    np.testing.assert_array_equal(phones[0, 2], phones[1, 1])
    table = conditioner.phone_vectors.kernel.numpy()
    np.testing.assert_array_equal(phones[1, 2], table[0])
    assert len(table) == 1 + 3


@pytest.mark.parametrize("lacking", ["phones", "speakers"])
def test_phones_and_speakers_must_be_listed(lacking) -> None:
    incomplete = dataclasses.replace(tiny_models.EVERYTHING, **{lacking: ()})
    with pytest.raises(UserError, match="corpus's own list"):
        tiny_models.teacher(conditioning=incomplete)


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(UserError, match="'pitsch' is not known"):
        Conditioning(inputs=("pitsch",))


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (("linguistic",), "no linguistic features"),
        (("pitch",), "no pitch features"),
        (("speaker",), "no speaker features"),
    ],
)
def test_a_corpus_that_lacks_an_input_is_refused(inputs, complaint) -> None:
    with pytest.raises(UserError, match=complaint):
        Conditioning(inputs=inputs).of_corpus((), (), None)


def test_a_model_takes_of_a_corpus_only_what_it_uses() -> None:
    own = Conditioning(inputs=("mel", "pitch")).of_corpus(
        ("a",), ("anna", "ben"), 120.0
    )
    assert own.phones == own.speakers == ()
    assert own.mean_pitch_hz == 120.0
