"""The flags that name models: --model, a file, or --voice, one that ships."""

from pathlib import Path

from absl import flags

from pwavenet_tf.commands.path_flags import define_path, existing_file
from pwavenet_tf.errors import UserError
from pwavenet_tf.voices import voice_file, voice_names


def define_model(
    meaning: str,
    flag_values: flags.FlagValues,
    repeated: bool = False,
    required: bool = True,
) -> None:
    """Defines --model and --voice.

    Args:
        meaning: Help of --model.
        flag_values: Where they are defined.
        repeated: Both may be given, and several times; else one of them.
        required: One at least must be given.
    """
    define_path(
        "model",
        meaning,
        flag_values,
        existing_file,
        required=False,
        repeated=repeated,
    )
    define = flags.DEFINE_multi_string if repeated else flags.DEFINE_string
    define(
        "voice",
        None,
        "NAME: Instead of --model, a voice that comes with the package: "
        f"{', '.join(voice_names())}; NAME/teacher is its teacher.",
        flag_values=flag_values,
    )

    def one_of_them(values: dict) -> bool:
        for name in _listed(values["voice"]):
            voice_file(name)
        given = _listed(values["model"]), _listed(values["voice"])
        if required and not any(given):
            raise UserError(
                "--model or --voice is missing; add --model=FILE or "
                f"--voice={voice_names()[0]}"
            )
        if all(given) and not repeated:
            raise UserError("give either --model or --voice, not both")
        return True

    flags.register_multi_flags_validator(
        ["model", "voice"], one_of_them, flag_values=flag_values
    )


def chosen_models(flag_values: flags.FlagValues) -> list[Path]:
    """The files that --model and --voice name."""
    files = [Path(path) for path in _listed(flag_values.model)]
    return files + [voice_file(name) for name in _listed(flag_values.voice)]


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []
