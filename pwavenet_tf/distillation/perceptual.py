"""Perceptual losses: the phone classifier's activations compared.

Of the student's audio and the recording (1711.10433, section 4.2). With F_l the
activations of layer l, `(steps, channels)` for each clip:

    feature loss  L_feature = mean_l  Σ ‖F_l(x) - F_l(y)‖² / Σ ‖F_l(y)‖²
    style loss    L_style   = mean_l  Σ ‖G_l(x) - G_l(y)‖² / Σ ‖G_l(y)‖²
    Gram matrix   G_l = F_lᵀ F_l / steps

Norms are Frobenius's; numerator and denominator are summed separately over the
clips of the batch, so that a clip is weighted by its power. The division is the
normalisation: a layer with twice the amplitude, the channels or the steps has
the same weight, and both losses are 1 for audio to which no layer responds.

The feature loss compares step by step; the style loss compares correlations of
channels over the whole clip.
"""

import keras
from keras import ops

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.models.phone_classifier import PhoneClassifier

# Where a layer is zero throughout, 0 / 0 is to be 0.
_TINY = 1e-20


def require_same_contract(
    classifier: PhoneClassifier, audio: AudioContract
) -> None:
    """Refuses a classifier of other audio than the student's.

    Raises:
        UserError: If any field of the contracts differs.
    """
    classifier.audio.require_equal(audio, "the phone classifier", "the student")


def gram(activations):
    """G = Fᵀ F / steps, the second moments of channels.

    Args:
        activations: F, `(batch, steps, channels)`.

    Returns:
        `(batch, channels, channels)`, symmetric, positive semidefinite, the
        same for any order of the steps.
    """
    steps = ops.cast(ops.shape(activations)[1], activations.dtype)
    transposed = ops.transpose(activations, (0, 2, 1))
    return ops.matmul(transposed, activations) / steps


def relative_squared_error(x, target):
    """Σ (x - target)² / Σ target², over all axes: a scalar."""
    distance = ops.sum(ops.square(x - target))
    return distance / (ops.sum(ops.square(target)) + _TINY)


def perceptual_losses(classifier: PhoneClassifier, audio, recording) -> dict:
    """Feature and style loss of audio; the formulae are in the module.

    The gradient reaches `audio` alone: neither the recording nor the
    classifier's weights, whether they are trainable or not. All is float32.

    Args:
        classifier: Trained, of the student's acoustic contract.
        audio: The student's, `(batch, time)`; time = frames * hop length.
        recording: For the same conditioning, likewise.

    Returns:
        `{"feature", "style"}`: scalars, 0 for equal inputs.
    """
    frozen = [(v, ops.stop_gradient(v.value)) for v in classifier.variables]
    with keras.StatelessScope(state_mapping=frozen):
        features = classifier.features(audio)
        targets = classifier.features(ops.stop_gradient(recording))
    pairs = list(zip(features, map(ops.stop_gradient, targets), strict=True))
    return {
        "feature": _mean(relative_squared_error(*pair) for pair in pairs),
        "style": _mean(
            relative_squared_error(gram(one), gram(other))
            for one, other in pairs
        ),
    }


def _mean(values):
    return ops.mean(ops.stack(list(values)))
