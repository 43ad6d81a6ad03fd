"""The flags that say how the noise is drawn from which sound is made."""

import math

from absl import flags

from pwavenet_tf.errors import UserError


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
