"""The contrastive term: another clip's conditioning must fit worse.

KL(P_S(c₁) ‖ P_T(c₁)) - γ KL(P_S(c₁) ‖ P_T(c₂)) (1711.10433, section 4.3):
the student speaks once, the teacher judges twice.
"""

from keras import ops

from pwavenet_tf.errors import UserError


def of_another_clip(inputs: dict) -> dict:
    """The conditioning of each clip's neighbour in the batch, the last first.

    Args:
        inputs: Arrays with a batch axis of at least two.

    Raises:
        UserError: If there is only one clip, which has no neighbour.
    """
    for values in inputs.values():
        if values.shape[0] == 1:
            raise UserError(
                "the contrastive loss tells the teacher of another clip of "
                "the batch, but there is one clip in it; train with "
                "batch_size 2 or more, or with contrastive=0"
            )
    return {name: ops.roll(values, 1, 0) for name, values in inputs.items()}
