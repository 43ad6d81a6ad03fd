"""The flags that say how the noise is drawn from which sound is made."""

from absl import flags

from pwavenet_tf.noise_settings import require_temperature


def define_sampling(flag_values: flags.FlagValues) -> None:
    """Defines --seed and --temperature."""
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
        flag_values=flag_values,
    )
    flags.register_validator(
        "temperature", _require_temperature, flag_values=flag_values
    )


def _require_temperature(temperature: float) -> bool:
    require_temperature(temperature, "--temperature")
    return True
