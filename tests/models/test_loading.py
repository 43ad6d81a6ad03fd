"""Loading saved models."""

import io
import shutil
import warnings
import zipfile

import h5py
import keras
import pytest
import tiny_models
from refused_files import packed

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.loading import load_model, load_student, load_teacher
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.fit import save_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a `teacher.keras` and a `student.keras`."""
    folder = tmp_path_factory.mktemp("models")
    save_model(tiny_models.teacher(), folder / "teacher.keras")
    save_model(tiny_models.student(), folder / "student.keras")
    return folder


def test_a_saved_model_is_known_by_its_kind(files):
    assert isinstance(load_model(files / "teacher.keras"), WaveNet)
    assert isinstance(load_teacher(files / "teacher.keras"), WaveNet)
    assert isinstance(load_model(files / "student.keras"), ParallelWaveNet)
    assert isinstance(load_student(files / "student.keras"), ParallelWaveNet)


def test_a_loaded_model_has_the_contract_of_the_saved_one(files):
    for name in ("teacher.keras", "student.keras"):
        assert load_model(files / name).audio == tiny_models.CONTRACT


def test_a_model_of_the_other_kind_is_refused(files):
    with pytest.raises(UserError, match="student.keras: is a student; name a "):
        load_teacher(files / "student.keras")
    with pytest.raises(UserError, match="teacher.keras: is a teacher; name a "):
        load_student(files / "teacher.keras")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="absent.keras: no such file"):
        load_model(tmp_path / "absent.keras")


def damaged_files(files, folder):
    """Files that are no model, by what is wrong with them."""
    whole = (files / "student.keras").read_bytes()
    contents = {
        "empty": b"",
        "text": b"not a model\n",
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:200] + bytes(len(whole) // 2) + whole[-4_000:],
    }
    paths = []
    for name, content in contents.items():
        paths.append(folder / f"{name}.keras")
        paths[-1].write_bytes(content)
    (folder / "archive").mkdir()
    (folder / "archive" / "notes.txt").write_text("not a model")
    shutil.make_archive(str(folder / "notes"), "zip", folder / "archive")
    paths.append((folder / "notes.zip").rename(folder / "notes.keras"))
    return paths


def test_a_damaged_file_is_named_in_one_line(files, tmp_path):
    for path in damaged_files(files, tmp_path):
        with pytest.raises(UserError) as caught:
            load_model(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: is ")
        assert "\n" not in message
        assert "name a .keras file that" in message


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "more"])
def test_a_model_that_expands_beyond_measure_is_refused(files, tmp_path, name):
    """Whichever part of the archive does."""
    parts = parts_of(files / "student.keras")
    parts[name] = parts.get(name, b"") + bytes(2**27)
    path = packed(tmp_path / "bomb.keras", parts)
    with pytest.raises(UserError, match="would unpack to 134,") as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: has ")


def test_weights_that_store_nothing_are_refused(files, tmp_path):
    """HDF5 may state any shape and store none of it."""
    parts = parts_of(files / "student.keras")
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "a") as file:
        chunked = {"dtype": "f4", "chunks": (2**10,)}
        file.create_dataset("more/vars/0", (2**29,), **chunked)
    parts["model.weights.h5"] = weights.getvalue()
    path = packed(tmp_path / "bomb.keras", parts)
    with pytest.raises(UserError, match="would unpack to 2,147,"):
        load_model(path)


def test_a_model_whose_weights_have_other_sizes_is_one_line(files, tmp_path):
    parts, size = parts_of(files / "student.keras"), b'"residual_channels": '
    assert parts["config.json"].count(size) == 1
    parts["config.json"] = parts["config.json"].replace(size, size + b"9")
    path = packed(tmp_path / "other.keras", parts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UserError, match="not a model that this version"):
            load_model(path)
    assert caught == []


def test_another_kind_of_model_is_named(tmp_path):
    path = tmp_path / "dense.keras"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(path)
    with pytest.raises(UserError, match="holds a Sequential, neither a tea"):
        load_model(path)
