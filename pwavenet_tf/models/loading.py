"""Loading saved models, with a reason where that fails."""

import io
import warnings
from pathlib import Path

import keras

from pwavenet_tf.core.config import Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.sizes import open_archive, require_weights
from pwavenet_tf.corpus.card import FILE_NAME, CorpusCard
from pwavenet_tf.corpus.statistics import GivenStatistics
from pwavenet_tf.models.acoustic_model import AcousticModel
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.teachers import Teacher

# What Keras calls them within the archive.
_WEIGHTS = "model.weights.h5"


def load_model(path: Path) -> Teacher | ParallelWaveNet:
    """Loads a `teacher.keras` or a `student.keras`.

    Raises:
        UserError: If the file is missing, damaged, of another version, or
            holds another kind of model.
    """
    model = _load(path)
    if not isinstance(model, (Teacher, ParallelWaveNet)):
        raise UserError(
            f"{path}: holds a {type(model).__name__}, neither a teacher nor "
            "a student; name a .keras file that train-teacher or distill wrote"
        )
    return model


def load_teacher(path: Path) -> Teacher:
    """Loads a `teacher.keras`; see `load_model`."""
    return _of_kind(path, Teacher, "a student", "teacher.keras")


def load_student(path: Path) -> ParallelWaveNet:
    """Loads a `student.keras`; see `load_model`."""
    return _of_kind(path, ParallelWaveNet, "a teacher", "student.keras")


def load_phone_classifier(path: Path) -> PhoneClassifier:
    """Loads a `phones.keras`; see `load_model`."""
    what = "a phone classifier", "a phones.keras", "train-phones"
    return _written_by(path, PhoneClassifier, *what)


def load_acoustic_model(path: Path) -> AcousticModel:
    """Loads an `acoustic.keras`; see `load_model`."""
    what = "an acoustic model", "an acoustic.keras", "train-acoustic"
    return _written_by(path, AcousticModel, *what)


def statistics_of(path: Path) -> GivenStatistics:
    """The statistics of a model, or of a corpus, for `prepare`.

    The path is that of a `teacher.keras`, a `student.keras`, an
    `acoustic.keras`, or the folder or the `corpus.json` that `prepare` has
    written.
    """
    path = Path(path)
    speakers: tuple[str, ...] = ()
    lists: CorpusCard | Conditioning | AcousticModel
    if path.is_dir() or path.name == FILE_NAME:
        lists = CorpusCard.load(path if path.is_dir() else path.parent)
        contract, speakers = lists.contract, lists.speakers
    elif path.name == "acoustic.keras":
        lists = load_acoustic_model(path)
        contract = lists.audio
    else:
        model = load_model(path)
        contract, lists = model.audio, model.conditioning
        speakers = lists.speakers
    return GivenStatistics(
        str(path), contract, lists.phones, speakers, lists.mean_pitch_hz
    )


def _load(path: Path, origin: str = "train-teacher or distill"):
    """Any Keras model; `origin` is the command that writes the right one."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {what}; name a .keras file")
    if fault := _fault(path):
        raise UserError(
            f"{path}: is damaged or not a model ({fault}); name a .keras file "
            f"that {origin} wrote"
        )
    try:
        # Keras warns of what it then refuses.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False)
    # Keras, h5py, zipfile and json each have their own exceptions for a file
    # that is not what it should be.
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0][:120]
        raise UserError(
            f"{path}: is not a model that this version can load ({reason}); "
            f"name a .keras file that {origin} wrote"
        ) from error


def _fault(path: Path) -> str | None:
    """What is wrong with the archive that a model is, if anything.

    All members' CRC-32 are compared, whichever of them Keras reads. One that
    would unpack to far more than its file has is refused.
    """
    try:
        with path.open("rb") as file, open_archive(file, path) as archive:
            if member := archive.testzip():
                return f"the checksum of {member} does not match"
            weights = io.BytesIO(archive.read(_WEIGHTS))
        require_weights(weights, weights.getbuffer().nbytes, path)
    except UserError:
        raise
    # A damaged header may ask zipfile, zlib and h5py for anything.
    except Exception as error:
        return (str(error) or repr(error)).splitlines()[0][:120]
    return None


def _written_by(path: Path, kind: type, what: str, file: str, command: str):
    model = _load(path, command)
    if not isinstance(model, kind):
        raise UserError(
            f"{path}: holds a {type(model).__name__}, not {what}; name {file} "
            f"that {command} wrote"
        )
    return model


def _of_kind(path: Path, kind: type, actual: str, wanted: str):
    model = load_model(path)
    if not isinstance(model, kind):
        raise UserError(f"{path}: is {actual}; name a {wanted} instead")
    return model
