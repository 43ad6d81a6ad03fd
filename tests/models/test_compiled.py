"""Models that have a loss of their own are compiled without another."""

import warnings

import keras
import numpy as np
import pytest
import tiny_distiller
import tiny_models

from pwavenet_tf.core.errors import UserError

MODELS = {
    "WaveNet": tiny_models.teacher,
    "Distiller": tiny_distiller.distiller,
    "PhoneClassifier": tiny_models.phone_classifier,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("adam", "mse"), {}),
        (("adam",), {"loss": keras.losses.MeanSquaredError()}),
        ((), {"loss": "mae"}),
        (("adam",), {"loss_weights": [2.0]}),
    ],
)
def test_another_loss_is_refused(name, given, named):
    model = MODELS[name]()
    with pytest.raises(UserError, match=f"{name} has a loss of its own"):
        model.compile(*given, **named)
    assert not model.compiled
    model.compile("sgd", None, None, None, None, True)
    assert model.run_eagerly and isinstance(
        model.optimizer, keras.optimizers.SGD
    )


def test_a_compiled_model_is_loaded_compiled(tmp_path):
    model = tiny_models.teacher()
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    inputs = {"mel": tiny_models.mel(2, 9), "audio": tiny_models.audio(2, 9)}
    model.fit(inputs, inputs["audio"], verbose=0)
    model.save(tmp_path / "teacher.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    assert loaded.compiled and loaded.optimizer.iterations == 1
    for one, other in zip(
        loaded.optimizer.variables, model.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
