"""Which teachers there are: WaveNet and SampleRNN."""

from pwavenet_tf.core.config import AudioContract, Conditioning, SampleRNNConfig
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.models.sample_rnn import SampleRNN
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.models.wavenet import WaveNet

__all__ = ["SampleRNN", "Teacher", "WaveNet", "kind_of", "teacher_of"]


def teacher_of(
    preset: Preset,
    audio: AudioContract | None = None,
    conditioning: Conditioning | None = None,
) -> Teacher:
    """The untrained teacher of a preset; see `Teacher.from_preset`."""
    return kind_of(preset).from_preset(preset, audio, conditioning)


def kind_of(preset: Preset) -> type[Teacher]:
    """The class of the teacher of a preset."""
    is_recurrent = isinstance(preset.teacher, SampleRNNConfig)
    return SampleRNN if is_recurrent else WaveNet
