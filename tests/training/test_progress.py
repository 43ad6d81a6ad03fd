"""What a run shows on the screen."""

import re

import keras
import numpy as np
import pytest
import tqdm
from tiny_run import tiny_preset

from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.training import runs as training
from pwavenet_tf.training.callbacks import progress


@pytest.fixture
def corpus(tiny_run) -> Corpus:
    return Corpus(tiny_run.data)


@pytest.mark.network
def test_each_report_is_a_line_with_held_out_nats(corpus, tmp_path, capsys):
    """Without a terminal nothing else but what is announced."""
    training.train_teacher(corpus, tiny_preset(), tmp_path, 20)
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("teacher: compiling the training step, on two")
    assert "then 20 steps; reports give means" in first
    assert first.endswith("(in brackets: over held-out clips)")
    assert len(lines) == 10
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(
            rf"step {2 * number} of 20: nats \d+\.\d{{3}} \(\d+\.\d{{3}}\)",
            line,
        )


def test_the_bar_counts_steps_shows_speed_and_resumes(monkeypatch, capsys):
    """A run of 40 steps, of which ten were done before."""
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **named):
            super().__init__(**named | {"mininterval": 0})
            bars.append(self)

    monkeypatch.setattr(progress, "Bar", Bar)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.optimizer.iterations.assign(10)
    model.fit(
        np.ones((30, 1)),
        np.ones((30, 1)),
        batch_size=1,
        verbose=0,
        callbacks=[progress.ProgressBar(40, 500)],
    )
    (bar,) = bars
    assert (bar.initial, bar.n, bar.total) == (10, 40, 40)
    assert re.search(r"[\d,]+ samples/s", bar.postfix)
    assert "step 40 of 40" in capsys.readouterr().out
