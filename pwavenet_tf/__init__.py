"""Parallel WaveNet for TensorFlow and Keras 3.

The public names, in the order in which a newcomer may want to read them:
settings, data, the teacher, the student, training, and making sound. Each is
loaded when it is first asked for, so `import pwavenet_tf` is quick and does
not load TensorFlow.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pwavenet_tf.bijectors import InverseAutoregressiveFlow
    from pwavenet_tf.callbacks.checkpoint import Checkpoint, load_checkpoint
    from pwavenet_tf.callbacks.health_monitor import (
        HealthMonitor,
        StopWhenNotFinite,
    )
    from pwavenet_tf.callbacks.held_out_sound import HeldOutSound
    from pwavenet_tf.callbacks.progress import ProgressBar
    from pwavenet_tf.callbacks.progress_chart import ProgressChart
    from pwavenet_tf.callbacks.report_log import ReportLog
    from pwavenet_tf.callbacks.speech_board import SpeechBoard
    from pwavenet_tf.config import AudioContract, Conditioning
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.corpus.features import LogMel
    from pwavenet_tf.corpus.prepare import prepare
    from pwavenet_tf.corpus.statistics import with_mel_statistics
    from pwavenet_tf.distiller import Distiller
    from pwavenet_tf.distributions import Gaussian, MixtureOfLogistics, MuLaw
    from pwavenet_tf.errors import UserError
    from pwavenet_tf.export.voices import load_voice
    from pwavenet_tf.phone_classifier import PhoneClassifier
    from pwavenet_tf.phone_training import train_phones
    from pwavenet_tf.presets import preset
    from pwavenet_tf.sampling import generate
    from pwavenet_tf.streaming import Stream
    from pwavenet_tf.student import ParallelWaveNet
    from pwavenet_tf.synthesis import Synthesizer
    from pwavenet_tf.teacher import WaveNet
    from pwavenet_tf.training import distill, train_teacher
    from pwavenet_tf.training_config import PowerLoss

__version__ = "0.1.0"

__all__ = [
    "preset",
    "AudioContract",
    "Conditioning",
    "prepare",
    "Corpus",
    "LogMel",
    "with_mel_statistics",
    "WaveNet",
    "MixtureOfLogistics",
    "MuLaw",
    "Gaussian",
    "InverseAutoregressiveFlow",
    "ParallelWaveNet",
    "PhoneClassifier",
    "Distiller",
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
    "distill",
    "generate",
    "Synthesizer",
    "Stream",
    "load_voice",
    "UserError",
]

_MODULES = {
    "preset": "presets",
    "AudioContract": "config",
    "Conditioning": "config",
    "prepare": "corpus.prepare",
    "Corpus": "corpus.dataset",
    "LogMel": "corpus.features",
    "with_mel_statistics": "corpus.statistics",
    "WaveNet": "teacher",
    "MixtureOfLogistics": "distributions",
    "MuLaw": "distributions",
    "Gaussian": "distributions",
    "InverseAutoregressiveFlow": "bijectors",
    "ParallelWaveNet": "student",
    "PhoneClassifier": "phone_classifier",
    "Distiller": "distiller",
    "PowerLoss": "training_config",
    "ProgressBar": "callbacks.progress",
    "SpeechBoard": "callbacks.speech_board",
    "HealthMonitor": "callbacks.health_monitor",
    "HeldOutSound": "callbacks.held_out_sound",
    "StopWhenNotFinite": "callbacks.health_monitor",
    "ReportLog": "callbacks.report_log",
    "ProgressChart": "callbacks.progress_chart",
    "Checkpoint": "callbacks.checkpoint",
    "load_checkpoint": "callbacks.checkpoint",
    "train_teacher": "training",
    "train_phones": "phone_training",
    "distill": "training",
    "generate": "sampling",
    "Synthesizer": "synthesis",
    "Stream": "streaming",
    "load_voice": "export.voices",
    "UserError": "errors",
}

# In the repository `export/` stands beside this package; an installed package
# has it inside.
_beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.isfile(os.path.join(_beside, "export", "__init__.py")) and (
    os.path.isfile(os.path.join(_beside, "setup.py"))
):
    __path__.append(_beside)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _MODULES[name] not in (
        "config",
        "errors",
        "presets",
        "training_config",
    ):
        _load_models()
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def _load_models() -> None:
    from pwavenet_tf.quiet import import_tensorflow

    import_tensorflow()
    importlib.import_module(f"{__name__}.distiller")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


# Keras finds the classes in a .keras file only if they are registered, and
# their modules register them.
if "keras" in sys.modules:
    _load_models()
