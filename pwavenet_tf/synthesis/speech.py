"""Text to speech: a text front end, an acoustic model and a vocoder."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import INPUT_ARRAYS, AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.phones import Phone, phone_frames, phone_ids
from pwavenet_tf.corpus.phones.reader import Reader, paragraph_pause
from pwavenet_tf.models.inputs import require_factors
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer

if TYPE_CHECKING:
    from pwavenet_tf.models.acoustic_model import AcousticModel


class Speaker:
    """Speaks texts with a voice.

    Args:
        acoustic_model: The model, or its `.keras` file, which is read once it
            is needed; or what computes as the model does, as
            `LiteAcousticModel`.
        synthesizer: The vocoder's; it must have the acoustic model's
            contract.
        load: Reads the file.

    Raises:
        UserError: If the vocoder's contract is another, or it reads what an
            acoustic model does not give. With a file, when it is read.

    Example:
        speaker = Speaker("run/acoustic.keras", load_voice("run/student.keras"))
        audio = speaker.say("Good morning.")
    """

    def __init__(
        self,
        acoustic_model: "AcousticModel | str | Path",
        synthesizer: StreamingSynthesizer,
        load: "Callable[[Path], AcousticModel] | None" = None,
    ) -> None:
        self._source = acoustic_model
        self._load = load
        self._synthesizer = synthesizer
        self._own = synthesizer.contract, synthesizer.conditioning
        if not isinstance(acoustic_model, str | Path):
            require_speakable(acoustic_model, *self._own)

    @functools.cached_property
    def acoustic_model(self) -> "AcousticModel":
        """The acoustic model, loaded when it is first needed."""
        if not isinstance(self._source, str | Path):
            return self._source
        if self._load is None:
            from pwavenet_tf.models.loading import load_acoustic_model

            self._load = load_acoustic_model
        model = self._load(Path(self._source))
        require_speakable(model, *self._own)
        return model

    @functools.cached_property
    def reader(self) -> Reader:
        """What turns texts into the acoustic model's phones."""
        return Reader(self.acoustic_model.phones, self.acoustic_model.language)

    @functools.cached_property
    def _generate(self):
        return self.acoustic_model.generate_function()

    def say(
        self,
        text: str,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Speech of a text, float32 `(time,)` in [-1, 1).

        Args:
            text: In the language of the voice; see `sentences`.
            rate: How much faster than the voice's own rate, 0.5 to 2.
            pitch: Factor of F0, 0.5 to 2.
            seed: The same seed gives the same audio.
            temperature: Of the vocoder's noise.

        Raises:
            UserError: If there is nothing to say, the text is in another
                script, or a number is out of bounds.
        """
        blocks = list(self.stream(text, rate, pitch, seed, temperature))
        return np.concatenate(blocks)

    def stream(
        self,
        text: str,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """As `say`, block by block, sentence by sentence."""
        require_factors(self._synthesizer.conditioning, rate, pitch)
        for number, ids in enumerate(self.reader.ids(text)):
            if not len(ids):
                yield paragraph_pause(self._synthesizer.contract, rate)
                continue
            features = self.features(ids, rate, pitch)
            for block in self._synthesizer.chunks(
                features, seed + number, temperature
            ):
                yield block[0]

    def features(
        self, ids: np.ndarray, rate: float = 1.0, pitch: float = 1.0
    ) -> dict[str, np.ndarray]:
        """What the vocoder reads, `(frames, channels)` each.

        Of phones, int32 `(phones,)` from `Reader.ids`; factors as in `say`.
        """
        factors = (np.array([one], np.float32) for one in (rate, pitch))
        made = {
            name: np.asarray(value)[0]
            for name, value in self._generate(ids[None], *factors).items()
        }
        contract = self._synthesizer.contract
        conditioning = self._synthesizer.conditioning
        features = {
            "mel": made["mel"],
            "sinusoids": sinusoid_track(made["pitch"], contract),
        }
        if conditioning.mean_pitch_hz:
            features["pitch"] = relative_pitch(
                made["pitch"], conditioning.mean_pitch_hz
            )
        if "linguistic" in conditioning.inputs:
            features |= phone_frames(
                _timed(
                    [self.acoustic_model.phones[one - 1] for one in ids],
                    made["durations"],
                    contract,
                ),
                phone_ids(conditioning.phones),
                len(made["mel"]),
                contract,
            )
        return {
            array: features[array]
            for name in conditioning.inputs
            for array in INPUT_ARRAYS[name]
        }


def _timed(symbols: list[str], durations: np.ndarray, contract) -> list[Phone]:
    """Phones with their times."""
    hop = contract.hop_length / contract.sample_rate
    ends = np.cumsum(durations) * hop
    starts = ends - durations * hop
    return [
        Phone(*one)
        for one in zip(symbols, starts.tolist(), ends.tolist(), strict=True)
    ]


def require_speakable(
    acoustic_model: "AcousticModel",
    contract: AudioContract,
    conditioning: Conditioning,
) -> None:
    """Refuses a vocoder that cannot read what an acoustic model gives.

    Raises:
        UserError: If its contract is another, or it has several speakers or
            reads an encoding.
    """
    acoustic_model.audio.require_equal(
        contract, "the acoustic model", "the vocoder"
    )
    if "encoding" in conditioning.inputs:
        raise UserError(
            "the vocoder reads an encoding, which no acoustic model gives; "
            "train another one, with --conditioning=mel"
        )
    if "speaker" in conditioning.inputs:
        raise UserError(
            "the vocoder has several speakers, an acoustic model has one; "
            "train both on the recordings of one speaker"
        )
