"""Makes speech from mel spectrograms or from recordings.

The input is a mel spectrogram (.npy, shape (frames, mels)), a recording,
which is analysed first and then spoken anew, or a folder of either. A sound
file of the same name is written for each. A student takes a fraction of the
time that a teacher takes; recordings of any length fit into memory.

The same seed and temperature give the same sound. A temperature below 1
makes it calmer and cleaner, above 1 livelier and noisier.

Before it:  pwavenet distill (or train-teacher)
After it:   listen

Example:
  pwavenet synthesize --model=run/student.keras --input=one.wav --out=sound
"""

import math
from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import (
    define_path,
    existing,
    existing_file,
    writable_folder,
)
from pwavenet_tf.errors import UserError


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model, --input, --out, --seed and --temperature."""
    define_path(
        "model",
        "FILE: A student.keras or teacher.keras.",
        flag_values,
        existing_file,
    )
    define_path(
        "input",
        "PATH: A recording, a mel spectrogram (.npy), or a folder of them.",
        flag_values,
        existing,
    )
    define_path(
        "out",
        "DIR: Folder to write the sound files to.",
        flag_values,
        writable_folder,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "N: Where the random noise starts.",
        lower_bound=0,
        upper_bound=2**63 - 1,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "temperature",
        1.0,
        "T: Scale of the noise.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
    flags.register_validator(
        "temperature", _require_finite, flag_values=flag_values
    )


def _require_finite(temperature: float) -> bool:
    if not math.isfinite(temperature):
        raise UserError(
            f"--temperature={temperature} is not a finite number; 1 samples "
            "from the model itself"
        )
    return True


def run(flag_values: flags.FlagValues) -> None:
    """Writes one sound file for each input."""
    from tqdm import tqdm

    from pwavenet_tf.models import load_model
    from pwavenet_tf.speaking import (
        find_inputs,
        read_mel,
        speak_to_file,
        voice_of,
    )

    model = load_model(Path(flag_values.model))
    inputs = find_inputs(Path(flag_values.input))
    out = Path(flag_values.out)
    voice = voice_of(model)
    mels = {}
    # All of the input is checked before the first sound is made.
    for path in inputs:
        _require_kept(path, out)
        mels[path] = read_mel(path, model.audio)
    samples = sum(map(len, mels.values())) * model.audio.hop_length
    with tqdm(
        total=samples,
        desc="synthesize",
        unit="sample",
        unit_scale=True,
        disable=None,
    ) as bar:
        for path, mel in mels.items():
            speak_to_file(
                voice,
                mel,
                out / f"{path.stem}.wav",
                flag_values.seed,
                flag_values.temperature,
                bar.update,
            )
    print(f"The sound is in {out}: {len(mels)} files.")


def _require_kept(path: Path, out: Path) -> None:
    sound = out / f"{path.stem}.wav"
    if sound.exists() and sound.samefile(path):
        raise UserError(
            f"{path}: would be overwritten by its own synthesis; choose "
            "another --out"
        )
