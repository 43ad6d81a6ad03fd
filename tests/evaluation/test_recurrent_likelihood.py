"""Recordings scored with a SampleRNN: chunk by chunk, as in one pass."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_models

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.evaluation import likelihood
from pwavenet_tf.evaluation.likelihood import (
    RecurrentLikelihood,
    likelihood_of,
)

FRAMES = 11


@pytest.mark.network
@pytest.mark.parametrize("head", ["mu_law", "mixture_of_logistics"])
def test_every_sample_is_scored_once_with_all_of_its_past(
    head, monkeypatch
) -> None:
    monkeypatch.setattr(likelihood, "_CHUNK_FRAMES", 3)
    teacher = tiny_models.recurrent_teacher(
        head=head, conditioning=tiny_models.EVERYTHING
    )
    # The last frame is not full.
    audio = tiny_models.audio(1, FRAMES)[:, :-7]
    features = tiny_models.features(1, FRAMES)
    padded = np.pad(audio, [[0, 0], [0, 7]])
    each = teacher.distribution(features | {"audio": padded}).log_prob(padded)
    score = likelihood_of(teacher, audio.shape[1])(
        audio[0], {name: x[0] for name, x in features.items()}
    )
    assert score.samples == audio.shape[1]
    expected = -tf.reduce_sum(each[0, : audio.shape[1]])
    np.testing.assert_allclose(score.nats, expected, rtol=1e-5)
    assert 0.0 < score.inside_50 < score.inside_90 <= 1.0


def test_probabilities_that_are_not_finite_are_refused() -> None:
    teacher = tiny_models.recurrent_teacher()
    teacher.output_parameters.bias.assign(np.full(9, np.nan, "float32"))
    with pytest.raises(UserError, match="not finite"):
        RecurrentLikelihood(teacher)(
            tiny_models.audio(1, 2)[0], {"mel": tiny_models.mel(1, 2)[0]}
        )
