"""Parallel WaveNet for TensorFlow and Keras 3.

The public names, in the order in which a newcomer may want to read them:
settings, data, the teacher, the student, training, and making sound. Each is
loaded when it is first asked for, so `import pwavenet_tf` is quick and does
not load TensorFlow.
"""

import importlib
import sys
from typing import TYPE_CHECKING

from pwavenet_tf.core.version import __version__

if TYPE_CHECKING:
    from pwavenet_tf.audio.mel import LogMel
    from pwavenet_tf.core.config import AudioContract, Conditioning
    from pwavenet_tf.core.errors import UserError
    from pwavenet_tf.core.presets import preset
    from pwavenet_tf.core.training_config import PowerLoss
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.corpus.prepare import prepare
    from pwavenet_tf.corpus.statistics import with_mel_statistics
    from pwavenet_tf.distillation.distiller import Distiller
    from pwavenet_tf.distillation.spectral import SpectralTrainer
    from pwavenet_tf.export.voices import load_voice
    from pwavenet_tf.models.acoustic_model import AcousticModel
    from pwavenet_tf.models.bijectors import InverseAutoregressiveFlow
    from pwavenet_tf.models.distributions import (
        Gaussian,
        MixtureOfLogistics,
        MuLaw,
    )
    from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
    from pwavenet_tf.models.phone_classifier import PhoneClassifier
    from pwavenet_tf.models.sample_rnn import SampleRNN
    from pwavenet_tf.models.wavenet import WaveNet
    from pwavenet_tf.synthesis.speech import Speaker
    from pwavenet_tf.synthesis.streaming import Stream
    from pwavenet_tf.synthesis.student import Synthesizer
    from pwavenet_tf.synthesis.teacher import generate
    from pwavenet_tf.training.acoustic import train_acoustic
    from pwavenet_tf.training.callbacks.checkpoint import (
        Checkpoint,
        load_checkpoint,
    )
    from pwavenet_tf.training.callbacks.health_monitor import (
        HealthMonitor,
        StopWhenNotFinite,
    )
    from pwavenet_tf.training.callbacks.held_out_sound import HeldOutSound
    from pwavenet_tf.training.callbacks.progress import (
        ProgressBar,
        ProgressChart,
        ReportLog,
    )
    from pwavenet_tf.training.callbacks.speech_board import SpeechBoard
    from pwavenet_tf.training.phone_classifier import train_phones
    from pwavenet_tf.training.runs import distill, train_student, train_teacher

__all__ = [
    "__version__",
    "preset",
    "AudioContract",
    "Conditioning",
    "prepare",
    "Corpus",
    "LogMel",
    "with_mel_statistics",
    "WaveNet",
    "SampleRNN",
    "MixtureOfLogistics",
    "MuLaw",
    "Gaussian",
    "InverseAutoregressiveFlow",
    "ParallelWaveNet",
    "PhoneClassifier",
    "AcousticModel",
    "Distiller",
    "SpectralTrainer",
    "PowerLoss",
    "ProgressBar",
    "SpeechBoard",
    "HealthMonitor",
    "HeldOutSound",
    "StopWhenNotFinite",
    "ReportLog",
    "ProgressChart",
    "Checkpoint",
    "load_checkpoint",
    "train_teacher",
    "train_phones",
    "train_acoustic",
    "train_student",
    "distill",
    "generate",
    "Synthesizer",
    "Stream",
    "load_voice",
    "Speaker",
    "UserError",
]

_MODULES = {
    "preset": "core.presets",
    "AudioContract": "core.config",
    "Conditioning": "core.config",
    "prepare": "corpus.prepare",
    "Corpus": "corpus.dataset",
    "LogMel": "audio.mel",
    "with_mel_statistics": "corpus.statistics",
    "WaveNet": "models.wavenet",
    "SampleRNN": "models.sample_rnn",
    "MixtureOfLogistics": "models.distributions",
    "MuLaw": "models.distributions",
    "Gaussian": "models.distributions",
    "InverseAutoregressiveFlow": "models.bijectors",
    "ParallelWaveNet": "models.parallel_wavenet",
    "PhoneClassifier": "models.phone_classifier",
    "AcousticModel": "models.acoustic_model",
    "Distiller": "distillation.distiller",
    "PowerLoss": "core.training_config",
    "ProgressBar": "training.callbacks.progress",
    "SpeechBoard": "training.callbacks.speech_board",
    "HealthMonitor": "training.callbacks.health_monitor",
    "HeldOutSound": "training.callbacks.held_out_sound",
    "StopWhenNotFinite": "training.callbacks.health_monitor",
    "ReportLog": "training.callbacks.progress",
    "ProgressChart": "training.callbacks.progress",
    "Checkpoint": "training.callbacks.checkpoint",
    "load_checkpoint": "training.callbacks.checkpoint",
    "train_teacher": "training.runs",
    "train_phones": "training.phone_classifier",
    "train_acoustic": "training.acoustic",
    "train_student": "training.runs",
    "SpectralTrainer": "distillation.spectral",
    "distill": "training.runs",
    "generate": "synthesis.teacher",
    "Synthesizer": "synthesis.student",
    "Stream": "synthesis.streaming",
    "load_voice": "export.voices",
    "Speaker": "synthesis.speech",
    "UserError": "core.errors",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _MODULES[name].startswith("core."):
        _load_models()
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def _load_models() -> None:
    from pwavenet_tf.core.imports import import_tensorflow

    import_tensorflow()
    for module in ("distillation.distiller", "models.acoustic_model"):
        importlib.import_module(f"{__name__}.{module}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


# Keras finds the classes in a .keras file only if they are registered, and
# their modules register them.
if "keras" in sys.modules:
    _load_models()
