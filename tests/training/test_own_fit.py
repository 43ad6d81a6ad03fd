"""The callbacks of our runs in a `fit` that the user writes."""

import csv
import math

import board_files
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_distiller

import pwavenet_tf as pw


def new_distiller(seed: int = 0) -> pw.Distiller:
    keras.utils.set_random_seed(seed)
    model = tiny_distiller.distiller(inner_samples=1)
    model.compile(
        keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
        run_eagerly=True,
    )
    return model


def fit(model, folder, epochs: int):
    """Two steps an epoch, as anyone may write it; resumes where it was."""
    batches = pw.load_checkpoint(model, folder / "last.weights.h5")
    clips = tiny_distiller.clips()
    data = tf.data.Dataset.from_tensors(clips)
    samples = int(clips[-1].sum())
    return model.fit(
        data.repeat(),
        validation_data=data,
        steps_per_epoch=2,
        initial_epoch=batches // 2,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            pw.StopWhenNotFinite(folder / "last.weights.h5"),
            pw.ProgressBar(2 * epochs, samples),
            pw.HealthMonitor([clips]),
            pw.Checkpoint(folder / "last.weights.h5", batches),
            pw.SpeechBoard(folder / "board", data),
            keras.callbacks.SwapEMAWeights(),
            keras.callbacks.CSVLogger(folder / "log.csv", append=True),
        ],
    ).history


@pytest.mark.network
def test_all_callbacks_work_together_and_a_run_resumes(tmp_path, capsys):
    """To the weights of a run that was not stopped, bit for bit."""
    fit(new_distiller(), tmp_path, 1)
    model = new_distiller(seed=1)
    history = fit(model, tmp_path, 2)
    printed = capsys.readouterr().out
    assert "step 2 of 2: " in printed and "step 4 of 4: " in printed
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    found = board_files.reports(tmp_path / "board" / "validation")
    for name in ("kl", "health/level_db"):
        key = name.replace("health/", "health_")
        key = key if key.startswith("health_") else f"val_{key}"
        assert list(found[name]) == [2, 4]
        assert found[name][4] == np.float32(history[key][0])
        assert found[name][4] == np.float32(rows[1][key])
    (tmp_path / "whole").mkdir()
    whole = new_distiller()
    fit(whole, tmp_path / "whole", 2)
    for one, other in zip(
        whole.student.get_weights(), model.student.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_weight_that_is_not_finite_stops_it_before_anything_is_saved(
    tmp_path,
):
    model = new_distiller()
    bias = model.student.networks[0].output_pair.bias
    bias.assign(np.full(bias.shape, math.nan, "float32"))
    with pytest.raises(pw.UserError, match="there is no checkpoint yet"):
        fit(model, tmp_path, 1)
    assert not list(tmp_path.rglob("*.h5"))
    assert not list((tmp_path / "board").iterdir())
