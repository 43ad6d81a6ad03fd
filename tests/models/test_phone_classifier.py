"""The phone classifier: its receptive field, its loss, its training."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.loading import load_model, load_phone_classifier
from pwavenet_tf.models.phone_classifier import PhoneClassifier, pooling_strides
from pwavenet_tf.training.fit import save_model

HOP = tiny_models.HOP
FRAMES = 12


@pytest.fixture(scope="module")
def classifier():
    return tiny_models.phone_classifier()


@given(st.integers(1, 600), st.integers(1, 4))
def test_pooling_strides_make_one_hop(hop_length, count):
    strides = pooling_strides(hop_length, count)
    assert len(strides) == count
    assert math.prod(strides) == hop_length
    assert list(strides) == sorted(strides)


def test_pooling_strides_are_near_each_other():
    assert pooling_strides(200, 3) == (5, 5, 8)
    assert pooling_strides(300, 3) == (5, 6, 10)
    assert pooling_strides(199, 2) == (1, 199)


def dependencies(classifier, frame: int) -> np.ndarray:
    """Samples that the logits of a frame depend on."""
    audio = tf.constant(tiny_models.audio(1, FRAMES))
    with tf.GradientTape() as tape:
        tape.watch(audio)
        total = tf.reduce_sum(tf.sin(classifier({"audio": audio})[0, frame]))
    return np.flatnonzero(tape.gradient(total, audio)[0].numpy())


def test_a_frame_depends_on_its_receptive_field_and_no_more(classifier):
    frame, lookahead = 9, classifier.lookahead_frames
    samples = dependencies(classifier, frame)
    # The last stack reads the steps before, so not the newest frame; the
    # others leave out a step each.
    end = (frame + 1 + lookahead) * HOP
    assert (frame + lookahead - 1) * HOP <= samples.max() < end
    assert samples.min() >= end - classifier.receptive_field
    # Rectified units may be zero at the far end.
    assert samples.min() < end - 0.7 * classifier.receptive_field


def test_logits_are_float32_under_every_policy(classifier):
    inputs = {"audio": tiny_models.audio(2, FRAMES)}
    mixed = tiny_models.phone_classifier(dtype="mixed_float16")
    np.testing.assert_array_equal(mixed(inputs), classifier(inputs))
    for one in mixed.features(inputs["audio"]):
        assert one.dtype == "float32"


def test_features_run_from_every_sample_to_every_frame(classifier):
    features = classifier.features(tiny_models.audio(2, FRAMES))
    time = FRAMES * HOP
    assert [tuple(one.shape) for one in features] == [
        (2, time, 4),
        (2, time // 4, 6),
        (2, time // HOP, 8),
    ]
    for one in features:
        assert 0 == one.numpy().min() < one.numpy().max()


def expected_loss(logits, phones, weight):
    """Cross-entropy and accuracy, frame by frame."""
    nats = frames = right = 0.0
    for clip in range(len(phones)):
        for frame, phone in enumerate(phones[clip, :, 1]):
            samples = weight[clip, frame * HOP : (frame + 1) * HOP]
            share = samples.mean() if phone > 0 else 0.0
            values = logits[clip, frame].astype(np.float64)
            total = np.log(np.exp(values).sum())
            nats += share * (total - values[phone])
            right += share * (values.argmax() == phone)
            frames += share
    return nats / frames, right / frames


def test_frames_count_as_their_samples_do_and_unknown_phones_do_not(classifier):
    random = np.random.default_rng(0)
    logits = random.normal(size=(3, FRAMES, 4)).astype("float32")
    phones = random.integers(0, 4, (3, FRAMES, 3), "int32")
    weight = random.integers(0, 2, (3, FRAMES)).repeat(HOP, axis=1)
    weight[:, -HOP // 2 :] = 0
    weight = weight.astype("float32")
    classifier.reset_metrics()
    loss = classifier.compute_loss({"phones": phones}, None, logits, weight)
    expected, accuracy = expected_loss(logits, phones, weight)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    found = {metric.name: metric.result() for metric in classifier.metrics}
    np.testing.assert_allclose(found["cross_entropy"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-5)


def test_accuracy_is_that_of_all_frames_not_the_mean_of_batches(classifier):
    logits = np.zeros((1, FRAMES, 4), "float32")
    logits[..., 1] = 9.0
    right = np.ones((1, FRAMES, 3), "int32")
    weight = np.ones((1, FRAMES * HOP), "float32")
    few = weight.copy()
    few[:, HOP:] = 0
    classifier.reset_metrics()
    classifier.compute_loss({"phones": right}, None, logits, weight)
    classifier.compute_loss({"phones": right + 1}, None, logits, few)
    found = classifier.trackers["accuracy"].result()
    np.testing.assert_allclose(found, FRAMES / (FRAMES + 1), rtol=1e-6)


@pytest.mark.network
def test_it_learns_to_classify_tones_that_are_not_in_the_training_data():
    """Three pitches as phones: learnt in seconds."""
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)

    def clips(count):
        phones = random.integers(1, 4, (count, FRAMES // 4)).repeat(4, axis=1)
        cycles = np.array([0, 0.02, 0.06, 0.15])[phones].repeat(HOP, axis=1)
        phase = 2 * np.pi * (cycles.cumsum(axis=1) + random.random((count, 1)))
        audio = 0.1 * np.sin(phase)
        audio += 0.01 * random.standard_normal(audio.shape)
        ids = np.stack([phones] * 3, axis=2).astype("int32")
        return {"audio": audio.astype("float32"), "phones": ids}, phones

    model = PhoneClassifier(
        tiny_models.CONTRACT,
        ("low", "middle", "high"),
        **tiny_models.PHONE_SIZES,
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    # `compute_loss` reads the phones among the inputs; targets and weights
    # are there because `fit` of a dictionary needs them.
    inputs, _ = clips(128)
    weight = np.ones_like(inputs["audio"])
    data = tf.data.Dataset.from_tensor_slices(
        (inputs, inputs["audio"], weight)
    ).batch(16, drop_remainder=True)
    model.fit(data, epochs=8, verbose=0, shuffle=False)
    inputs, phones = clips(32)
    recognised = model(inputs).numpy().argmax(axis=-1)
    # Frames at the borders hold two tones, or have them in their context.
    assert (recognised == phones).mean() > 0.8


def test_sizes_that_do_not_fit_are_refused():
    contract, sizes = tiny_models.CONTRACT, tiny_models.PHONE_SIZES
    for changes, expected in (
        ({"phones": ()}, "needs phones"),
        ({"strides": (4, 4)}, "multiply to 16, but the hop length is 20"),
        ({"channels": (4, 6)}, "3 stacks have 2 channels and 2 strides"),
        ({"strides": (20,)}, "3 stacks have 3 channels and 1 strides"),
    ):
        with pytest.raises(UserError, match=expected):
            PhoneClassifier(contract, **{"phones": ("a",)} | sizes | changes)


def test_for_phones_fits_any_contract():
    for changes in (
        {},
        {"hop_length": 80, "window_length": 400},
        {
            "sample_rate": 24_000,
            "hop_length": 300,
            "window_length": 1_200,
            "fft_length": 2_048,
        },
    ):
        audio = AudioContract(**changes)
        model = PhoneClassifier.for_phones(audio, ("a", "b"))
        assert math.prod(model.strides) == audio.hop_length
        seconds = model.lookahead_frames * audio.hop_length / audio.sample_rate
        assert 0.055 < seconds < 0.07


def test_a_saved_classifier_is_loaded_and_others_are_refused(
    classifier, tmp_path
):
    path = tmp_path / "phones.keras"
    save_model(classifier, path)
    loaded = load_phone_classifier(path)
    inputs = {"audio": tiny_models.audio(1, FRAMES)}
    np.testing.assert_array_equal(loaded(inputs), classifier(inputs))
    assert loaded.phones == classifier.phones
    assert loaded.audio == classifier.audio
    with pytest.raises(UserError, match="holds a PhoneClassifier, neither"):
        load_model(path)
    save_model(tiny_models.teacher(), tmp_path / "teacher.keras")
    with pytest.raises(UserError, match="a WaveNet, not a phone classifier; n"):
        load_phone_classifier(tmp_path / "teacher.keras")
    with pytest.raises(UserError, match="absent.keras: no such file"):
        load_phone_classifier(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(UserError, match="damaged .* that train-phones wrote"):
        load_phone_classifier(tmp_path / "text.keras")
