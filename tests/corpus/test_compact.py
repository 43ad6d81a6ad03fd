"""A compact corpus is the same corpus, and clips are the same on a device."""

import dataclasses
import shutil

import keras
import noisy_glides
import numpy as np
import pytest

from pwavenet_tf import cli
from pwavenet_tf.audio.mel import LogMel, mel_filterbank
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.clips import cut_joined
from pwavenet_tf.corpus.compact import FILTERBANK, numpy_log_mel
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus, export_compact
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.training.jax.clips import arrays_of_recordings

LENGTHS = (8_345, 12_001, 9_000, 4_100)
ODD = AudioContract(22_050, 161, 501, 512, 40, 80.0, 7_600.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A prepared corpus, exported in both ways."""
    place = tmp_path_factory.mktemp("compact")
    noisy_glides.write(place / "in", LENGTHS * 3)
    inputs = ("mel", "linguistic", "speaker")
    prepare(place / "in", place / "data", preset("nano"), inputs)
    for name, flags in (("arrays", []), ("compact", ["--compact"])):
        arguments = [f"--data={place / 'data'}", f"--out={place / name}"]
        assert cli.main(["export-corpus", *arguments, *flags]) == 0
    return place


@pytest.mark.parametrize("contract", [preset("paper").audio, ODD])
@pytest.mark.parametrize("length", [1, 300, 12_345])
def test_numpys_mel_spectrogram_is_the_contracts(contract, length):
    audio = np.random.default_rng(length).uniform(-1, 1, length)
    audio = audio.astype(np.float32)
    bands = np.arange(contract.mels)
    normed = dataclasses.replace(
        contract, mel_mean=bands / 10 - 5, mel_deviation=bands / 20 + 0.1
    )
    for one in (contract, normed):
        found = numpy_log_mel(audio, one, mel_filterbank(one))
        np.testing.assert_allclose(found, LogMel(one)(audio), 1e-5, 1e-5)


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_compact_corpus_holds_the_same(place, split):
    whole, compact = (
        recordings["features"] | {"levels": recordings["levels"]}
        for recordings in (
            NumpyCorpus(place / name)._recordings[split]
            for name in ("arrays", "compact")
        )
    )
    assert whole.keys() == compact.keys()
    for key, values in whole.items():
        assert compact[key].dtype == values.dtype
        atol = 1e-5 if key == "mel" else 0
        np.testing.assert_allclose(compact[key], values, atol, atol)


def test_it_is_smaller_and_keeps_to_the_size_that_is_asked_for(place, tmp_path):
    def size(folder):
        files = [one for one in folder.rglob("*") if one.is_file()]
        return sum(one.stat().st_size for one in files)

    # These recordings hold much noise.
    assert size(place / "compact") < 0.6 * size(place / "arrays")
    limit = 0.7 * size(place / "compact") / 1e6
    corpus = Corpus(place / "data")
    card = export_compact(corpus, tmp_path / "small", limit)
    assert size(tmp_path / "small") <= limit * 1e6
    read = NumpyCorpus(tmp_path / "small")
    assert read.card == card
    assert 0 < len(card.training) < len(corpus.card.training)
    assert card.validation and set(card.training) < set(corpus.card.training)
    assert card.contract == corpus.contract
    with pytest.raises(UserError, match="not even two recordings fit"):
        export_compact(corpus, tmp_path / "none", 0.01)
    assert not (tmp_path / "none").exists()


def test_a_size_without_compact_is_refused(place, tmp_path, capsys):
    arguments = [f"--data={place / 'data'}", f"--out={tmp_path / 'out'}"]
    assert cli.main(["export-corpus", *arguments, "--megabytes=5"]) == 2
    assert "--megabytes works with --compact" in capsys.readouterr().err


def test_a_damaged_part_is_refused_with_the_file(place, tmp_path):
    copied = tmp_path / "compact"
    shutil.copytree(place / "compact", copied)
    levels = copied / "training" / "levels.flac"
    whole = levels.read_bytes()
    promising = bytearray(whole)
    # The length, 36 bits of the stream's description.
    promising[21:26] = bytes([whole[21] | 0x0F]) + b"\xff" * 4
    cut = whole[: len(whole) // 2]
    for content in (b"", cut, b"x" * 1_000, promising):
        levels.write_bytes(content)
        with pytest.raises(UserError, match=r"training/levels\.flac: (is|hol)"):
            NumpyCorpus(copied)
    levels.unlink()
    with pytest.raises(UserError, match=r"training/levels\.flac: is missing"):
        NumpyCorpus(copied)
    levels.write_bytes(whole)
    (copied / FILTERBANK).write_bytes(b"no archive")
    with pytest.raises(UserError, match=f"{FILTERBANK}: is damaged"):
        NumpyCorpus(copied)


@pytest.mark.parametrize("kind", ["training_clips", "validation_clips"])
@pytest.mark.parametrize("shape", [(3_400, 3, 1, 2), (200, 0, 0, 3)])
def test_clips_cut_on_the_device_are_those_of_the_corpus(place, kind, shape):
    clips = getattr(NumpyCorpus(place / "arrays"), kind)(*shape)
    count = clips.num_batches or 12
    arrays = keras.tree.map_structure(
        keras.ops.convert_to_tensor, arrays_of_recordings(clips.recordings)
    )
    for number in range(count):
        where = clips.places(number * clips.batch_size, clips.batch_size)
        where = keras.ops.convert_to_tensor(where)
        found = cut_joined(arrays, clips.window, where, keras.ops)
        wanted = clips[number]
        assert found[0].keys() == wanted[0].keys()
        pairs = [(found[0][key], wanted[0][key]) for key in wanted[0]]
        for one, other in [*pairs, *zip(found[1:], wanted[1:], strict=True)]:
            one = keras.ops.convert_to_numpy(one)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
