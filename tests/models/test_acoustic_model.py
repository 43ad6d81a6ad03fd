"""The acoustic model: alignment, padding, loss, generation, training."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.acoustic_model import AcousticConfig, AcousticModel
from pwavenet_tf.models.loading import load_acoustic_model, load_model
from pwavenet_tf.training.fit import save_model

MELS = tiny_models.MELS
PITCH_STD = 0.2
WEIGHTS = {
    "mel": 1.0,
    "duration": 0.3,
    "phone_pitch": 0.1,
    "energy": 0.1,
    "pitch": 0.3,
    "voicing": 0.3,
}


@pytest.fixture(scope="module")
def model():
    return tiny_models.acoustic_model()


@pytest.fixture(scope="module")
def plain():
    """A model without residual blocks over frames."""
    config = AcousticConfig(
        channels=MELS + 2,
        encoder_layers=1,
        decoder_dilations=(),
        predictor_channels=8,
    )
    return tiny_models.acoustic_model(config=config)


@pytest.fixture
def transparent(plain, monkeypatch):
    """The model without blocks, whose outputs are the decoder's inputs."""
    monkeypatch.setattr(plain.normalization, "call", lambda x: x)
    kept = plain.get_weights()
    plain.output_projection.kernel.assign(np.eye(MELS + 2))
    plain.output_projection.bias.assign(np.zeros(MELS + 2))
    for layer in (plain.position_projection, plain.variance_projection):
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(tf.zeros_like(layer.bias))
    yield plain
    plain.set_weights(kept)


def joined(output) -> np.ndarray:
    """What the output projection gave, `(batch, frames, mels + 2)`."""
    pitch = output["pitch"].numpy()[..., None] / PITCH_STD
    voicing = output["voicing"].numpy()[..., None]
    return np.concatenate([output["mel"].numpy(), pitch, voicing], axis=-1)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any))
def test_length_regulation_is_a_repetition(plain, durations) -> None:
    """Phones that last no frame included."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(durations), MELS + 2)).astype("f")
    still = plain.position_projection.kernel
    kept = still.numpy()
    still.assign(np.zeros_like(kept))
    try:
        output = plain.decode(
            vectors[None],
            np.array([durations]),
            np.zeros((1, len(durations)), "f"),
            np.zeros((1, len(durations)), "f"),
            sum(durations),
        )
    finally:
        still.assign(kept)
    added = plain.variance_projection.bias + plain.position_projection.bias
    each = plain.output_projection(plain.normalization(vectors + added))
    expected = np.repeat(each.numpy(), durations, axis=0)
    np.testing.assert_allclose(joined(output)[0], expected, atol=1e-5)


def test_a_frame_knows_its_place_and_its_phones_length(transparent) -> None:
    transparent.position_projection.kernel.assign(np.eye(3, MELS + 2))
    durations = [3, 1, 5]
    none = np.zeros((1, 3), "f")
    vectors = np.zeros((1, 3, MELS + 2), "f")
    output = transparent.decode(vectors, np.array([durations]), none, none, 11)
    expected = [
        (place := (frame + 0.5) / length, 1 - place, np.log(length))
        for length in durations
        for frame in range(length)
    ]
    found = joined(output)[0]
    np.testing.assert_allclose(found[:9, :3], expected, atol=1e-6)
    np.testing.assert_array_equal(found[9:], 0)


def test_pitch_and_energy_are_added_to_their_phones_frames(
    transparent,
) -> None:
    transparent.variance_projection.kernel.assign(np.eye(2, MELS + 2))
    pitch, energy = np.array([[0.1, -0.3]]), np.array([[2.0, -1.0]])
    output = transparent.decode(
        np.zeros((1, 2, MELS + 2), "f"), np.array([[2, 1]]), pitch, energy, 3
    )
    expected = [[0.1 / PITCH_STD, 2.0]] * 2 + [[-0.3 / PITCH_STD, -1.0]]
    np.testing.assert_allclose(joined(output)[0, :, :2], expected, atol=1e-6)


def test_padding_and_other_rows_change_nothing(model) -> None:
    batch = tiny_models.phone_batch([[2, 1, 3], [4, 1, 2, 5, 1]], frames=17)
    for row, (phones, frames) in enumerate([(3, 6), (5, 13)]):
        alone = {
            name: value[
                row : row + 1,
                : frames if name in ("mel", "pitch") else phones,
            ]
            for name, value in batch.items()
        }
        together, single = model(batch), model(alone)
        for name, value in single.items():
            length = value.shape[1]
            found = together[name].numpy()[row]
            np.testing.assert_allclose(found[:length], value[0], atol=1e-5)
            np.testing.assert_array_equal(found[length:], 0)


def test_only_the_number_of_frames_of_the_mel_spectrogram_is_read(
    model,
) -> None:
    batch = tiny_models.phone_batch([[2, 1, 3]])
    other = batch | {"mel": 1 + batch["mel"], "pitch": 1 + batch["pitch"]}
    for name, value in model(batch).items():
        np.testing.assert_array_equal(value, model(other)[name])


def loss_of(model, batch, output=None) -> float:
    for tracker in model.trackers.values():
        tracker.reset_state()
    output = model(batch) if output is None else output
    return float(model.compute_loss(batch, y_pred=output))


def expected_terms(batch, output) -> dict[str, float]:
    """Each term as its definition has it, row by row."""
    found = {name: [] for name in WEIGHTS}
    output = {name: np.float64(value) for name, value in output.items()}
    for row, durations in enumerate(batch["durations"]):
        phones = (batch["phones"][row] > 0).sum()
        frames = durations.sum()
        value, voiced = batch["pitch"][row, :frames].T
        logit = output["voicing"][row, :frames]
        pairs = {
            name: (batch[name][row, :phones], output[name][row, :phones])
            for name in ("phone_pitch", "energy")
        }
        error = batch["mel"][row, :frames] - output["mel"][row, :frames]
        found["mel"] += list(np.abs(error).mean(axis=1))
        error = (
            np.log(durations[:phones]) - output["log_duration"][row, :phones]
        )
        found["duration"] += list(error**2)
        for name, scale in (("phone_pitch", PITCH_STD), ("energy", 1.0)):
            one, other = pairs[name]
            found[name] += list(((one - other) / scale) ** 2)
        error = np.abs(value - output["pitch"][row, :frames]) / PITCH_STD
        found["pitch"] += list(error[voiced > 0])
        found["voicing"] += list(np.log1p(np.exp(logit)) - voiced * logit)
    return {name: np.mean(errors) for name, errors in found.items()}


def test_the_loss_is_the_weighted_sum_of_its_terms(model) -> None:
    batch = tiny_models.phone_batch([[2, 1, 3], [4, 1, 2, 5, 1]], frames=17)
    output = model(batch)
    terms = expected_terms(batch, output)
    found = loss_of(model, batch, output)
    total = sum(WEIGHTS[name] * term for name, term in terms.items())
    assert found == pytest.approx(total, rel=1e-5)
    for name, tracker in model.trackers.items():
        assert float(tracker.result()) == pytest.approx(terms[name], rel=1e-5)


def test_padding_and_the_pitch_of_unvoiced_frames_are_not_in_the_loss(
    model,
) -> None:
    batch = tiny_models.phone_batch([[2, 1], [3, 1, 2]], frames=8)
    output = model(batch)
    before = loss_of(model, batch, output)
    changed = {name: value.copy() for name, value in batch.items()}
    unvoiced = changed["pitch"][..., 1] == 0
    changed["pitch"][unvoiced, 0] = 9.0
    for row, (phones, frames) in enumerate([(2, 3), (3, 6)]):
        changed["mel"][row, frames:] = 9.0
        changed["pitch"][row, frames:] = 1.0
        for name in ("phone_pitch", "energy"):
            changed[name][row, phones:] = 9.0
    assert loss_of(model, changed, output) == before
    changed["pitch"][0, 0] = (5.0, 1.0)
    assert loss_of(model, changed, output) != before


def test_a_term_is_the_mean_over_all_frames_not_over_batches(model) -> None:
    few, many = ([[1, 1]], [[4, 5, 6]])
    batches = [tiny_models.phone_batch(one) for one in (few, many)]
    model.reset_metrics()
    errors = []
    for batch in batches:
        output = model(batch)
        model.compute_loss(batch, y_pred=output)
        errors += list(np.abs(batch["mel"] - output["mel"])[0].mean(axis=-1))
    found = float(model.trackers["mel"].result())
    assert found == pytest.approx(np.mean(errors), rel=1e-5)
    model.reset_metrics()


@pytest.mark.network
def test_the_loss_moves_every_weight() -> None:
    model = tiny_models.acoustic_model()
    batch = tiny_models.phone_batch([[2, 1, 3], [4, 1, 2, 5, 1]])
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, y_pred=model(batch, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert "band_gain" not in {one.name for one in model.trainable_variables}
    for weight, gradient in zip(
        model.trainable_variables, gradients, strict=True
    ):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_another_loss_is_refused(model) -> None:
    with pytest.raises(UserError, match="has a loss of its own"):
        model.compile("adam", loss="mse")


def test_without_phones_or_statistics_there_is_no_model() -> None:
    for changes in ({"phones": ()}, {"audio": tiny_models.CONTRACT}):
        with pytest.raises(UserError, match="phones and mel statistics"):
            tiny_models.acoustic_model(**changes)


@given(
    st.lists(st.floats(-3, 8, width=32), min_size=1, max_size=6),
    st.floats(0.5, 2.0, width=32),
)
def test_durations_are_whole_frames_one_at_least_and_follow_the_rate(
    model, logarithms, rate
) -> None:
    phones = np.array([[1] * len(logarithms) + [0]])
    found = model.durations(np.float32([*logarithms, 5.0])[None], phones, rate)
    exact = np.exp(np.float64(logarithms)) / rate
    found = found.numpy()[0]
    assert found.dtype == "int32" and found[-1] == 0
    assert (np.abs(found[:-1] - exact.clip(1, 800)) <= 0.5 + 1e-4 * exact).all()


def test_twice_the_rate_halves_durations(model) -> None:
    phones = np.array([[1, 2, 3]])
    log_duration = np.log(np.float32([[1.0, 8.0, 20.0]]))
    for rate, expected in (
        (1, [1, 8, 20]),
        (2, [1, 4, 10]),
        (0.5, [2, 16, 40]),
    ):
        found = model.durations(log_duration, phones, rate)
        np.testing.assert_array_equal(found, [expected])


def test_generation_is_the_call_with_its_own_predictions(model) -> None:
    model.band_gain.assign(np.linspace(1.0, 1.5, MELS))
    phones = np.array([[1, 2, 3, 1], [3, 1, 0, 0]], "int32")
    made = model.generate(phones, rate=1.3)
    variances = model.predict_variances(model.encode(phones), phones)
    durations = model.durations(variances.pop("log_duration"), phones, 1.3)
    np.testing.assert_array_equal(made["durations"], durations)
    frames = int(durations.numpy().sum(axis=1).max())
    blank = np.zeros((2, frames, MELS), "f")
    expected = model(
        {"phones": phones, "durations": durations, "mel": blank} | variances
    )
    sharpened = expected["mel"] * np.linspace(1.0, 1.5, MELS, dtype="f")
    np.testing.assert_allclose(made["mel"], sharpened, atol=1e-5)
    hertz = np.exp(made["pitch"][..., 0])
    np.testing.assert_allclose(
        hertz, model.mean_pitch_hz * np.exp(expected["pitch"]), rtol=1e-5
    )
    np.testing.assert_array_equal(
        made["pitch"][..., 1], expected["voicing"].numpy() > 0
    )


def test_the_pitch_factor_multiplies_f0_and_nothing_else(model) -> None:
    phones = np.array([[1, 2, 3, 1]], "int32")
    usual, high = model.generate(phones), model.generate(phones, pitch=1.5)
    np.testing.assert_allclose(
        np.exp(high["pitch"][..., 0]),
        1.5 * np.exp(usual["pitch"][..., 0]),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(high["pitch"][..., 1], usual["pitch"][..., 1])
    for name in ("mel", "durations"):
        np.testing.assert_array_equal(high[name], usual[name])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_global_policy_of_mixed_precision_keeps_outputs_in_float32(
    policy, model
) -> None:
    batch = tiny_models.phone_batch([[2, 1, 3], [4, 1]])
    keras.config.set_dtype_policy(policy)
    try:
        mixed = tiny_models.acoustic_model()
        output = mixed(batch)
        loss = mixed.compute_loss(batch, y_pred=output)
        made = mixed.generate(batch["phones"])
    finally:
        keras.config.set_dtype_policy("float32")
    for value in (*output.values(), made["mel"], made["pitch"], loss):
        assert value.dtype == tf.float32
    assert mixed.encode(batch["phones"]).dtype != tf.float32
    tiny = tiny_models.acoustic_model()
    for name, value in tiny(batch).items():
        np.testing.assert_allclose(output[name], value, atol=0.1)


def test_a_saved_model_is_loaded_and_others_are_refused(
    model, tmp_path
) -> None:
    model.band_gain.assign(np.linspace(1.0, 1.5, MELS))
    path = tmp_path / "acoustic.keras"
    save_model(model, path)
    loaded = load_acoustic_model(path)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.band_gain, model.band_gain)
    phones = np.array([[1, 2, 3, 1]], "int32")
    again = loaded.generate(phones)
    for name, value in model.generate(phones).items():
        np.testing.assert_array_equal(again[name], value)
    with pytest.raises(UserError, match="holds a AcousticModel, neither"):
        load_model(path)
    other = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(UserError, match="a Sequential, not an acoustic model"):
        load_acoustic_model(tmp_path / "other.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(UserError, match="damaged .* that train-acoustic wrote"):
        load_acoustic_model(tmp_path / "text.keras")


@pytest.mark.network
def test_it_learns_phones_of_fixed_spectra_and_durations() -> None:
    """Orders of phones that it has not seen are generated as they should."""
    keras.utils.set_random_seed(0)
    spectra = np.random.default_rng(0).normal(size=(4, MELS)).astype("f")
    lengths, hertz = np.array([0, 2, 4, 7]), np.array([0, 1, 0.8, 1.3])
    voiced = np.array([0, 1, 0, 1])

    def batch_of(orders) -> dict:
        phones = np.array(orders, "int32")
        frames = np.array([np.repeat(one, lengths[one]) for one in phones])
        pitch = np.log(np.maximum(hertz, 0.1))
        value = {
            "phones": phones,
            "durations": lengths[phones],
            "phone_pitch": pitch[phones] * voiced[phones],
            "energy": spectra.mean(axis=1)[phones],
            "mel": spectra[frames],
            "pitch": np.stack([pitch[frames], voiced[frames]], axis=-1),
        }
        return {
            name: one.astype("int32" if one.dtype.kind == "i" else "f")
            for name, one in value.items()
        } | {"pitch": value["pitch"].astype("f")}

    unseen = [(1, 3, 2, 1), (3, 1, 1, 2)]
    seen = sorted({*itertools.permutations([1, 1, 2, 3])} - {*unseen})
    model = AcousticModel(
        tiny_models.NORMALISED,
        tiny_models.EVERYTHING.phones,
        150.0,
        config=AcousticConfig(16, 3, 1, (1, 2), 16, 0.0),
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    data = tf.data.Dataset.from_tensors((batch_of(seen),)).repeat(200)
    model.fit(data, verbose=0, shuffle=False)
    made = model.generate(np.array(unseen, "int32"))
    expected = batch_of(unseen)
    assert np.abs(made["durations"] - expected["durations"]).max() <= 1
    output = model(expected)
    assert np.abs(output["mel"] - expected["mel"]).mean() < 0.2
    value, spoken = np.moveaxis(expected["pitch"], -1, 0)
    assert ((output["voicing"].numpy() > 0) == (spoken > 0)).mean() > 0.95
    error = np.abs(output["pitch"] - value)[spoken > 0]
    assert error.mean() < 0.05
    assert np.abs(output["phone_pitch"] - expected["phone_pitch"]).mean() < 0.1
