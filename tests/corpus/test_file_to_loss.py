"""From a 16-bit file to the teacher's loss: nothing is added to a level."""

import dataclasses

import numpy as np
import pytest
import soundfile
import tiny_models
from scipy import special, stats

from pwavenet_tf.core.presets import preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.prepare import prepare

LENGTH = 5_003
CLICK = 2_345


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """One noise to train on, one to hold out, at the tiny models' contract."""
    folder = tmp_path_factory.mktemp("loss")
    (folder / "in").mkdir()
    for seed in range(2):
        levels = np.random.default_rng(seed).integers(-9, 10, LENGTH)
        # A click, and the ends of what 16 bits hold.
        levels[[CLICK, CLICK + 90, CLICK + 180]] = 20_000, -32_768, 32_767
        levels = levels.astype(np.int16)
        soundfile.write(folder / "in" / f"{seed}.wav", levels, 16_000)
    tiny = dataclasses.replace(preset("nano"), audio=tiny_models.CONTRACT)
    prepare(folder / "in", folder / "out", tiny)
    return Corpus(folder / "out"), folder / "in"


@pytest.fixture(scope="module")
def clip(corpus):
    """The training recording as a single clip: inputs, target, weight."""
    frames = corpus[0].contract.frames(LENGTH)
    clips = corpus[0].training_clips(frames * tiny_models.HOP, 0, 0, 1)
    return next(iter(clips))


@pytest.fixture(scope="module")
def levels(corpus):
    """The integers of the training recording's file."""
    corpus, folder = corpus
    (recording,) = corpus.card.training
    return soundfile.read(folder / recording.file, dtype="int16")[0]


def mass_of_bins(cdf, levels):
    """ln P of each level, the outermost with the tails, `(time, parts)`."""
    upper = np.where(levels == 32_767, np.inf, (levels + 0.5) / 32_768)
    lower = np.where(levels == -32_768, -np.inf, (levels - 0.5) / 32_768)
    return np.log(cdf(upper[:, None]) - cdf(lower[:, None]))


@pytest.mark.parametrize("head", ["gaussian", "mixture_of_logistics"])
def test_the_loss_is_the_probability_of_the_files_levels(clip, levels, head):
    """In float64, by SciPy, with the integers read from the file."""
    teacher = tiny_models.teacher(head=head)
    # Broad enough for float64 to resolve the mass of the outermost levels.
    output = teacher.output_parameters
    output.kernel.assign(output.kernel * 0.1)
    scales = slice(1, 2) if head == "gaussian" else slice(6, 9)
    raised = output.bias.numpy()
    raised[scales] += 3.0
    output.bias.assign(raised)
    inputs, target, weight = clip
    parameters = teacher(inputs)
    loss = teacher.compute_loss(
        y=target, y_pred=parameters, sample_weight=weight
    )
    levels = levels.astype(np.float64)
    distribution = teacher.head_class(parameters[0, :LENGTH])
    if head == "gaussian":
        location, scale = distribution.location, distribution.log_scale
        normal = stats.norm(
            np.float64(location)[:, None], np.exp(np.float64(scale))[:, None]
        )
        each = mass_of_bins(normal.cdf, levels)[:, 0]
    else:
        logistic = stats.logistic(
            np.float64(distribution.locations),
            np.exp(np.float64(distribution.log_scales)),
        )
        parts = mass_of_bins(logistic.cdf, levels)
        log_weights = np.float64(distribution.log_weights)
        each = special.logsumexp(log_weights + parts, axis=-1)
    assert np.isfinite(each).all()
    np.testing.assert_allclose(loss, -each.mean(), rtol=1e-5)
