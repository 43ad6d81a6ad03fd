"""What is wrong with a student, in words, and what may fix it."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

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

_HISSING = {
    "band_3000_to_6000_db": "from 3 to 6 kHz",
    "band_above_6000_db": "above 6 kHz",
}
_FLOW = "saturated_flow_"


class _Measures(dict):
    """Measures, of which some may be missing: those are not diagnosed."""

    def __missing__(self, name: str) -> float:
        return math.nan

    def over_recorded(self, name: str) -> float:
        return self[name] - self[f"recorded_{name}"]

    def over_level(self, name: str) -> float:
        """dB over the recordings', beyond what being too loud explains."""
        louder = max(0.0, self.over_recorded("level_db"))
        return self.over_recorded(name) - louder

    def hissing(self) -> tuple[float, str]:
        """The loudest of the high bands: dB over the recordings', its name."""
        return _largest({name: self.over_level(name) for name in _HISSING})

    def saturated(self) -> tuple[float, str]:
        """The largest share of scales at their bound, and of which flow."""
        return _largest(
            {name: self[name] for name in self if name.startswith(_FLOW)}
        )


def _largest(values: Mapping[str, float]) -> tuple[float, str]:
    known = [(one, name) for name, one in values.items() if not math.isnan(one)]
    return max(known, key=lambda one: one[0], default=(math.nan, ""))


class _Check(NamedTuple):
    """A fault, which a student has whose value exceeds the limit.

    The value is NaN, which exceeds nothing, if a measure is missing. The
    sentence is formatted with the `value` and with all measures.
    """

    value: Callable[[_Measures], float]
    limit: float
    sentence: str


def diagnose(measures: Mapping[str, float]) -> list[str]:
    """One sentence for each fault: its name and a colon, how much, what to do.

    The measures are what `sound_measures` and `scale_measures` gave, the share
    `saturated_flow_…` of each flow, and the terms of the loss on held-out
    clips as the Distiller names them. What is missing is not diagnosed.
    """
    measured = _Measures(measures)
    words = _Measures(measured | _details(measured))
    return _not_finite(measured) + [
        check.sentence.format_map(_Measures(words, value=value))
        for check in _CHECKS
        if (value := check.value(measured)) > check.limit
    ]


def _not_finite(measured: _Measures) -> list[str]:
    names = [
        name for name, value in measured.items() if not math.isfinite(value)
    ]
    if not names:
        return []
    return [
        "not finite: on held-out clips there is no finite value of "
        f"{', '.join(names[:3])}{' and more' * (len(names) > 3)}; lower the "
        "learning rate"
    ]


def _details(measured: _Measures) -> dict[str, object]:
    """What sentences mention besides the measures themselves."""
    power, outweighed = measured["gradient_power"], ""
    # Without any weight it is not outweighed: it is not there.
    ratio = measured["gradient_kl"] / power if power else 0.0
    if ratio > POWERLESS:
        outweighed = (
            f" and the KL's gradient is {ratio:.0f} times the power loss's"
        )
    return {
        "outweighed": outweighed,
        "offset": measured.over_recorded("mean"),
        "noise": measured.over_recorded("pauses_db"),
        "band": _HISSING.get(measured.hissing()[1]),
        "flow": measured.saturated()[1].removeprefix(_FLOW),
    }


_CHECKS = (
    _Check(
        lambda measured: -measured.over_recorded("level_db"),
        LEVEL_DB,
        "whispering: the student's energy is {value:.0f} dB below the "
        "recordings'{outweighed}; raise power_weight or lower the KL's weight",
    ),
    _Check(
        lambda measured: measured.over_recorded("level_db"),
        LEVEL_DB,
        "too loud: the student's energy is {value:.0f} dB above the "
        "recordings'; lower the learning rate or raise power_weight",
    ),
    _Check(
        lambda measured: (
            abs(measured.over_recorded("mean"))
            / (measured["recorded_deviation"] or math.nan)
        ),
        OFFSET,
        "offset: the student's samples are {offset:+.3f} off the recordings' "
        "mean, {value:.0%} of their standard deviation; train longer or raise "
        "power_weight",
    ),
    _Check(
        lambda measured: measured.over_recorded("clipped"),
        CLIPPED,
        "clipping: {clipped:.2%} of the student's samples lie beyond full "
        "scale, {recorded_clipped:.2%} of the recordings'; raise "
        "inner_samples or lower the learning rate",
    ),
    _Check(
        lambda measured: measured.hissing()[0],
        BAND_DB,
        "hiss: the band {band} is {value:.0f} dB over the recordings'; train "
        "longer, raise inner_samples, or give a small exponent of the power "
        "loss more weight",
    ),
    _Check(
        lambda measured: measured.over_level("band_below_300_db"),
        BAND_DB,
        "rumble: the band below 300 Hz is {value:.0f} dB over the "
        "recordings'; raise power_weight",
    ),
    _Check(
        lambda measured: -measured.over_recorded("tilt"),
        TILT_DB,
        "dull: the student's spectrum falls by {value:.1f} dB per octave more "
        "than the recordings'; raise the KL's weight, or give the power loss "
        "less emphasis below 3 kHz",
    ),
    _Check(
        lambda measured: measured.over_level("pauses_db"),
        PAUSES_DB,
        "noisy pauses: where the recordings are quietest the student is "
        "{noise:.0f} dB above them; train longer, raise inner_samples, or "
        "give a small exponent of the power loss more weight",
    ),
    _Check(
        lambda measured: measured.over_recorded("at_floor"),
        AT_FLOOR,
        "collapse: {at_floor:.0%} of the student's scales lie at the floor, "
        "the median ln s is {log_scale_50:.1f}: it makes one sound only; "
        "raise inner_samples, or lower the KL's starting weight and the "
        "learning rate",
    ),
    _Check(
        lambda measured: measured["log_scale_99"],
        RUNAWAY_LOG_SCALE,
        "scales run away: one in a hundred of the student's ln s is above "
        "{value:.1f}, louder than any recording; lower the learning rate or "
        "clip_norm",
    ),
    _Check(
        lambda measured: measured.saturated()[0],
        SATURATED,
        "saturated: flow {flow} has {value:.0%} of its scales at their bound, "
        "where their gradient vanishes; lower the learning rate, or give the "
        "student more flows",
    ),
    _Check(
        lambda measured: -measured["kl"],
        -NEGATIVE_KL,
        "negative KL: {kl:.2f} nats per sample, which no KL can be: the "
        "estimate is off; raise inner_samples, and see that the teacher was "
        "trained on such recordings",
    ),
    _Check(
        lambda measured: measured["contrastive"] - measured["kl"],
        CONTRAST,
        "contrastive loss runs away: under another clip's conditioning the KL "
        "is {value:.1f} nats per sample larger, more than speech calls for; "
        "lower contrastive, its share",
    ),
)
