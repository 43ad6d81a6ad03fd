"""Asks a SavedModel through TensorFlow's C API: no Python of TensorFlow.

    python c_api.py LIBRARIES SAVED_MODEL REQUESTS ANSWERS

Each file NAME.SIGNATURE.npz in the folder REQUESTS holds a request's inputs;
ANSWERS/NAME.SIGNATURE.npz will hold its outputs, or ANSWERS/NAME.SIGNATURE.txt
the number of an error and its message. A stream's requests continue where the
one before ended, in the order of their names, until one of them ends it.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# DataType of types.proto.
STRING = 7
DTYPES = {1: "float32", 3: "int32", 9: "int64", 10: "bool"}
NUMBERS = {np.dtype(name): number for number, name in DTYPES.items()}
STRING_BYTES = 24

Pointer = ctypes.c_void_p


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [
        ("data", Pointer),
        ("length", ctypes.c_size_t),
        ("free", Pointer),
    ]


class Output(ctypes.Structure):
    """TF_Output: an operation's output."""

    _fields_ = [("operation", Pointer), ("index", ctypes.c_int)]


class RefusedError(Exception):
    """What TensorFlow answers in place of a result."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbers and values of a serialised proto's fields."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
            yield key >> 3, message[at : at + size]
            at += size


def signatures(meta_graph: bytes) -> dict[str, tuple[dict, dict]]:
    """Of each signature the tensors of its inputs and of its outputs."""
    found = {}
    for number, entry in fields(meta_graph):
        if number != 5:  # MetaGraphDef.signature_def
            continue
        entry = dict(fields(entry))
        sides = {1: {}, 2: {}}  # SignatureDef.inputs, SignatureDef.outputs
        for side, item in fields(entry[2]):
            if side in sides:
                item = dict(fields(item))
                tensor = dict(fields(item[2]))
                if 1 in tensor:  # TensorInfo.name
                    sides[side][item[1].decode()] = tensor[1].decode()
        found[entry[1].decode()] = (sides[1], sides[2])
    return found


def load(libraries: Path) -> ctypes.CDLL:
    """TensorFlow's libraries as pip installs them."""
    framework = libraries / "libtensorflow_framework.so.2"
    ctypes.CDLL(str(framework), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(libraries / "libtensorflow_cc.so.2"))
    for result, names in {
        Pointer: "NewStatus NewGraph NewSessionOptions AllocateTensor "
        "LoadSessionFromSavedModel GraphOperationByName TensorData "
        "StringGetDataPointer",
        ctypes.c_char_p: "Message",
        ctypes.POINTER(Buffer): "NewBuffer",
        ctypes.c_int64: "Dim",
        ctypes.c_size_t: "TensorByteSize StringGetSize",
    }.items():
        for name in names.split():
            getattr(library, f"TF_{name}").restype = result
    return library


class Served:
    """A SavedModel in a session, as a server has it.

    Args:
        library: What `load` returned.
        folder: The SavedModel.
    """

    def __init__(self, library: ctypes.CDLL, folder: Path) -> None:
        self._library = library
        self._status = Pointer(library.TF_NewStatus())
        self._graph = Pointer(library.TF_NewGraph())
        meta_graph = library.TF_NewBuffer()
        self._session = Pointer(
            library.TF_LoadSessionFromSavedModel(
                Pointer(library.TF_NewSessionOptions()),
                None,
                str(folder).encode(),
                (ctypes.c_char_p * 1)(b"serve"),
                1,
                self._graph,
                meta_graph,
                self._status,
            )
        )
        self._check()
        data, length = meta_graph[0].data, meta_graph[0].length
        self._signatures = signatures(ctypes.string_at(data, length))

    def __call__(self, signature: str, given: dict) -> dict[str, np.ndarray]:
        """A signature's outputs by name; inputs with defaults may lack."""
        inputs, outputs = self._signatures[signature]
        results = (Pointer * len(outputs))()
        self._library.TF_SessionRun(
            self._session,
            None,
            (Output * len(given))(*[self._place(inputs[n]) for n in given]),
            (Pointer * len(given))(*map(self._tensor, given.values())),
            len(given),
            (Output * len(outputs))(*map(self._place, outputs.values())),
            results,
            len(outputs),
            None,
            0,
            None,
            self._status,
        )
        self._check()
        return dict(zip(outputs, map(self._array, results), strict=True))

    def _check(self) -> None:
        code = self._library.TF_GetCode(self._status)
        if code:
            message = self._library.TF_Message(self._status).decode()
            raise RefusedError(f"{code} {message}")

    def _place(self, tensor: str) -> Output:
        operation, index = tensor.rsplit(":", 1)
        found = self._library.TF_GraphOperationByName(
            self._graph, operation.encode()
        )
        return Output(found, int(index))

    def _tensor(self, array: np.ndarray) -> int:
        made = self._library.TF_AllocateTensor(
            NUMBERS[array.dtype],
            (ctypes.c_int64 * array.ndim)(*array.shape),
            array.ndim,
            ctypes.c_size_t(array.nbytes),
        )
        data = self._library.TF_TensorData(Pointer(made))
        ctypes.memmove(data, array.tobytes(), array.nbytes)
        return made

    def _array(self, result: int) -> np.ndarray:
        library, tensor = self._library, Pointer(result)
        rank = library.TF_NumDims(tensor)
        shape = [library.TF_Dim(tensor, axis) for axis in range(rank)]
        kind, data = (
            library.TF_TensorType(tensor),
            library.TF_TensorData(tensor),
        )
        if kind == STRING:
            count = int(np.prod(shape))
            texts = [self._text(data + STRING_BYTES * n) for n in range(count)]
            return np.array(texts).reshape(shape)
        size = library.TF_TensorByteSize(tensor)
        values = ctypes.string_at(data, size) if size else b""
        return np.frombuffer(values, DTYPES[kind]).reshape(shape)

    def _text(self, place: int) -> bytes:
        library, text = self._library, Pointer(place)
        return ctypes.string_at(
            library.TF_StringGetDataPointer(text),
            library.TF_StringGetSize(text),
        )


def main() -> None:
    """Answers every request."""
    libraries, folder, requests, answers = map(Path, sys.argv[1:])
    served = Served(load(libraries), folder)
    state = {}
    for path in sorted(requests.glob("*.npz")):
        signature = path.stem.rpartition(".")[2]
        given = dict(np.load(path))
        if signature == "stream":
            given = state | given
        try:
            found = served(signature, given)
        except RefusedError as error:
            (answers / f"{path.stem}.txt").write_text(str(error))
            continue
        if signature == "stream":
            ended = given.get("end", np.array(False)).any()
            state = {
                name: x
                for name, x in found.items()
                if name.startswith("state_") and not ended
            }
        np.savez(answers / path.name, **found)
    if "tensorflow" in sys.modules:
        sys.exit("TensorFlow's Python has been imported")


if __name__ == "__main__":
    main()
