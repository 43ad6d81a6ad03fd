"""Clips that are cut on the device, from a corpus that lies there whole."""

import numpy as np

from pwavenet_tf.core.errors import UserError

# Places in the samples are int32.
_MOST_SAMPLES = 2**31 - 1


def arrays_of_recordings(recordings: dict) -> dict:
    """The recordings of one split, ready to be moved to a device.

    They are `recordings` of the clips that `NumpyCorpus` gives, as arrays in
    memory; places and lengths are int32.
    """
    if len(recordings["levels"]) > _MOST_SAMPLES:
        raise UserError(
            f"the corpus has {len(recordings['levels'])} samples, and training "
            f"with JAX takes {_MOST_SAMPLES} at most; export fewer recordings"
        )
    features = recordings["features"]
    return {
        name: np.asarray(values, "int16" if name == "levels" else "int32")
        for name, values in recordings.items()
        if name != "features"
    } | {"features": {key: np.asarray(one) for key, one in features.items()}}
