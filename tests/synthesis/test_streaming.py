"""Sound from features that come in parts: the same, in time, in no memory."""

import dataclasses
import functools

import hypothesis
import numpy as np
import pytest
import tiny_models
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.streaming import Stream, synthesize_stream
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler, generate

HOP = tiny_models.HOP
FRAMES = 24


def conditioned(kind: str):
    """A conditioning and features for it."""
    if kind == "mel, upsampled":
        return tiny_models.ON_MEL, {"mel": tiny_models.mel(2, FRAMES)}
    conditioning = tiny_models.EVERYTHING
    if kind == "everything, repeated":
        conditioning = dataclasses.replace(conditioning, upsampling=())
    return conditioning, tiny_models.features(2, FRAMES)


KINDS = ("mel, upsampled", "everything, upsampled", "everything, repeated")


@functools.cache
def student_and_sound(kind: str):
    """A voice, its features, and what the network makes of them at once."""
    conditioning, features = conditioned(kind)
    student = tiny_models.student(conditioning=conditioning)
    uniforms = positional_uniforms(5, 2, 0, FRAMES * HOP)
    noise = student.noise_family.from_uniforms(uniforms)
    whole = student(features | {"noise": noise})["audio"].numpy()
    return Synthesizer(student), features, whole.clip(-1.0, 1.0 - 2.0**-15)


@functools.cache
def teacher_and_sound(kind: str):
    conditioning, features = conditioned(kind)
    teacher = tiny_models.teacher(conditioning=conditioning)
    whole = generate(teacher, features, seed=5)
    return CachedSampler(teacher), features, whole


def parts(features: dict, cuts: list[int]) -> list[dict]:
    edges = sorted({0, FRAMES, *cuts})
    return [
        {
            name: x if x.ndim == 1 else x[:, start:end]
            for name, x in features.items()
        }
        for start, end in zip(edges, edges[1:], strict=False)
    ]


@pytest.mark.network
@pytest.mark.parametrize("kind", KINDS)
@hypothesis.given(
    cuts=st.lists(st.integers(1, FRAMES - 1), max_size=8),
    block_frames=st.integers(1, FRAMES + 3),
)
@hypothesis.settings(max_examples=15)
def test_a_students_stream_equals_the_network_on_all_of_it(
    kind, cuts, block_frames
) -> None:
    voice, features, whole = student_and_sound(kind)
    stream = Stream(voice, 5, block_frames=block_frames)
    audio = np.concatenate(
        list(synthesize_stream(stream, parts(features, cuts))), 1
    )
    assert audio.shape == whole.shape
    np.testing.assert_allclose(audio, whole, atol=1e-5)


@pytest.mark.network
@pytest.mark.parametrize("kind", KINDS)
@hypothesis.given(cuts=st.lists(st.integers(1, FRAMES - 1), max_size=5))
@hypothesis.settings(max_examples=5)
def test_a_teachers_stream_equals_one_pass(kind, cuts) -> None:
    voice, features, whole = teacher_and_sound(kind)
    stream = Stream(voice, 5, block_frames=5)
    audio = np.concatenate(
        list(synthesize_stream(stream, parts(features, cuts))), 1
    )
    np.testing.assert_array_equal(audio, whole)


@pytest.mark.network
@pytest.mark.parametrize(
    ("kind", "look_ahead"), zip(KINDS, (2, 2, 0), strict=True)
)
@pytest.mark.parametrize("block_frames", [1, 4])
def test_audio_comes_after_the_look_ahead_and_one_block(
    kind, look_ahead, block_frames
) -> None:
    voice, features, _ = student_and_sound(kind)
    stream = Stream(voice, 5, block_frames=block_frames)
    assert stream.look_ahead_frames == look_ahead
    assert stream.first_audio_frames == look_ahead + block_frames
    samples = 0
    for known, part in enumerate(parts(features, list(range(FRAMES))), 1):
        samples += sum(block.shape[1] for block in stream.feed(part))
        blocks = max(0, known - look_ahead) // block_frames
        assert samples == blocks * block_frames * HOP
    samples += sum(block.shape[1] for block in stream.end())
    assert samples == FRAMES * HOP


@pytest.mark.parametrize("kind", KINDS[:2])
def test_no_frame_after_the_look_ahead_matters(kind) -> None:
    """And the last frame within it is: the look-ahead is no longer."""
    voice, features, whole = student_and_sound(kind)
    last = 10
    for frame, matters in ((last + 2, True), (last + 3, False)):
        mel = features["mel"].copy()
        mel[:, frame] += 2.0
        stream = Stream(voice, 5, block_frames=1)
        audio = np.concatenate(
            list(synthesize_stream(stream, [features | {"mel": mel}])), 1
        )
        end = (last + 1) * HOP
        difference = np.abs(audio[:, :end] - whole[:, :end]).max()
        assert (difference > 1e-4) == matters


@pytest.mark.network
@pytest.mark.parametrize("sound", [student_and_sound, teacher_and_sound])
def test_what_a_stream_keeps_does_not_grow(sound) -> None:
    voice, features, _ = sound(KINDS[0])
    stream = Stream(voice, 5, block_frames=3)
    kept = []
    for _ in range(12):
        for part in parts(features, [5, 6, 13]):
            for _ in stream.feed(part):
                pass
        held = sum(x.nbytes for x in vars(stream)["_held"].values())
        state = sum(np.asarray(x).nbytes for x in vars(stream)["_state"])
        kept.append(held + state)
    assert max(kept) <= kept[0] * 1.5


@pytest.mark.network
def test_a_row_with_its_own_seed_sounds_as_it_would_alone() -> None:
    voice, features, _ = student_and_sound(KINDS[1])
    both = voice(features, seed=[7, 9])
    for row, seed in enumerate((7, 9)):
        alone = {name: x[row : row + 1] for name, x in features.items()}
        np.testing.assert_allclose(
            both[row : row + 1], voice(alone, seed=seed), atol=1e-6
        )


def test_parts_that_do_not_match_are_refused() -> None:
    voice, features, _ = student_and_sound(KINDS[0])
    stream = Stream(voice)
    list(stream.feed(features))
    with pytest.raises(UserError, match="batch 1.* do not match .*batch 2"):
        list(stream.feed({"mel": features["mel"][:1]}))
    list(stream.end())
    with pytest.raises(UserError, match="has been ended; begin another"):
        list(stream.feed(features))


def test_a_speaker_is_given_once() -> None:
    voice, features, whole = student_and_sound(KINDS[1])
    first, *rest = parts(features, [4, 9])
    for part in rest:
        del part["speaker"]
    audio = np.concatenate(list(voice.stream([first, *rest], 5)), axis=1)
    np.testing.assert_allclose(audio, whole, atol=1e-5)


def test_an_empty_block_is_refused() -> None:
    voice, _, _ = student_and_sound(KINDS[0])
    with pytest.raises(UserError, match="a block has 0 frames"):
        Stream(voice, block_frames=0)


def test_blocks_that_are_not_taken_come_later() -> None:
    voice, features, whole = student_and_sound(KINDS[0])
    stream = Stream(voice, 5, block_frames=4)
    for part in parts(features, [7, 8, 20]):
        stream.feed(part)
    audio = np.concatenate(list(stream.end()), axis=1)
    np.testing.assert_allclose(audio, whole, atol=1e-5)


def test_bad_features_are_refused_before_a_block_is_taken() -> None:
    voice, features, _ = student_and_sound(KINDS[0])
    with pytest.raises(UserError, match="not finite"):
        Stream(voice).feed({"mel": np.full_like(features["mel"], np.nan)})


def test_a_speaker_is_remembered_for_a_bare_mel() -> None:
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING, inputs=("mel", "speaker")
    )
    voice = Synthesizer(tiny_models.student(conditioning=conditioning))
    features = tiny_models.features(2, FRAMES)
    inputs = {name: features[name] for name in ("mel", "speaker")}
    first = {"mel": inputs["mel"][:, :5], "speaker": inputs["speaker"]}
    audio = list(voice.stream([first, inputs["mel"][:, 5:]], 5))
    np.testing.assert_allclose(
        np.concatenate(audio, axis=1), voice(inputs, 5), atol=1e-5
    )


@pytest.mark.parametrize("seed", [1.7, "1", 2**63, [1, 2.5], None])
def test_a_seed_that_is_none_is_refused(seed) -> None:
    voice, features, _ = student_and_sound(KINDS[0])
    with pytest.raises(UserError, match="must be a whole number of 64 bits"):
        voice(features, seed)


@pytest.mark.parametrize("seeds", [[1], [1, 2, 3]])
def test_seeds_that_are_not_the_rows_are_refused(seeds) -> None:
    voice, features, _ = student_and_sound(KINDS[0])
    with pytest.raises(UserError, match=f"{len(seeds)} seeds for 2 rows"):
        voice(features, seeds)


@pytest.mark.parametrize("temperature", [-0.1, 101.0, np.nan, "warm", None])
def test_a_temperature_that_is_none_is_refused(temperature) -> None:
    voice, features, _ = student_and_sound(KINDS[0])
    with pytest.raises(UserError, match="must be a number from 0 to 100"):
        voice(features, 0, temperature)
