"""Compares the loop of `train-jax` with Keras's `fit`, both by JAX."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tiny_run

from pwavenet_tf.corpus.card import CorpusCard, Recording
from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus, arrays_of
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.jax.steps import Steps

STEPS, RATE, KEPT = 4, 3e-3, 0.75
SHAPE = (2_000, 2, 1, 2)


def write_corpus(folder: Path, contract) -> NumpyCorpus:
    """Random numbers as recordings."""
    random = np.random.default_rng(0)
    each = tuple(Recording(f"{n}.wav", 5_000 + 700 * n) for n in range(4))
    card = CorpusCard("nano", contract, each[1:], each[:1], (), (), ())
    card.save(folder)
    for split in ("training", "validation"):
        (folder / split).mkdir()
        for name, (kind, shape) in arrays_of(card, split).items():
            values = 2_000 * random.normal(size=shape)
            if name == "lengths":
                values = [one.samples for one in card.recordings(split)]
            elif name == "mel":
                values = values / 2_000
            np.save(folder / split / f"{name}.npy", np.array(values, kind))
    return NumpyCorpus(folder)


def teacher(corpus: NumpyCorpus):
    keras.utils.set_random_seed(3)
    model = WaveNet.from_preset(tiny_run.tiny_preset(), corpus.contract)
    model.build()
    # Adam's first steps are of equal size for the smallest gradients, which
    # are rounding errors: a larger epsilon keeps them small.
    model.compile(
        keras.optimizers.Adam(
            RATE,
            epsilon=1e-3,
            global_clipnorm=1.0,
            use_ema=True,
            ema_momentum=KEPT,
        ),
        jit_compile=True,
    )
    return model


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder), tiny_run.tiny_preset().audio)
    clips = corpus.training_clips(*SHAPE)
    fitted = teacher(corpus)
    shown = fitted.fit(
        clips, steps_per_epoch=STEPS, shuffle=False, verbose=0
    ).history
    tested = teacher(corpus)
    loop = Steps(tested, clips, corpus.validation_clips(*SHAPE))
    loop.compile()
    assert loop.steps_per_call == 1
    for step in range(STEPS):
        loop.train(
            loop.places(step * SHAPE[-1]),
            np.float32([RATE]),
            # Keras begins its average with the weights of the first step.
            np.float32([KEPT if step else 0.0]),
        )
    found = loop.metrics()
    np.testing.assert_allclose(found["nats"], shown["nats"][0], 1e-4)
    # At the end of `fit`, Keras puts the averages into the model.
    for value, wanted in zip(
        loop.arrays()["averages"], fitted.get_weights(), strict=True
    ):
        np.testing.assert_allclose(value, wanted, 1e-4, 1e-5)
    # Keras's own validation of the averaged weights.
    loop.compile_validation(1_000)
    loop.store_averages()
    found = loop.validation_metrics()
    wanted = tested.evaluate(
        corpus.validation_clips(*SHAPE), verbose=0, return_dict=True
    )
    np.testing.assert_allclose(found["nats"], wanted["nats"], 1e-5)


if __name__ == "__main__":
    main()
