"""Starting a training from the weights of a model that is trained already."""

import dataclasses

import keras

from pwavenet_tf.config import AudioContract, Conditioning
from pwavenet_tf.errors import UserError

# Neither sizes nor what the model reads.
_PASSED_OVER = ("name", "dtype", "trainable", "seed", "audio", "conditioning")
# A list longer than this is not quoted in a message.
_LONGEST = 60

_PREPARE = (
    "prepare the data with --statistics_of=FILE, FILE being that model, which "
    "gives it the model's own statistics"
)


def start_from(model: keras.Model, initial: keras.Model) -> None:
    """Gives a new model the weights of a trained one.

    Args:
        model: A teacher or a student, built for the data.
        initial: A model of the same kind, sizes, contract and conditioning.

    Raises:
        UserError: If they differ, naming the fields.
    """
    if type(model) is not type(initial):
        raise UserError(
            f"the initial model is a {type(initial).__name__}, not a "
            f"{type(model).__name__}; name a model of the same kind"
        )
    _require_same_audio(model.audio, initial.audio)
    _require_same_conditioning(model.conditioning, initial.conditioning)
    theirs = initial.get_config()
    found = [
        _difference(name, mine, theirs[name])
        for name, mine in model.get_config().items()
        if name not in _PASSED_OVER and mine != theirs.get(name)
    ]
    if found:
        raise UserError(
            f"the initial model has other sizes: {', '.join(found)}; train "
            "with the settings that it was trained with"
        )
    model.set_weights(initial.get_weights())


def _require_same_audio(mine: AudioContract, theirs: AudioContract) -> None:
    if found := mine.differences(theirs):
        statistics = all(one.startswith("mel_") for one in found)
        raise UserError(
            "the data and the initial model do not share one acoustic "
            f"contract: {', '.join(found)}; "
            + (_PREPARE if statistics else "prepare the data with its preset")
        )


def _require_same_conditioning(
    mine: Conditioning, theirs: Conditioning
) -> None:
    found = [
        field.name
        for field in dataclasses.fields(mine)
        if getattr(mine, field.name) != getattr(theirs, field.name)
    ]
    if found:
        words = [
            _difference(name, getattr(mine, name), getattr(theirs, name))
            for name in found
        ]
        of_corpus = set(found) <= {"phones", "speakers", "mean_pitch_hz"}
        raise UserError(
            "the data and the initial model differ in their conditioning: "
            f"{', '.join(words)}; "
            + (_PREPARE if of_corpus else "train with the model's own")
        )


def _difference(name: str, mine, theirs) -> str:
    words = f"{mine!r} against {theirs!r}"
    return f"{name} ({words})" if len(words) <= _LONGEST else name
