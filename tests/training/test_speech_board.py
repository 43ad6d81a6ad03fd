"""What `SpeechBoard` writes, as TensorBoard reads it back."""

import dataclasses
from pathlib import Path

import board_files
import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tiny_distiller
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.distributions import MixtureOfLogistics
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.teacher import generate
from pwavenet_tf.training.callbacks.speech_board import (
    SpeechBoard,
    generator_of,
    single_clips,
    spectrogram_image,
)

FRAMES = tiny_distiller.FRAMES
VALID = slice(32, FRAMES * tiny_models.HOP)
ONE_LEVEL = 1.0 / 32_768


def clips(with_audio: bool = False):
    """A batch of two clips, in which the first 32 samples do not count."""
    inputs, recording, weight = tiny_distiller.clips()
    if with_audio:
        inputs = inputs | {"audio": recording}
    return inputs, recording, weight


def compile_eagerly(model) -> None:
    """Four steps take less time than it takes to make graphs of them."""
    model.compile(
        keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
        run_eagerly=True,
    )


class Fitted:
    """A model fitted for two epochs of two steps under a board."""

    def __init__(self, model, folder: Path, batch) -> None:
        self.model, self.folder, self.batch = model, folder, batch
        data = tf.data.Dataset.from_tensors(batch)
        compile_eagerly(model)
        self.history = model.fit(
            data.repeat(),
            validation_data=data,
            steps_per_epoch=2,
            epochs=2,
            shuffle=False,
            verbose=0,
            # A dataset does as well as a list.
            callbacks=[
                SpeechBoard(folder, data, seed=4),
                keras.callbacks.SwapEMAWeights(),
            ],
        ).history

    def read(self, part: str = "validation"):
        return board_files.reports(self.folder / part)


@pytest.fixture(scope="module")
def distilled(tmp_path_factory) -> Fitted:
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("board") / "student"
    model = tiny_distiller.distiller(inner_samples=2)
    return Fitted(model, folder, clips())


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Fitted:
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("board") / "teacher"
    return Fitted(tiny_models.teacher(), folder, clips(with_audio=True))


@pytest.mark.network
@pytest.mark.parametrize("kind", ["distilled", "taught"])
def test_every_number_of_the_history_is_drawn_at_its_step(kind, request):
    run = request.getfixturevalue(kind)
    train, validation = run.read("train"), run.read()
    assert {"loss", "val_loss"} < set(run.history)
    for name, values in run.history.items():
        found = validation if name.startswith("val_") else train
        shown = name.removeprefix("val_").replace("gradient_", "gradient/")
        assert list(found[shown]) == [2, 4]
        for value, expected in zip(found[shown].values(), values, strict=True):
            assert value == np.float32(expected)
    assert list(train["learning_rate"].values()) == [np.float32(0.01)] * 2


def student_output(distiller) -> dict[str, np.ndarray]:
    """By hand, from the noise that seed 4 means."""
    student, (inputs, *_) = distiller.student, clips()
    noise = student.noise_family.from_uniforms(
        positional_uniforms(4, 1, 0, FRAMES * tiny_models.HOP)
    )
    output = student(inputs | {"noise": np.repeat(noise, 2, axis=0)})
    return {name: np.asarray(value) for name, value in output.items()}


def test_the_student_is_played_and_the_recording_once(distilled):
    """To half a 16-bit level, with the averaged weights; only what counts."""
    found = distilled.read()
    output = student_output(distilled.model)["audio"].clip(-1, 1 - ONE_LEVEL)
    _, recording, _ = distilled.batch
    for number in (1, 2):
        generated = found[f"clip_{number}/student"]
        assert list(generated) == [2, 4]
        audio, rate = board_files.sound(generated[4])
        assert rate == tiny_models.CONTRACT.sample_rate
        expected = output[number - 1, VALID]
        np.testing.assert_allclose(audio, expected, atol=0.51 * ONE_LEVEL)
        earlier, _ = board_files.sound(generated[2])
        assert np.abs(audio - earlier).max() > 10 * ONE_LEVEL
        (step, recorded), *more = found[f"clip_{number}/recorded"].items()
        assert step == 2 and not more
        np.testing.assert_array_equal(
            board_files.sound(recorded)[0], recording[number - 1, VALID]
        )


def test_spectrograms_stand_one_above_the_other(distilled):
    """Four pixels for each mel band and frame, and a line between."""
    contract = tiny_models.CONTRACT
    (_, output), (_, pixels) = (
        list(distilled.read()[f"clip_1/{name}"].items())[-1]
        for name in ("student", "recorded_above_student")
    )
    pixels = board_files.image(pixels)
    frames = contract.frames(VALID.stop - VALID.start)
    height = 4 * contract.mels
    assert pixels.shape == (2 * height + 4, 4 * frames, 3)
    assert (pixels[height : height + 4] == 255).all()
    above = distilled.batch[1][0, VALID]
    below, _ = board_files.sound(output)
    expected = spectrogram_image(above, below, contract).astype(int)
    np.testing.assert_array_equal(pixels[:height], expected[:height])
    # The student's sound was rounded to levels after its picture was taken.
    assert np.abs(pixels - expected).mean() < 1.0


def test_a_low_tone_is_bright_at_the_bottom_and_silence_is_black():
    """In colours that do not depend on the sound below."""
    contract = dataclasses.replace(
        tiny_models.CONTRACT, hop_length=200, window_length=800, fft_length=1024
    )
    time = np.arange(16_000) / contract.sample_rate
    tone = 0.5 * np.sin(2 * np.pi * 250 * time).astype("float32")
    silent = spectrogram_image(tone, 0 * tone, contract)
    loud = spectrogram_image(tone, 0.9 * tone[::-1], contract)
    height = 4 * contract.mels
    brightness = silent[:height].sum(axis=(1, 2))
    assert brightness[-4:].min() > 3 * brightness[:4].max()
    assert silent[height + 4 :].max() <= 4
    np.testing.assert_array_equal(silent[:height], loud[:height])


def require_histogram(found, values) -> None:
    """Rows of left edge, right edge and count."""
    values = np.asarray(values).ravel()
    edges = np.append(found[:, 0], found[-1, 1])
    np.testing.assert_allclose(edges[0], values.min(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(edges[-1], values.max(), rtol=1e-5, atol=1e-7)
    assert found[:, 2].sum() == values.size
    counts, _ = np.histogram(values, len(found), (edges[0], edges[-1]))
    # A value at an edge may fall to either side.
    assert np.abs(found[:, 2] - counts).sum() <= 0.001 * values.size + 2


def test_histograms_are_of_the_student_and_of_its_teacher(distilled):
    """Against NumPy, of every valid sample in both clips."""
    found, output = distilled.read(), student_output(distilled.model)
    inputs, *_ = clips()
    distribution = MixtureOfLogistics(
        distilled.model.teacher(inputs | {"audio": output["audio"]})
    )
    expected = {
        "student/location": output["location"],
        "student/log_scale": output["log_scale"],
        "teacher/weights": np.exp(distribution.log_weights),
        "teacher/means": distribution.locations,
        "teacher/log_scales": distribution.log_scales,
    }
    for name, values in expected.items():
        assert list(found[name]) == [2, 4]
        require_histogram(found[name][4], np.asarray(values)[:, VALID])


def test_a_teacher_is_sampled_and_evaluated_along_the_recordings(taught):
    """It samples from silence where the clip counts; a second at most."""
    found, model = taught.read(), taught.model
    inputs, recording, _ = taught.batch
    distribution = model.distribution(inputs)
    for name, values in {
        "teacher/weights": np.exp(distribution.log_weights),
        "teacher/means": distribution.locations,
        "teacher/log_scales": distribution.log_scales,
    }.items():
        require_histogram(found[name][4], np.asarray(values)[:, VALID])
    # What counts begins within frame 1 and is shorter than a second.
    mel = inputs["mel"][:, 1:]
    sampled, _ = board_files.sound(found["clip_1/teacher"][4])
    length = VALID.stop - VALID.start
    mel = np.pad(mel, [(0, 0), (0, 1), (0, 0)], mode="edge")
    expected = generate(model, mel[0], seed=4)[:length]
    np.testing.assert_array_equal(sampled, expected)
    recorded, _ = board_files.sound(found["clip_1/recorded"][2])
    np.testing.assert_array_equal(recorded, recording[0, VALID])


def test_a_gaussian_teacher_shows_its_means_and_log_scales():
    parameters, distribution = evaluated_by_teacher("gaussian")
    assert set(parameters) == {"teacher/means", "teacher/log_scales"}
    np.testing.assert_array_equal(
        parameters["teacher/means"], distribution.location
    )
    np.testing.assert_array_equal(
        parameters["teacher/log_scales"], distribution.log_scale
    )


def test_a_teacher_of_codes_shows_their_probabilities():
    parameters, distribution = evaluated_by_teacher("mu_law")
    assert set(parameters) == {"teacher/probabilities"}
    np.testing.assert_allclose(
        parameters["teacher/probabilities"],
        scipy.special.softmax(distribution.logits, axis=-1),
        rtol=1e-5,
    )


def evaluated_by_teacher(name: str):
    """The parameters of a voice, and the head for the same samples."""
    model = tiny_models.teacher(head=name)
    inputs = {"audio": tiny_models.audio(), "mel": tiny_models.mel()}
    weight = np.ones_like(inputs["audio"])
    (clip,) = single_clips([(inputs, inputs["audio"], weight)])
    distribution = model.head_class(model(inputs)[0])
    return generator_of(model, 0)(clip).parameters, distribution


def test_clips_without_a_valid_sample_are_refused(tmp_path):
    inputs, recording, weight = clips()
    with pytest.raises(UserError, match="no valid sample"):
        SpeechBoard(tmp_path, [(inputs, recording, 0 * weight)])


@pytest.mark.parametrize("kind", ["distilled", "taught"])
@pytest.mark.slow
def test_the_board_does_not_change_training(kind, request):
    run = request.getfixturevalue(kind)
    keras.utils.set_random_seed(0)
    if kind == "taught":
        alone = tiny_models.teacher()
    else:
        alone = tiny_distiller.distiller(inner_samples=2)
    compile_eagerly(alone)
    data = tf.data.Dataset.from_tensors(run.batch)
    alone.fit(
        data.repeat(),
        validation_data=data,
        steps_per_epoch=2,
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.SwapEMAWeights()],
    )
    for one, other in zip(
        alone.get_weights(), run.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
