"""A client of a served student, over gRPC or REST.

It needs neither the model nor a front end: the server computes the mel
spectrogram or the encoding too. Over REST it does not even load TensorFlow.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.reader import Reader, paragraph_pause
from pwavenet_tf.export.client import inputs
from pwavenet_tf.export.client.protocol import Deadline, ModelInfo, Servable
from pwavenet_tf.export.client.server import AUDIO, ModelServer, Part
from pwavenet_tf.models.inputs import (
    Features,
    batch_and_frames,
    require_factors,
)

Speech = Features | str | Path


class Client:
    """Synthesizes with a student that TensorFlow Serving serves.

    The version is resolved at the first request, so that all audio of a client
    is of one model. Requests that fail for a transient reason (no server, a
    lost connection, an overload, a timeout) are sent again with growing
    pauses. That is safe: requests change nothing on the server, and carry the
    seed and the stream's state. A client may be used from many threads.

    Args:
        host: `localhost:8500` or `grpc://localhost:8500` for the gRPC port,
            `http://localhost:8501` (or https) for the REST port.
        model: The model's name on the server.
        version: Its version; the newest if None.
        label: Its version by a label, `"stable"` for instance.
        deadline: Seconds that a call may take, all its requests and their
            attempts together; of `stream`, each request. An attempt may take
            half of what is left, the last one all of it.
        attempts: How often a request is sent at most.

    Raises:
        UserError: If the host is no address, or gRPC is not installed.

    Example:
        with Client("localhost:8500") as client:
            audio = client.synthesize("speech.wav", seed=1)
    """

    def __init__(
        self,
        host: str,
        model: str = "voice",
        version: int | None = None,
        label: str | None = None,
        deadline: float = 60.0,
        attempts: int = 5,
    ) -> None:
        if version is not None and label is not None:
            raise UserError(
                f"version {version} and label {label!r} are both given; "
                "choose one"
            )
        if attempts < 1:
            raise UserError(f"attempts is {attempts}; give 1 or more")
        self.host = host
        self._seconds = Deadline(deadline).seconds
        self._server = ModelServer(
            host, Servable(model, version, label), attempts
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._server.close()

    @property
    def card(self) -> dict:
        """The card of the model; see `export.card.model_card`."""
        return self._server.model_info(self._deadline()).card

    @property
    def contract(self) -> AudioContract:
        """The acoustic contract of the model."""
        return self._server.model_info(self._deadline()).contract

    def mel_spectrogram(self, audio: np.ndarray) -> np.ndarray:
        """The mel spectrogram that the model reads, computed by the server.

        Args:
            audio: `(time,)` in [-1, 1), at the contract's sample rate.

        Returns:
            float32 `(frames, mels)`, normalised.

        Raises:
            UserError: If the audio is not valid, or the server does not answer.
        """
        deadline = self._deadline()
        model = self._server.model_info(deadline)
        audio = inputs.one_channel(audio)
        return self._server.analysed(model, "mel", audio, deadline)

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """The encoding of a recording, computed by the server.

        Args:
            audio: `(time,)` in [-1, 1), at the contract's sample rate.

        Returns:
            float32 `(frames, encoding channels)`, to give to `synthesize` as
            `{"encoding": it}`.

        Raises:
            UserError: If the model has no encoder, the audio is not valid, or
                the server does not answer.
        """
        deadline = self._deadline()
        model = self._server.model_info(deadline)
        if "encoding" not in model.conditioning.inputs:
            raise UserError(
                f"{self.host}: {model.servable} has no encoder; serve a model "
                "that was trained with --conditioning=encoding"
            )
        audio = inputs.one_channel(audio)
        return self._server.analysed(model, "encoding", audio, deadline)

    def synthesize(
        self,
        speech: Speech,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        speaker: str | int | None = None,
    ) -> np.ndarray:
        """Synthesizes one utterance.

        Args:
            speech: A mel spectrogram `(frames, mels)` as the contract says,
                or features by name, or the path of a recording to
                resynthesize. Long input is sent in chunks, which join
                exactly.
            seed: The same seed gives the same audio.
            temperature: Scales the noise; 1 samples from the model itself.
            speaker: The speaker, by name or number, where there are several.

        Returns:
            float32 `(time,)` in [-1, 1), `frames * hop length` samples.

        Raises:
            UserError: If the input does not suit the model, or the server
                does not answer, or not with what was asked for.
        """
        deadline = self._deadline()
        model = self._server.model_info(deadline)
        if isinstance(speech, str | Path):
            speech = self._features_of_file(Path(speech), model, deadline)
        features = inputs.request_features(speech, speaker, model)
        noise = inputs.noise_inputs(seed, temperature)
        frames = batch_and_frames(features)[1]
        chunk = inputs.chunk_frames(model.contract)
        if frames > chunk:
            parts = [Part(part) for part in inputs.parts_of(features, chunk)]
            parts[-1] = parts[-1]._replace(end=True)
            audio = self._server.stream(model, parts, noise, lambda: deadline)
            return np.concatenate(list(audio))
        # Not by `stream`, whose state would be sent for nothing.
        return self._server.predict_row(
            model,
            "serving_default",
            features | noise,
            frames,
            AUDIO,
            deadline,
            due=frames * model.contract.hop_length,
        )

    def say(
        self,
        text: str,
        *,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Speech of a text, which is read here and spoken by the server.

        Args:
            text: In the language of the voice.
            rate: How much faster than the voice's own rate, 0.5 to 2.
            pitch: Factor of F0, 0.5 to 2.
            seed: The same seed gives the same audio.
            temperature: As in `synthesize`.

        Returns:
            float32 `(time,)` in [-1, 1).

        Raises:
            UserError: If the model has no acoustic model, espeak-ng is not
                installed here, there is nothing to say, or as `synthesize`.
        """
        sentences = self.stream_speech(
            text, rate=rate, pitch=pitch, seed=seed, temperature=temperature
        )
        return np.concatenate(list(sentences))

    def stream_speech(
        self,
        text: str,
        *,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """As `say`, one sentence after the other, each in one request.

        Yields:
            float32 `(samples,)` in [-1, 1).
        """
        model = self._server.model_info(self._deadline())
        card = model.card.get("acoustic_model")
        if card is None:
            raise UserError(
                f"{self.host}: {model.servable} has no acoustic model, so that "
                "it takes no text; export it with --acoustic_model"
            )
        factors = require_factors(model.conditioning, rate, pitch)
        reader = Reader(card["phones"], card["language"])
        for number, ids in enumerate(reader.ids(text)):
            if not len(ids):
                yield paragraph_pause(model.contract, rate)
                continue
            phones = {"phones": ids[np.newaxis].astype(np.int64)}
            noise = inputs.noise_inputs(seed + number, temperature)
            yield self._server.predict_row(
                model,
                "say",
                phones | factors | noise,
                len(ids),
                AUDIO,
                self._deadline(),
            )

    def stream(
        self,
        parts: Iterable[Features],
        *,
        seed: int = 0,
        temperature: float = 1.0,
        speaker: str | int | None = None,
    ) -> Iterator[np.ndarray]:
        """Synthesizes an utterance while its features arrive.

        Concatenated, the audio equals that of `synthesize`; it comes as soon
        as the model's look-ahead after it is known.

        Args:
            parts: Features as in `synthesize`, any number of frames each. The
                speaker is needed in the first of them only.
            seed: As in `synthesize`.
            temperature: As in `synthesize`.
            speaker: As in `synthesize`.

        Yields:
            float32 `(samples,)` in [-1, 1).

        Raises:
            UserError: As `synthesize`.
        """
        model = self._server.model_info(self._deadline())
        noise = inputs.noise_inputs(seed, temperature)
        parts = self._parts(parts, speaker, model)
        yield from self._server.stream(model, parts, noise, self._deadline)

    def _parts(
        self, given: Iterable[Features], speaker, model: ModelInfo
    ) -> Iterator[Part]:
        features = {}
        for speech in given:
            features = inputs.request_features(speech, speaker, model)
            if "speaker" in features:
                speaker = int(features["speaker"][0])
            chunk = inputs.chunk_frames(model.contract)
            yield from map(Part, inputs.parts_of(features, chunk))
        if features:
            frame = next(inputs.parts_of(features, 1))
            yield Part(frame, valid=False, end=True)

    def _features_of_file(
        self, path: Path, model: ModelInfo, deadline: Deadline
    ) -> dict[str, np.ndarray]:
        read, known = set(model.conditioning.inputs), set(model.analyses)
        if not read & known or read - known - {"speaker"}:
            listed = ", ".join(model.conditioning.inputs)
            raise UserError(
                f"{self.host}: {model.servable} is conditioned on {listed}, "
                "and a recording gives a mel spectrogram or an encoding alone; "
                "give the features by name"
            )
        audio = read_audio(path, model.contract.sample_rate)
        return {
            name: self._server.analysed(model, name, audio, deadline)
            for name in model.analyses
            if name in read
        }

    def _deadline(self) -> Deadline:
        return Deadline(self._seconds)


def synthesize(
    speech: Speech,
    host: str,
    model: str = "voice",
    *,
    seed: int = 0,
    temperature: float = 1.0,
    speaker: str | int | None = None,
    deadline: float = 60.0,
    attempts: int = 5,
) -> np.ndarray:
    """Synthesizes one utterance with a served student; see `Client`.

    Args:
        speech: A mel spectrogram, features by name, or a recording's path.
        host: `localhost:8500` (gRPC) or `http://localhost:8501` (REST).
        model: The model's name on the server.
        seed: The same seed gives the same audio.
        temperature: Scales the noise; 1 samples from the model itself.
        speaker: The speaker, where there are several.
        deadline: Seconds for all of it.
        attempts: How often a request is sent at most.

    Returns:
        float32 `(time,)` in [-1, 1).

    Raises:
        UserError: If the input does not suit the model, or the server does
            not answer, or not with what was asked for.
    """
    with Client(host, model, deadline=deadline, attempts=attempts) as client:
        return client.synthesize(
            speech, seed=seed, temperature=temperature, speaker=speaker
        )
