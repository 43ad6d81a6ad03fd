"""NSynth's encoder: its equations, what it sees, and models that read it."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models import encoder
from pwavenet_tf.models.encoder import TemporalEncoder
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.fit import frames_around

HOP = tiny_models.HOP
ENCODED = {"conditioning": tiny_models.ENCODED}


def tiny_encoder() -> TemporalEncoder:
    """It sees 13 samples on either side, less than a frame."""
    return tiny_models.randomised(TemporalEncoder(5, (8, 1, 3), 4, HOP))


def by_hand(layer: TemporalEncoder, audio: np.ndarray) -> np.ndarray:
    """The equations of 1704.01279, one output at a time, `(frames, 4)`."""

    def convolved(x, kernel, bias, dilation):
        padded = np.pad(x, ((dilation, dilation), (0, 0)))
        return bias + sum(
            padded[tap * dilation :][: len(x)] @ kernel[tap] for tap in range(3)
        )

    def weights(part):
        return part.kernel.numpy(), part.bias.numpy()

    # Silence on either side, so that what is padded within is never seen.
    margin = 2 * layer.context_samples
    x = np.sign(audio) * np.log1p(255 * np.abs(audio)) / np.log(256)
    x = np.pad(x, margin)[:, None]
    x = convolved(x, *weights(layer.front), 1)
    for block in layer.blocks:
        inner = np.maximum(x, 0)
        inner = convolved(inner, *weights(block.convolution), block.dilation)
        kernel, bias = weights(block.projection)
        x = x + np.maximum(inner, 0) @ kernel + bias
    kernel, bias = weights(layer.bottleneck)
    each = x[margin:-margin] @ kernel + bias
    return each.reshape(-1, HOP, each.shape[-1]).mean(axis=1)


def test_it_computes_the_equations_of_the_paper() -> None:
    layer, audio = tiny_encoder(), tiny_models.audio(2, 3)
    for row, encoding in zip(audio, np.asarray(layer(audio)), strict=True):
        np.testing.assert_allclose(encoding, by_hand(layer, row), atol=1e-5)


def test_a_frame_sees_its_samples_and_the_context_on_either_side() -> None:
    layer, audio = tiny_encoder(), tiny_models.audio(1, 7)
    assert layer.context_samples == 13 and layer.context_frames == 1
    # Another sample is another in each row.
    rows = audio + 0.5 * np.eye(audio.shape[1], dtype="float32")
    found = np.asarray(layer(np.concatenate([audio, rows])))[:, 3]
    seen = np.flatnonzero((found[1:] != found[0]).any(axis=-1))
    assert (seen[0], seen[-1]) == (3 * HOP - 13, 4 * HOP + 13 - 1)


def test_segments_with_context_and_chunks_are_encoded_as_the_whole(
    monkeypatch,
) -> None:
    layer = tiny_encoder()
    audio = tiny_models.audio(1, 11)[0]
    whole = np.asarray(layer(audio[None]))[0]
    part = np.asarray(layer(audio[None, 4 * HOP : 8 * HOP]))[0]
    np.testing.assert_allclose(part[1:-1], whole[5:7], atol=1e-6)
    monkeypatch.setattr(encoder, "_CHUNK_FRAMES", 4)
    np.testing.assert_allclose(layer.encode(audio), whole, atol=1e-6)


def test_silence_after_a_recording_changes_nothing() -> None:
    layer, audio = tiny_encoder(), tiny_models.audio(1, 3)[0, :-7]
    longer = layer.encode(np.pad(audio, (0, 7 + 4 * HOP)))
    assert layer.encode(audio).shape == (3, 4)
    np.testing.assert_allclose(layer.encode(audio), longer[:3], atol=1e-6)


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_a_model_encodes_its_audio_unless_an_encoding_is_given(kind) -> None:
    model = getattr(tiny_models, kind)(**ENCODED)
    inputs = {
        "audio": tiny_models.audio(2, 5),
        "noise": tiny_models.noise(2, 5),
    }
    encoding = np.stack([model.encode(row) for row in inputs["audio"]])

    def output(**changes):
        found = model(inputs | changes)
        return np.asarray(found["audio"] if kind == "student" else found)

    np.testing.assert_allclose(output(encoding=encoding), output(), atol=1e-5)
    assert np.abs(output(encoding=encoding[::-1]) - output()).max() > 1e-3


def test_the_loss_of_a_clip_is_that_within_its_recording() -> None:
    """The oracle is the recording; the clip brings the promised context."""
    teacher = tiny_models.teacher(**ENCODED)
    around = frames_around(teacher)
    before = around + teacher.audio.frames(teacher.receptive_field)
    audio = tiny_models.audio(1, 20)
    log_prob = np.asarray(
        teacher.distribution({"audio": audio}).log_prob(audio)
    )
    first, last = 10, 12
    clip = audio[:, (first - before) * HOP : (last + around) * HOP]
    found = np.asarray(teacher.distribution({"audio": clip}).log_prob(clip))
    np.testing.assert_allclose(
        found[0, before * HOP : -around * HOP],
        log_prob[0, first * HOP : last * HOP],
        rtol=1e-4,
    )


@pytest.mark.network
def test_teacher_and_encoder_are_trained_together(tmp_path) -> None:
    teacher = tiny_models.teacher(**ENCODED)
    before = [w.numpy() for w in teacher.conditioner.encoder.weights]
    audio = tiny_models.audio(4, 4)
    teacher.compile("adam", jit_compile=False)
    history = teacher.fit({"audio": audio}, audio, epochs=3, verbose=0)
    assert history.history["nats"][-1] < history.history["nats"][0]
    for old, weight in zip(
        before, teacher.conditioner.encoder.weights, strict=True
    ):
        assert (old != weight.numpy()).any()
    teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    np.testing.assert_array_equal(
        loaded.encode(audio[0]), teacher.encode(audio[0])
    )


def test_speaker_and_pitch_join_the_encoding() -> None:
    conditioning = dataclasses.replace(
        tiny_models.EVERYTHING,
        inputs=("encoding", "pitch", "speaker"),
        encoder_channels=5,
        encoder_dilations=(1, 2),
    )
    teacher = tiny_models.teacher(conditioning=conditioning)
    inputs = tiny_models.features(2, 3) | {"audio": tiny_models.audio(2, 3)}
    first = np.asarray(teacher(inputs))
    others = {"pitch": inputs["pitch"] + 1, "speaker": 1 - inputs["speaker"]}
    for name, value in others.items():
        moved = np.asarray(teacher(inputs | {name: value})) - first
        assert np.abs(moved).max() > 1e-3


def test_an_encoding_is_float32_whatever_the_encoder_computes_in() -> None:
    """Features are: bfloat16 arrays would be refused as no numbers."""
    model = tiny_models.teacher(**ENCODED, dtype="mixed_bfloat16")
    inputs = model.conditioner.with_encoding({"audio": tiny_models.audio()})
    assert np.asarray(inputs["encoding"]).dtype == np.float32


def test_what_cannot_be_encoded_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="has no encoder; train one with"):
        tiny_models.teacher().encode(np.zeros(40))
    with pytest.raises(UserError, match="give recordings of one channel"):
        tiny_models.teacher(**ENCODED).encode(np.zeros((2, 40, 1)))
    with pytest.raises(UserError, match="a SampleRNN is trained on segments"):
        tiny_models.recurrent_teacher(**ENCODED)


@pytest.mark.network
def test_another_recordings_encoding_costs_bits_once_it_is_learned() -> None:
    """White noise, loud or soft: two samples of the past hardly tell which.

    The oracle is the entropy of the noise, given how loud it is.
    """
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    teacher = WaveNet(
        tiny_models.CONTRACT,
        tiny_models.ENCODED,
        dilations=(1,),
        residual_channels=8,
        gate_channels=8,
        skip_channels=8,
        mixture_components=2,
    )
    teacher.build()

    def noise(rows: int) -> np.ndarray:
        std = np.resize((0.2, 0.002), rows)[:, None]
        return (std * random.normal(size=(rows, 8 * HOP))).astype("float32")

    audio = noise(64)
    teacher.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    teacher.fit({"audio": audio}, audio, 16, epochs=80, verbose=0)
    held_out = noise(8)
    encoding = teacher.encode(held_out)

    def bits(encoding) -> float:
        inputs = {"audio": held_out, "encoding": encoding}
        log_prob = teacher.distribution(inputs).log_prob(held_out)
        return -float(np.mean(log_prob)) / np.log(2)

    own, swapped = bits(encoding), bits(encoding[::-1])
    entropy = np.log2(np.array([0.2, 0.002]) * 32_768) + 2.047
    assert entropy.mean() - 0.1 < own < entropy.mean() + 0.5
    assert swapped > own + 1.0
