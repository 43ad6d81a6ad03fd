"""The student as a SavedModel that runs without this package."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.core.config import FRAME_ARRAYS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.export.card import card_page, model_card
from pwavenet_tf.export.graphs.features import feature_specs
from pwavenet_tf.export.graphs.signatures import Signatures
from pwavenet_tf.models.acoustic_model import AcousticModel
from pwavenet_tf.models.backend import in_precision
from pwavenet_tf.models.inputs import random_features
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.speech import Speaker, require_speakable
from pwavenet_tf.synthesis.student import Synthesizer

# TensorFlow Serving looks for it in assets.extra.
WARMUP_FILE = "tf_serving_warmup_requests"
CHECKSUM_FILE = "SHA256SUMS"

_TOLERANCE = 1e-5
# Of the largest value of an encoding, which has no bounds.
_ENCODING_TOLERANCE = 1e-4
# F0 is accumulated in another order.
_SPEECH_TOLERANCE = 1e-3


def write_warmup_requests(
    student, model: str, path: Path, acoustic_model=None
) -> None:
    """Writes a warm-up request of one second for each signature.

    The file holds TFRecords of `PredictionLog`; `model` is the served name.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    contract = student.audio
    frames = contract.frames(contract.sample_rate)
    features = {
        name: tf.zeros(
            (1, frames, spec.shape[-1]) if name in FRAME_ARRAYS else (1,),
            spec.dtype,
        )
        for name, spec in feature_specs(student).items()
    }
    requests = {
        "serving_default": features,
        "stream": features,
        "mel_spectrogram": {"audio": tf.zeros((1, contract.sample_rate))},
        "describe": {"row": tf.zeros((1,), tf.int64)},
    }
    if student.conditioner.encoder is not None:
        requests["encode"] = requests["mel_spectrogram"]
    if acoustic_model is not None:
        # About a second of speech.
        requests["say"] = {"phones": tf.ones((1, 12), tf.int64)}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def export_saved_model(
    student: ParallelWaveNet,
    out: Path,
    acoustic_model: AcousticModel | None = None,
) -> Path:
    """Writes `out/1`, or the next free number, as TensorFlow Serving has it.

    Its signatures are `serving_default` (features to audio),
    `mel_spectrogram` (audio to what the student reads), `stream` (features as
    they arrive, with the state as tensors), `describe`, with an encoder
    `encode` (audio to encoding), and with an acoustic model `say` (phones to
    audio); see `Signatures`.
    Long input is computed in chunks: memory grows only with the audio itself.
    `assets.extra` holds `contract.json`, `model_card.json`, `MODEL_CARD.md`,
    the requests that warm the server up, and `SHA256SUMS` of all files.

    Before it is moved to its place it is loaded and compared with the student.

    Args:
        student: The student.
        out: Folder of the versions; its name is that of the model.
        acoustic_model: Makes features of phones; of the student's contract.

    Returns:
        The folder of the version.

    Raises:
        UserError: If it can't be written, the student is not conditioned on
            features of frames, or on what an acoustic model does not give, or
            the graph's audio differs from the student's.
    """
    if not set(feature_specs(student)).intersection(FRAME_ARRAYS):
        listed = ", ".join(student.conditioning.inputs) or "nothing"
        raise UserError(
            f"this student is conditioned on {listed}, which does "
            "not give the length of the audio; a SavedModel needs a student "
            "that is conditioned on a mel spectrogram or other features of "
            "frames"
        )
    if acoustic_model is not None:
        require_speakable(acoustic_model, student.audio, student.conditioning)
        if "linguistic" in student.conditioning.inputs:
            raise UserError(
                "an exported acoustic model serves students that read a mel "
                "spectrogram, pitch or sinusoids, and this one reads phones "
                "itself; leave the acoustic model out"
            )
    out = Path(out)
    version = out / str(_next_version(out))
    synthesizer = Synthesizer(in_precision(student, "float32"))
    card = model_card(synthesizer, acoustic_model)
    with atomic_write(version) as temporary:
        signatures = Signatures(synthesizer.student, card, acoustic_model)
        tf.saved_model.save(
            signatures, str(temporary), signatures=signatures.all()
        )
        # TensorFlow takes brackets and backslashes in the path of what it
        # loads for a pattern.
        with tempfile.TemporaryDirectory() as plain:
            copy = shutil.copytree(temporary, Path(plain) / "voice")
            served = tf.saved_model.load(str(copy))
            difference = _require_equal_audio(synthesizer, served)
            if student.conditioner.encoder is not None:
                _require_equal_encoding(synthesizer.student, served)
            if acoustic_model is not None:
                _require_equal_speech(synthesizer, acoustic_model, served)
        extra = temporary / "assets.extra"
        extra.mkdir()
        cards = {"contract.json": card["contract"], "model_card.json": card}
        for name, content in cards.items():
            text = json.dumps(content, indent=1)
            (extra / name).write_text(text + "\n", "utf-8")
        page = card_page(synthesizer, difference)
        (extra / "MODEL_CARD.md").write_text(page, "utf-8")
        write_warmup_requests(
            student, out.absolute().name, extra / WARMUP_FILE, acoustic_model
        )
        _write_checksums(temporary, extra / CHECKSUM_FILE)
    return version


def _write_checksums(folder: Path, path: Path) -> None:
    """Every file's SHA-256, as `sha256sum --check` reads them.

    TensorFlow compares the checksums of the variables, not the graph's.
    """
    lines = [
        f"{hashlib.sha256(one.read_bytes()).hexdigest()}  "
        f"{one.relative_to(folder).as_posix()}\n"
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    ]
    path.write_text("".join(lines), "ascii")


def _next_version(out: Path) -> int:
    try:
        names = [path.name for path in out.iterdir()] if out.exists() else []
    except OSError as error:
        raise UserError(
            f"{out}: cannot hold a model's versions ({error.strerror}); name "
            "a folder"
        ) from error
    return 1 + max((int(name) for name in names if name.isdecimal()), default=0)


def _require_equal_audio(synthesizer: Synthesizer, served) -> float:
    """Runs the graph on two rows longer than a chunk, one with padding."""
    student, contract = synthesizer.student, synthesizer.contract
    # With the receptive field, so that the second chunk depends on the first.
    frames = synthesizer.chunk_frames + contract.frames(student.receptive_field)
    features = random_features(contract, student.conditioning, 2, frames)
    specs = feature_specs(student)
    seeds, lengths = [7, 8], [frames, frames // 2]
    answer = served.synthesize(
        {name: tf.cast(features[name], specs[name].dtype) for name in specs},
        lengths=tf.constant(lengths, tf.int64),
        seed=tf.constant(seeds, tf.int64),
    )
    differences = []
    for row, length in enumerate(lengths):
        alone = {
            name: x[row, :length] if (x := features[name]).ndim == 3 else x[row]
            for name in specs
        }
        expected = synthesizer(alone, seeds[row])
        differences.append(_row_difference(answer, "audio", row, expected))
    # Unlike Python's max, it propagates NaN.
    worst = np.max(differences)
    if not worst <= _TOLERANCE:
        raise UserError(
            f"the exported graph differs from the student by "
            f"{worst:.1e} (more than {_TOLERANCE}); is the student's "
            "training finished and healthy?"
        )
    return float(worst)


def _require_equal_encoding(student: ParallelWaveNet, served) -> None:
    """Runs `encode` on two rows, one of them shorter."""
    hop = student.audio.hop_length
    lengths = [70 * hop, 11 * hop - 1]
    random = np.random.default_rng(0)
    audio = random.uniform(-0.5, 0.5, (2, lengths[0])).astype(np.float32)
    answer = served.encode(audio, tf.constant(lengths, tf.int64))
    for row, length in enumerate(lengths):
        expected = student.encode(audio[row, :length])
        difference = _row_difference(answer, "encoding", row, expected)
        if not difference <= _ENCODING_TOLERANCE * np.abs(expected).max():
            raise UserError(
                f"the exported signature encode differs from the student by "
                f"{difference:.1e}, more than {_ENCODING_TOLERANCE} of its "
                "largest value; is the student's training finished and healthy?"
            )


def _row_difference(
    answer: dict, name: str, row: int, expected: np.ndarray
) -> float:
    """The largest difference of a row; infinite where lengths differ."""
    actual = answer[name][row, : int(answer["lengths"][row])].numpy()
    if actual.shape != expected.shape:
        return np.inf
    return np.abs(actual - expected).max()


def _require_equal_speech(
    synthesizer: Synthesizer, acoustic_model: AcousticModel, served
) -> None:
    """Runs `say` on two rows of phones, one of them shorter."""
    known = len(acoustic_model.phones)
    rows = [np.arange(12) % known + 1, np.arange(7)[::-1] % known + 1]
    phones = np.zeros((2, 12), np.int64)
    for row, ids in enumerate(rows):
        phones[row, : len(ids)] = ids
    lengths = tf.constant([len(ids) for ids in rows], tf.int64)
    answer = served.say(phones, lengths, seed=tf.constant([7, 8], tf.int64))
    speaker = Speaker(acoustic_model, synthesizer)
    for row, ids in enumerate(rows):
        features = speaker.features(ids.astype(np.int32))
        expected = synthesizer(features, 7 + row)
        difference = _row_difference(answer, "audio", row, expected)
        if not difference <= _SPEECH_TOLERANCE:
            raise UserError(
                f"the exported signature say differs from the models by "
                f"{difference:.1e} (more than {_SPEECH_TOLERANCE}); are both "
                "models trained and healthy?"
            )
