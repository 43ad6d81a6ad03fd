"""Files that promise more than they hold, refused before memory is filled."""

import contextlib
import io
import tracemalloc

import h5py
import numpy as np
import pytest
from refused_files import packed

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.sizes import (
    load_arrays,
    open_archive,
    require_weights,
    require_whole_array,
)

MEL = np.random.default_rng(0).normal(size=(40, 80)).astype(np.float32)


@contextlib.contextmanager
def refused(message):
    """In one line, and without memory for what is promised."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=message) as caught:
            yield
        assert tracemalloc.get_traced_memory()[1] < 2**24
        assert "\n" not in str(caught.value)
    finally:
        tracemalloc.stop()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def promising(shape):
    """The content of an `.npy` whose header promises another shape."""
    content = npy(MEL)
    header = f"(40, 80), }}{' ' * 40}".encode()
    assert header in content
    wanted = f"{shape}, }}".encode().ljust(len(header))
    return content.replace(header, wanted)


def test_what_numpy_wrote_is_read(tmp_path):
    one, several = tmp_path / "a.npy", tmp_path / "a.npz"
    np.save(one, MEL)
    np.testing.assert_array_equal(load_arrays(one), MEL)
    require_whole_array(one)
    for save in (np.savez, np.savez_compressed):
        save(several, mel=MEL, speaker=np.int32(1), none=np.zeros((0, 3)))
        found = load_arrays(several)
        assert found.keys() == {"mel", "speaker", "none"}
        np.testing.assert_array_equal(found["mel"], MEL)
        assert found["none"].shape == (0, 3)


def test_zeros_may_expand_as_they_do(tmp_path):
    """Half an hour of features of which one is constant."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, voicing=np.zeros((200_000, 3), np.float32))
    assert load_arrays(path)["voicing"].shape == (200_000, 3)


@pytest.mark.parametrize("shape", [(40, 81), (10**10, 80), (10**30, 1)])
def test_an_array_of_which_the_end_is_missing_is_truncated(tmp_path, shape):
    path, content = tmp_path / "a.npy", promising(shape)
    path.write_bytes(content)
    with refused("a.npy: is truncated"):
        load_arrays(path)
    with refused("a.npy: is truncated"):
        require_whole_array(path)
    with refused("a.npz: is truncated"):
        load_arrays(packed(tmp_path / "a.npz", {"mel.npy": content}))


def test_an_archive_that_expands_beyond_measure_is_refused(tmp_path):
    zeros = npy(np.zeros((2**25, 1)))
    path = packed(tmp_path / "a.npz", {"mel.npy": zeros})
    del zeros
    with refused("a.npz: has .* bytes and would unpack to 268,"):
        load_arrays(path)
    with path.open("rb") as file, refused("would unpack to"):
        open_archive(file, path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"\x93NUMPY",
        npy(MEL)[:40],
        b"\x93NUMPY\x01\x00\x05\x00{'a':",
        b"PK\x03\x04",
    ],
)
def test_what_is_no_array_is_refused(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with refused("a.npy: is not a NumPy array file"):
        load_arrays(path)


def test_python_objects_are_never_loaded(tmp_path):
    objects = np.array([{"a": 1}], object)
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "a.npz", mel=objects)
    for name in ("a.npy", "a.npz"):
        with refused(f"{name}: is not a NumPy array file"):
            load_arrays(tmp_path / name)


def test_any_damage_to_an_archive_is_refused_or_harmless(tmp_path):
    """Whatever NumPy, zipfile and zlib make of it."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, mel=MEL)
    content, random = path.read_bytes(), np.random.default_rng(0)
    refusals = 0
    for _ in range(300):
        damaged = bytearray(content)
        where = random.choice(
            [*range(80), *range(len(content) - 120, len(content))]
        )
        damaged[where] = random.integers(256)
        path.write_bytes(damaged)
        try:
            load_arrays(path)
        except UserError:
            refusals += 1
    assert refusals > 100


def test_weights_that_store_nothing_are_refused(tmp_path):
    """HDF5 may state any shape and store none of it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["whole"] = MEL
    require_weights(path, path.stat().st_size, path)
    with h5py.File(path, "a") as file:
        file.create_dataset("empty", (2**40,), "f4", chunks=(1024,))
    with refused("a.h5: has .* would unpack to 4,398,"):
        require_weights(path, path.stat().st_size, path)
