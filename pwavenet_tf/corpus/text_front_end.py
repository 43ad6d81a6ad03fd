"""The text front end, for models conditioned on phones and pitch."""

import numpy as np

from pwavenet_tf.audio.pitch import pitch_track, sinusoid_track
from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import phone_frames, phone_ids


def features_of_text(
    text: str, contract: AudioContract, conditioning: Conditioning
) -> dict[str, np.ndarray]:
    """Linguistic features and pitch of a text, from its synthesis by espeak-ng.

    espeak-ng provides the phones, their timing and the pitch contour, but not
    its register: log F0 is given around its own mean, as a speaker's is; the
    sinusoids have espeak-ng's own F0. The text is English.

    Returns:
        `phones`, `timing`, `pitch` and `sinusoids`, `(frames, channels)` each.

    Raises:
        UserError: If the model reads a mel spectrogram or no phones, or
            espeak-ng is not installed or finds nothing to synthesize.
    """
    import soxr

    if "mel" in conditioning.inputs:
        raise UserError(
            "this model reads a mel spectrogram, which a text does not have; "
            "give recordings, or a model trained with "
            "--conditioning=linguistic,pitch"
        )
    if "linguistic" not in conditioning.inputs:
        raise UserError(
            "this model reads no phones, so it cannot synthesize a text; give "
            "a model trained with --conditioning=linguistic,pitch"
        )
    speech = Espeak().synthesize(text)
    audio = soxr.resample(
        speech.audio.astype(np.float32),
        speech.sample_rate,
        contract.sample_rate,
        quality="VHQ",
    )
    frames = contract.frames(len(audio))
    ids = phone_ids(conditioning.phones)
    features = phone_frames(speech.phones, ids, frames, contract)
    pitch = pitch_track(audio, contract)
    sinusoids = sinusoid_track(pitch, contract)
    voiced = pitch[:, 1] > 0
    pitch[:, 0] -= pitch[voiced, 0].mean() if voiced.any() else pitch[0, 0]
    return features | {"pitch": pitch, "sinusoids": sinusoids}
