"""One of several workers that train a teacher together.

    python worker.py NUMBER PORTS DATA OUT STEPS

Writes the weights of each of its epochs to OUT/worker-NUMBER-EPOCH.npz.
"""

import json
import os
import sys
from pathlib import Path

number, ports, data, out, steps = sys.argv[1:]
os.environ["TF_CONFIG"] = json.dumps(
    {
        "cluster": {
            "worker": [f"localhost:{port}" for port in ports.split(",")]
        },
        "task": {"type": "worker", "index": int(number)},
    }
)

import keras  # noqa: E402
import numpy as np  # noqa: E402
from tiny_run import tiny_preset  # noqa: E402

from pwavenet_tf.corpus.dataset import Corpus  # noqa: E402
from pwavenet_tf.training import fit as fitting  # noqa: E402
from pwavenet_tf.training import runs as training  # noqa: E402
from pwavenet_tf.training.callbacks import checkpoint  # noqa: E402
from pwavenet_tf.training.distribution import choose_strategy  # noqa: E402


class Watch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        np.savez(
            Path(out) / f"worker-{number}-{epoch}.npz",
            *self.model.get_weights(),
        )


def main() -> None:
    checkpoint.SECONDS_BETWEEN = 0.0
    callbacks = fitting._callbacks
    fitting._callbacks = lambda *given: [*callbacks(*given), Watch()]
    with choose_strategy("auto").scope():
        keras.utils.set_random_seed(0)
        training.train_teacher(
            Corpus(Path(data)),
            tiny_preset(batch_size=2),
            Path(out) / "run",
            int(steps),
        )


if __name__ == "__main__":
    main()
