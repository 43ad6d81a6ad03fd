"""Makes speech from mel spectrograms, recordings or text.

The input is a mel spectrogram (.npy, shape (frames, mels)), features by name
(.npz), a recording, which is analysed first and then spoken anew, or a folder
of these. A sound file of the same name is written for each. A student takes a
fraction of the time that a teacher takes; recordings of any length fit into
memory. With --out=- one sound is written to the standard output while it is
still being made, for a player that reads WAV from there.

A model that was trained on phones and pitch, without a mel spectrogram, also
speaks --text: eSpeak NG decides which phone is said when and lends its melody.
A model of several speakers speaks as --speaker, or as whoever
--speaker_pattern finds in a recording's path.

The same seed and temperature give the same sound. A temperature below 1
makes it calmer and cleaner, above 1 livelier and noisier.

Before it:  pwavenet distill (or train-teacher)
After it:   listen

Example:
  pwavenet synthesize --voice=kathleen --input=one.wav --out=sound
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=sound
  pwavenet synthesize --model=run/teacher.keras --text="Good morning." \\
      --out=sound
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=- | aplay
"""

import sys
from pathlib import Path

from absl import flags

from pwavenet_tf.cli.flags import (
    chosen_models,
    define_labels,
    define_model,
    define_path,
    define_sampling,
    define_speaker_pattern,
    existing,
    writable_folder,
)
from pwavenet_tf.core.errors import UserError

# In the place of a folder, as elsewhere on the command line.
_OUTPUT = "-"


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags."""
    define_model(
        "FILE: A student.keras, a teacher.keras, or an exported .tflite or "
        ".onnx.",
        flag_values,
    )
    define_path(
        "input",
        "PATH: A recording, a mel spectrogram (.npy), features (.npz), or a "
        "folder of them.",
        flag_values,
        existing,
        required=False,
    )
    flags.DEFINE_string(
        "text",
        None,
        "TEXT: What to say, instead of --input; written to text.wav.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "speaker",
        None,
        "NAME: Who is to speak, for a model of several speakers.",
        flag_values=flag_values,
    )
    define_speaker_pattern(flag_values)
    define_labels(flag_values)
    define_path(
        "out",
        "DIR: Folder to write the sound files to, or - to hear the sound "
        "while it is being made.",
        flag_values,
        _folder_or_output,
    )
    define_sampling(flag_values)


def _folder_or_output(name: str, path: str) -> None:
    if path != _OUTPUT:
        writable_folder(name, path)


def run(flag_values: flags.FlagValues) -> None:
    """Writes one sound file for each input."""
    from tqdm import tqdm

    from pwavenet_tf.export.voices import load_voice
    from pwavenet_tf.synthesis.files import (
        synthesize_to_file,
        synthesize_to_pipe,
    )

    if (flag_values.input is None) == (flag_values.text is None):
        raise UserError("give either --input=PATH or --text=TEXT")
    (model,) = chosen_models(flag_values)
    voice = load_voice(model)
    aloud = flag_values.out == _OUTPUT
    out = Path(flag_values.out)
    # All of the input is checked before the first sound is made.
    features = _features(voice, flag_values, out)
    if aloud and len(features) > 1:
        raise UserError(
            f"--out=- speaks one text or recording, but there are "
            f"{len(features)}; name one of them, or give a folder"
        )
    hop = voice.contract.hop_length
    samples = hop * sum(
        max(len(array) for array in one.values() if array.ndim)
        for one in features.values()
    )
    with tqdm(
        total=samples,
        desc="synthesize",
        unit="sample",
        unit_scale=True,
        disable=None,
    ) as bar:
        how = flag_values.seed, flag_values.temperature, bar.update
        for path, one in features.items():
            if aloud:
                synthesize_to_pipe(voice, one, sys.stdout.buffer, *how)
            else:
                synthesize_to_file(voice, one, path, *how)
    if aloud:
        return
    files = "1 file" if len(features) == 1 else f"{len(features)} files"
    print(f"The sound is in {out}: {files}.")


def _features(voice, flag_values: flags.FlagValues, out: Path) -> dict:
    """What to speak, by the sound file that it becomes."""
    from pwavenet_tf.corpus.text_front_end import features_of_text
    from pwavenet_tf.synthesis.files import (
        features_at,
        find_inputs,
        require_utterance,
    )

    speaker = flag_values.speaker
    if flag_values.text is not None:
        features = features_of_text(
            flag_values.text, voice.contract, voice.conditioning
        )
        features = require_utterance(features, voice, speaker, "--text")
        return {out / "text.wav": features}
    place = Path(flag_values.input)
    for path in find_inputs(place):
        _require_kept(path, out)
    found = features_at(
        place,
        voice,
        speaker,
        flag_values.labels and Path(flag_values.labels),
        flag_values.speaker_pattern,
    )
    return {out / f"{path.stem}.wav": one for path, one in found.items()}


def _require_kept(path: Path, out: Path) -> None:
    sound = out / f"{path.stem}.wav"
    if sound.exists() and sound.samefile(path):
        raise UserError(
            f"{path}: would be overwritten by its own synthesis; choose "
            "another --out"
        )
