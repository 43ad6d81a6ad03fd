"""What is recorded is what is learnt: the same values at the same moment."""

import numpy as np
import pytest
import soundfile

from pwavenet_tf.audio.mel import inverse_normalised
from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.phones.labels import write_labels
from pwavenet_tf.corpus.phones.phones import Phone
from pwavenet_tf.corpus.prepare import prepare

HOP, RATE = 200, 16_000
# It ends within a hop.
CLICK_LENGTH = 6_130
CLICKS = 40


@pytest.fixture(scope="module")
def every_value(tmp_path_factory):
    """Two recordings, each of all 65,536 values once, in another order."""
    folder = tmp_path_factory.mktemp("pcm")
    (folder / "in").mkdir()
    written = {}
    for name in ("a.wav", "b.wav"):
        random = np.random.default_rng(len(written))
        pcm = random.permutation(np.arange(-(2**15), 2**15))
        written[name] = pcm.astype(np.int16)
        soundfile.write(folder / "in" / name, written[name], RATE)
    prepare(folder / "in", folder / "out", preset("nano"))
    return Corpus(folder / "out"), written


def the_one(corpus, split, written):
    """The PCM values of the only recording in a split."""
    (recording,) = corpus.card.recordings(split)
    return written[recording.file]


def test_whole_recordings_are_their_16_bit_values(every_value):
    corpus, written = every_value
    for split in ("training", "validation"):
        for name, audio, _ in corpus.utterances(split):
            assert audio.dtype == np.float32
            np.testing.assert_array_equal(audio * 32768, written[name])


@pytest.mark.parametrize("split", ["training", "validation"])
def test_clips_are_exact_values_as_input_and_as_target(every_value, split):
    """No dequantisation: nothing is added to any of the 65,536 values."""
    corpus, written = every_value
    pcm = the_one(corpus, split, written)
    if split == "training":
        # Far more than one pass over a recording of 328 frames.
        clips = corpus.training_clips(20 * HOP, 3, 1, 4, seed=2).take(40)
    else:
        clips = corpus.validation_clips(20 * HOP, 3, 1, 4)
    place = np.argsort(pcm)
    seen = set()
    for inputs, target, weight in clips:
        np.testing.assert_array_equal(inputs["audio"], target)
        for audio, counts in zip(
            target.numpy() * 32768, weight.numpy() > 0, strict=True
        ):
            if not counts.any():
                continue
            # Each level is there once, so one sample identifies the clip's
            # place.
            one = np.flatnonzero(counts)[0]
            begin = place[int(audio[one]) + 2**15] - one
            real = pcm[begin : begin + len(audio)]
            np.testing.assert_array_equal(audio[: len(real)], real)
            assert not audio[len(real) :].any()
            seen.update(audio[counts].tolist())
    assert len(seen) == 2**16


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """Recordings that are silent but for one sample, which is labelled.

    The phone `click` is as long as the frame that the sample is in.
    """
    folder = tmp_path_factory.mktemp("clicks")
    (folder / "in").mkdir()
    random = np.random.default_rng(0)
    edges = [0, 1, HOP - 1, HOP, HOP + 1, CLICK_LENGTH // 2, CLICK_LENGTH - 1]
    inner = random.integers(0, CLICK_LENGTH, CLICKS - len(edges))
    places = {}
    for number, place in enumerate([*edges, *inner.tolist()]):
        pcm = np.zeros(CLICK_LENGTH, np.int16)
        pcm[place] = random.integers(5_000, 30_000)
        places[f"{number}.wav"] = place
        soundfile.write(folder / "in" / f"{number}.wav", pcm, RATE)
        frame = place // HOP
        end = -(-CLICK_LENGTH // HOP)
        borders = np.array([0, frame, frame + 1, end]) * HOP / RATE
        names = ("before", "click", "after")
        phones = map(Phone, names, borders, borders[1:])
        write_labels(folder / "labels" / f"{number}.csv", phones)
    inputs = ("mel", "linguistic")
    nano = preset("nano")
    prepare(folder / "in", folder / "out", nano, inputs, folder / "labels")
    return Corpus(folder / "out"), places


def require_frame(corpus, features, frame):
    """The click is loudest, and labelled, in the frame of its sample."""
    mel = inverse_normalised(np.asarray(features["mel"]), corpus.contract)
    energy = np.exp(2 * mel.astype(np.float64)).sum(axis=-1)
    # A frame's first sample lies in the middle between two frames' centres, so
    # that it is equally loud in both; everywhere else the tie is broken.
    assert energy[frame] > 0.999 * energy.max()
    click = 1 + corpus.card.phones.index("click")
    labelled = np.flatnonzero(np.asarray(features["phones"])[:, 1] == click)
    assert labelled[0] == frame
    # Behind the end of a recording its last frame is repeated.
    assert (np.diff(labelled) == 1).all()


def test_a_click_is_heard_in_its_own_frame(clicks):
    corpus, places = clicks
    for split in ("training", "validation"):
        for name, audio, features in corpus.utterances(split):
            assert np.flatnonzero(audio).tolist() == [places[name]]
            require_frame(corpus, features, places[name] // HOP)
