"""What is wrong with a student, in words, and what may fix it."""

import math
from collections.abc import Callable, Mapping

# After clipping, a term whose gradient is a hundredth hardly moves anything.
POWERLESS = 100.0

# Half the amplitude or twice as much is clearly audible. Healthy students stay
# within 4 dB from their first reports on.
LEVEL_DB = 6.0

# Of the recordings' standard deviation. Below a tenth, -20 dB, an offset
# neither clicks where a sound begins nor costs headroom.
OFFSET = 0.1

# Above so much, at 16 kHz, there are clicks in every second.
CLIPPED = 1e-4

# A band with twice the recordings' amplitude is audible as a separate sound.
BAND_DB = 6.0

# Over the six octaves from 100 Hz up, 12 dB: it sounds muffled.
TILT_DB = 2.0

# Where speech no longer hides it, noise of three times the amplitude is clearly
# audible; less is usual in a student that is still learning.
PAUSES_DB = 10.0

# More than the recordings' own silence accounts for.
AT_FLOOR = 0.1

# Logistic noise of that scale has a standard deviation of 0.9, Gaussian noise
# of 0.5: no recording is so loud, however unsure the student may be.
RUNAWAY_LOG_SCALE = math.log(0.5)

# A flow that is held so often can't go where the loss wants it to.
SATURATED = 0.1

# The estimate's own error over a validation is some hundredths.
NEGATIVE_KL = -0.1

# Nats per sample: another recording's conditioning makes real speech less
# probable by 0.3 to 1.5.
CONTRAST = 5.0

_BAND_WORDS = {
    "below_300": "below 300 Hz",
    "3000_to_6000": "from 3 to 6 kHz",
    "above_6000": "above 6 kHz",
}


class _Measures(dict):
    """Measures, of which some may be missing: those are not diagnosed."""

    def __missing__(self, name: str) -> float:
        return math.nan

    def over_recorded(self, name: str) -> float:
        return self[name] - self[f"recorded_{name}"]


def diagnose(measures: Mapping[str, float]) -> list[str]:
    """One sentence for each fault: its name, how much, what to do.

    Args:
        measures: What `sound_measures` and `scale_measures` gave, the share
            `saturated_flow_…` of each flow, and the terms of the loss on
            held-out clips as the Distiller names them. What is missing is
            not judged.

    Returns:
        Sentences that begin with the fault's name and a colon; none for a
        healthy student.
    """
    measured = _Measures(measures)
    return [
        sentence
        for check in _CHECKS
        if (sentence := check(measured)) is not None
    ]


def _not_finite(measured: _Measures) -> str | None:
    names = [
        name for name, value in measured.items() if not math.isfinite(value)
    ]
    if not names:
        return None
    return (
        "not finite: on held-out clips there is no finite value of "
        f"{', '.join(names[:3])}{' and more' * (len(names) > 3)}; lower the "
        "learning rate"
    )


def _whispering(measured: _Measures) -> str | None:
    over = measured.over_recorded("level_db")
    if not over < -LEVEL_DB:
        return None
    power, drowned = measured["gradient_power"], ""
    # Without any weight it is not drowned: it is not there.
    ratio = measured["gradient_kl"] / power if power else 0.0
    if ratio > POWERLESS:
        drowned = (
            f" and the KL's gradient is {ratio:.0f} times the power loss's"
        )
    return (
        f"whispering: the student's energy is {-over:.0f} dB below the "
        f"recordings'{drowned}; raise power_weight or lower the KL's "
        "weight"
    )


def _too_loud(measured: _Measures) -> str | None:
    over = measured.over_recorded("level_db")
    if not over > LEVEL_DB:
        return None
    return (
        f"too loud: the student's energy is {over:.0f} dB above the "
        "recordings'; lower the learning rate or raise power_weight"
    )


def _offset(measured: _Measures) -> str | None:
    away = measured.over_recorded("mean")
    std = measured["recorded_deviation"]
    if not abs(away) > OFFSET * std:
        return None
    return (
        f"offset: the student's samples are {away:+.3f} off the recordings' "
        f"mean, {abs(away) / std:.0%} of their standard deviation; train "
        "longer or raise power_weight"
    )


def _clipping(measured: _Measures) -> str | None:
    if not measured.over_recorded("clipped") > CLIPPED:
        return None
    return (
        f"clipping: {measured['clipped']:.2%} of the student's samples lie "
        f"beyond full scale, {measured['recorded_clipped']:.2%} of the "
        "recordings'; raise inner_samples or lower the learning rate"
    )


def _band_excess(measured: _Measures, names: tuple[str, ...]):
    """The loudest of some bands: dB over the recordings', and its name."""
    louder = max(0.0, measured.over_recorded("level_db"))
    found = [
        # What is merely too loud does not hiss.
        (measured.over_recorded(f"band_{name}_db") - louder, name)
        for name in names
    ]
    found = [(over, name) for over, name in found if over > BAND_DB]
    return max(found, default=None)


def _hiss(measured: _Measures) -> str | None:
    found = _band_excess(measured, ("3000_to_6000", "above_6000"))
    if found is None:
        return None
    return (
        f"hiss: the band {_BAND_WORDS[found[1]]} is {found[0]:.0f} dB over "
        "the recordings'; train longer, raise inner_samples, or give a "
        "small exponent of the power loss more weight"
    )


def _rumble(measured: _Measures) -> str | None:
    found = _band_excess(measured, ("below_300",))
    if found is None:
        return None
    return (
        f"rumble: the band {_BAND_WORDS[found[1]]} is {found[0]:.0f} dB over "
        "the recordings'; raise power_weight"
    )


def _dull(measured: _Measures) -> str | None:
    over = measured.over_recorded("tilt")
    if not over < -TILT_DB:
        return None
    return (
        f"dull: the student's spectrum falls by {-over:.1f} dB per octave "
        "more than the recordings'; raise the KL's weight, or give the power "
        "loss less emphasis below 3 kHz"
    )


def _noisy_pauses(measured: _Measures) -> str | None:
    over = measured.over_recorded("pauses_db")
    louder = max(0.0, measured.over_recorded("level_db"))
    if not over - louder > PAUSES_DB:
        return None
    return (
        "noisy pauses: where the recordings are quietest the student is "
        f"{over:.0f} dB above them; train longer, raise inner_samples, or "
        "give a small exponent of the power loss more weight"
    )


def _collapse(measured: _Measures) -> str | None:
    if not measured.over_recorded("at_floor") > AT_FLOOR:
        return None
    return (
        f"collapse: {measured['at_floor']:.0%} of the student's scales lie "
        f"at the floor, the median ln s is {measured['log_scale_50']:.1f}: "
        "it makes one sound only; raise inner_samples, or lower the KL's "
        "starting weight and the learning rate"
    )


def _scales_run_away(measured: _Measures) -> str | None:
    if not measured["log_scale_99"] > RUNAWAY_LOG_SCALE:
        return None
    return (
        "scales run away: one in a hundred of the student's ln s is above "
        f"{measured['log_scale_99']:.1f}, louder than any recording; lower "
        "the learning rate or clip_norm"
    )


def _saturated(measured: _Measures) -> str | None:
    held = {
        name.removeprefix("saturated_flow_"): share
        for name, share in measured.items()
        if name.startswith("saturated_flow_") and share > SATURATED
    }
    if not held:
        return None
    worst = max(held, key=lambda flow: held[flow])
    return (
        f"saturated: flow {worst} has {held[worst]:.0%} of its scales at their "
        "bound, where their gradient vanishes; lower the learning rate, or "
        "give the student more flows"
    )


def _negative_kl(measured: _Measures) -> str | None:
    if not measured["kl"] < NEGATIVE_KL:
        return None
    return (
        f"negative KL: {measured['kl']:.2f} nats per sample, which no KL can "
        "be: the estimate is off; raise inner_samples, and see that the "
        "teacher was trained on such recordings"
    )


def _contrast_runs_away(measured: _Measures) -> str | None:
    wrong = measured["contrastive"] - measured["kl"]
    if not wrong > CONTRAST:
        return None
    return (
        "contrastive loss runs away: under another clip's conditioning the "
        f"KL is {wrong:.1f} nats per sample larger, more than speech calls "
        "for; lower contrastive, its share"
    )


_CHECKS: tuple[Callable[[_Measures], str | None], ...] = (
    _not_finite,
    _whispering,
    _too_loud,
    _offset,
    _clipping,
    _hiss,
    _rumble,
    _dull,
    _noisy_pauses,
    _collapse,
    _scales_run_away,
    _saturated,
    _negative_kl,
    _contrast_runs_away,
)
