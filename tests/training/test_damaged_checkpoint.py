"""A checkpoint, or its record, with one byte changed is refused by name."""

import h5py
import keras
import numpy as np
import pytest

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.training.callbacks.checkpoint import (
    Checkpoint,
    load_checkpoint,
)
from pwavenet_tf.training.run_folder import RunFolder

BATCHES = 7


def compiled() -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def save(path) -> keras.Model:
    model = compiled()
    callback = Checkpoint(path, BATCHES)
    callback.set_model(model)
    callback.on_epoch_end(0)
    return model


def test_no_changed_byte_of_a_checkpoint_changes_a_weight(tmp_path) -> None:
    path = tmp_path / "latest.weights.h5"
    expected = save(path).get_weights()
    whole, model = path.read_bytes(), compiled()
    random = np.random.default_rng(0)
    # The checksum itself, and places all over.
    places = [len(whole) - 1, *random.integers(0, len(whole), 60)]
    refused = 0
    for place in places:
        content = bytearray(whole)
        content[place] ^= random.integers(1, 256)
        path.write_bytes(content)
        try:
            assert load_checkpoint(model, path) == BATCHES
        except UserError as error:
            message = str(error)
            assert message.startswith(f"{path}: is damaged")
            assert message.endswith("; remove it to start again")
            refused += 1
        else:
            for one, other in zip(expected, model.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    assert refused > len(places) * 0.9


def test_a_checkpoint_that_lost_its_checksum_is_refused(tmp_path) -> None:
    path = tmp_path / "latest.weights.h5"
    save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-88])
    with pytest.raises(UserError, match=r"its checksum is missing\); remove"):
        load_checkpoint(compiled(), path)
    # As an earlier version wrote it.
    with h5py.File(path, "a") as file:
        file["batches"].attrs.clear()
    assert load_checkpoint(compiled(), path) == BATCHES


def test_no_changed_byte_of_the_record_passes(tmp_path) -> None:
    run = RunFolder(tmp_path / "teacher.keras", {"seed": "0"}, 40)
    save(run.checkpoint)
    run.begin()
    run.check()
    path = run.backup / "run.json"
    whole = path.read_bytes()
    # Without its name the checksum is not found.
    for place in range(whole.index(b'"checksum"')):
        if not chr(whole[place]).isalnum():
            continue
        content = bytearray(whole)
        content[place] = ord("5" if whole[place] != ord("5") else "6")
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"run\.json: cannot be read"):
            run.check()
