"""Sizes that files state, compared with the files before they are believed.

A header of a few bytes may promise terabytes: because the file was cut off, or
because it was made to fill the memory or the disk of whoever reads it.
"""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from pwavenet_tf.core.errors import UserError, truncated

# What was written by NumPy, Keras or tar expands less, or is this small.
_MOST_EXPANSION = 100
_HARMLESS_BYTES = 2**26

_FORMAT = np.lib.format
_READ_HEADER = {
    (1, 0): _FORMAT.read_array_header_1_0,
    (2, 0): _FORMAT.read_array_header_2_0,
}


def require_expansion(stated: int, actual: int, path: Path) -> None:
    """Refuses content that is far larger than the file that it is packed in.

    Both sizes are in bytes; that of the content is what the file states.
    """
    if stated > max(_HARMLESS_BYTES, _MOST_EXPANSION * actual):
        raise UserError(
            f"{path}: has {actual:,} bytes and would unpack to {stated:,}, "
            "more than any file of this kind does; get it from a source that "
            "you trust"
        )


def open_archive(file: IO[bytes], path: Path) -> zipfile.ZipFile:
    """Opens a zip archive, and refuses one that expands beyond measure.

    Raises:
        zipfile.BadZipFile: If it is not a zip archive, or a damaged one.
    """
    archive = zipfile.ZipFile(file)
    stated = sum(member.file_size for member in archive.infolist())
    require_expansion(stated, path.stat().st_size, path)
    return archive


def load_arrays(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array, or several by name, that `numpy.save` or `savez` wrote.

    Raises:
        UserError: If the file is truncated or damaged, is of another kind,
            would expand beyond measure or holds Python objects.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return _array(file, path.stat().st_size, path)
            arrays = {}
            with open_archive(file, path) as archive:
                for member in archive.infolist():
                    with archive.open(member) as packed:
                        name = member.filename.removesuffix(".npy")
                        arrays[name] = _array(packed, member.file_size, path)
            return arrays
        except UserError:
            raise
        # A damaged file has exceptions of NumPy, zipfile, zlib and the system.
        except Exception as error:
            raise _no_array(path) from error


def require_whole_array(path: Path) -> None:
    """Refuses an `.npy` file that is truncated or of another kind.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        _read_header(file, path.stat().st_size, path)


def _array(file: IO[bytes], size: int, path: Path) -> np.ndarray:
    _read_header(file, size, path)
    file.seek(0)
    return _FORMAT.read_array(file, allow_pickle=False)


def _read_header(file: IO[bytes], size: int, path: Path) -> None:
    """Compares an array's header with the size of its file, in bytes."""
    try:
        version = _FORMAT.read_magic(file)
        shape, _, dtype = _READ_HEADER[version](file)
    except Exception as error:
        raise _no_array(path) from error
    if dtype.hasobject:
        raise _no_array(path)
    if file.tell() + math.prod(shape) * dtype.itemsize > size:
        raise truncated(path)


def _no_array(path: Path) -> UserError:
    return UserError(
        f"{path}: is not a NumPy array file, or damaged; save one with "
        "numpy.save or numpy.savez"
    )


def require_weights(content: Path | IO[bytes], size: int, path: Path) -> None:
    """Refuses HDF5, `size` bytes in the file `path`, of far larger arrays.

    Raises:
        OSError: If it is not HDF5.
    """
    import h5py

    stated = []

    def add(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            stated.append(math.prod(item.shape or ()) * item.dtype.itemsize)

    with h5py.File(content) as file:
        file.visititems(add)
    require_expansion(sum(stated), size, path)
