"""Asks a SavedModel with nothing but TensorFlow: neither Keras nor ours.

    python plain_tensorflow.py SAVED_MODEL REQUESTS ANSWERS

Requests and answers are files as `c_api.py` has them.
"""

import importlib.machinery
import sys
from pathlib import Path


class Refuse:
    """Lets modules be found, for TensorFlow asks where Keras is, and no more.

    TensorFlow imports Keras where it can.
    """

    names = ("pwavenet_tf", "keras", "tf_keras")

    def find_spec(self, name: str, path=None, target=None):
        if name.partition(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, origin="refused")

    def create_module(self, spec) -> None:
        raise ImportError(f"{spec.name} may not be imported here")

    def exec_module(self, module) -> None:
        """Never called, but a loader must have it."""


sys.meta_path.insert(0, Refuse())

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def main() -> None:
    """Answers every request."""
    folder, requests, answers = map(Path, sys.argv[1:])
    # The signatures live as long as what was loaded.
    loaded = tf.saved_model.load(str(folder))
    state = {}
    for path in sorted(requests.glob("*.npz")):
        signature = path.stem.rpartition(".")[2]
        given = dict(np.load(path))
        if signature == "stream":
            given = state | given
        try:
            found = loaded.signatures[signature](
                **{name: tf.constant(x) for name, x in given.items()}
            )
        except tf.errors.InvalidArgumentError as error:
            text = f"{error.error_code} {error.message}"
            (answers / f"{path.stem}.txt").write_text(text)
            continue
        found = {name: x.numpy() for name, x in found.items()}
        if signature == "stream":
            ended = given.get("end", np.array(False)).any()
            state = {
                name: x
                for name, x in found.items()
                if name.startswith("state_") and not ended
            }
        if "card" in found:
            found["card"] = found["card"].astype(bytes)
        np.savez(answers / path.name, **found)
    if imported := set(Refuse.names) & set(sys.modules):
        sys.exit(f"{', '.join(imported)} has been imported")


if __name__ == "__main__":
    main()
