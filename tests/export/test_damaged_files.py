"""A file with one byte changed is refused, or sounds as before.

A changed byte may also hit what no reader uses; it then changes nothing.
"""

import hashlib

import numpy as np
import pytest
import tiny_models

from pwavenet_tf import load_voice
from pwavenet_tf.core.checksum import append_checksum
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.training.fit import save_model

FEATURES = tiny_models.features(1, 6)
CHANGES = 25


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One student as a file of each kind that `load_voice` reads."""
    pytest.importorskip("ai_edge_litert", reason="it is not installed")
    pytest.importorskip("onnxruntime", reason="it is not installed")
    pytest.importorskip("tf2onnx", reason="it is not installed")
    from pwavenet_tf.export.onnx import export_onnx
    from pwavenet_tf.export.tflite import export_tflite

    student = tiny_models.student(**tiny_models.FEW_LAYERS)
    folder = tmp_path_factory.mktemp("voices")
    save_model(student, folder / "voice.keras")
    export_tflite(student, folder / "voice.tflite", block_frames=3)
    export_onnx(student, folder / "voice.onnx")
    return student, {one.suffix[1:]: one for one in folder.iterdir()}


def changed(content: bytes, count: int) -> list[bytes]:
    """Copies with one byte changed at random, spread over the file."""
    random = np.random.default_rng(0)
    edges = np.linspace(0, len(content), count + 1).astype(int)
    copies = []
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        copy = bytearray(content)
        copy[random.integers(first, last)] ^= random.integers(1, 256)
        copies.append(bytes(copy))
    return copies


@pytest.mark.network
@pytest.mark.parametrize("kind", ["keras", "tflite", "onnx"])
def test_a_changed_byte_is_refused_in_a_line_or_inaudible(
    files, tmp_path, kind
) -> None:
    whole = files[1][kind]
    expected = load_voice(whole)(FEATURES, seed=1)
    path = tmp_path / f"copy.{kind}"
    refused = 0
    for content in changed(whole.read_bytes(), CHANGES):
        path.write_bytes(content)
        try:
            found = load_voice(path)(FEATURES, seed=1)
        except UserError as error:
            message = str(error)
            assert message.startswith(f"{path}: ") and "\n" not in message
            assert "damaged" in message or "not a .tflite" in message
            assert "; export " in message or "; name a" in message
            refused += 1
        else:
            np.testing.assert_array_equal(found, expected)
    assert refused > CHANGES / 2


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_without_a_checksum_is_read_as_before(
    files, tmp_path, kind
) -> None:
    whole = files[1][kind]
    older = tmp_path / f"older.{kind}"
    content = whole.read_bytes()[:-88]
    assert content.count(b'"checksum"') == 1
    older.write_bytes(content.replace(b'"checksum"', b'"unstated"'))
    expected = load_voice(whole)(FEATURES, seed=1)
    np.testing.assert_array_equal(load_voice(older)(FEATURES, 1), expected)
    older.write_bytes(content)
    append_checksum(older)
    assert older.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_that_lost_its_checksum_is_refused(
    files, tmp_path, kind
) -> None:
    content = files[1][kind].read_bytes()
    path = tmp_path / f"copy.{kind}"
    # All of the checksum, and the name under which it is found.
    for shorn in (content[:-88], content.replace(b"tf_sha256", b"tf_sha652")):
        path.write_bytes(shorn)
        with pytest.raises(UserError, match="its checksum is missing"):
            load_voice(path)


def test_the_last_64_bytes_are_the_sha256_of_all_but_88(files) -> None:
    for kind in ("tflite", "onnx"):
        content = files[1][kind].read_bytes()
        digest = hashlib.sha256(content[:-88]).hexdigest()
        assert content[-64:].decode("ascii") == digest
