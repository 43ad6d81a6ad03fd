"""Perceptual losses: the student's sound against the recording's, as heard.

As heard by the phone classifier (1711.10433, section 4.2). With F_l the
activations of layer l, `(steps, channels)` for each clip:

    feature loss  L_feature = mean_l  Σ ‖F_l(x) - F_l(y)‖² / Σ ‖F_l(y)‖²
    style loss    L_style   = mean_l  Σ ‖G_l(x) - G_l(y)‖² / Σ ‖G_l(y)‖²
    Gram matrix   G_l = F_lᵀ F_l / steps

Norms are Frobenius's; sums run over the clips of the batch, numerator and
denominator apart, so that a clip of silence has the say of its own power
only. The division is the normalisation: a layer that speaks twice as loud,
has twice the channels or twice the steps weighs the same, and both losses
are 1 for a sound to which no layer responds at all.

The feature loss compares moment by moment; the style loss what sounds
together how often, at any time in the clip.
"""

import keras
from keras import ops

from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.models.phone_classifier import PhoneClassifier

# Where a layer is silent throughout, 0 / 0 is to be 0.
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


def relative_squared_error(found, wanted):
    """Σ (found - wanted)² / Σ wanted², over all axes: a scalar."""
    distance = ops.sum(ops.square(found - wanted))
    return distance / (ops.sum(ops.square(wanted)) + _TINY)


def perceptual_losses(classifier: PhoneClassifier, audio, recording) -> dict:
    """Feature and style loss of audio, for the formulae see this module.

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
        found = classifier.features(audio)
        wanted = classifier.features(ops.stop_gradient(recording))
    pairs = list(zip(found, map(ops.stop_gradient, wanted), strict=True))
    return {
        "feature": _mean(relative_squared_error(*pair) for pair in pairs),
        "style": _mean(
            relative_squared_error(gram(one), gram(other))
            for one, other in pairs
        ),
    }


def _mean(values):
    return ops.mean(ops.stack(list(values)))
