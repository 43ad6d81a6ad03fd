"""Flags whose values are numbers: each has bounds, which its message names."""

from absl import flags

Bounds = tuple[float, float]


class NumberParser(flags.ArgumentParser):
    """Reads a number within bounds, both of which are allowed.

    Args:
        bounds: Lowest and highest number.
        whole: Whether only integers are numbers.
    """

    def __init__(self, bounds: Bounds, whole: bool) -> None:
        self.bounds = bounds
        self._type = int if whole else float
        self.syntactic_help = f"a {'whole ' * whole}number {between(bounds)}"

    def parse(self, argument: object) -> float:
        value = self._type(argument)
        lowest, highest = self.bounds
        # So that NaN, which compares with nothing, is refused.
        if not lowest <= value <= highest:
            raise ValueError(self.syntactic_help)
        return value

    def flag_type(self) -> str:
        return self._type.__name__


def between(bounds: Bounds) -> str:
    """Bounds in words."""
    lowest, highest = bounds
    return f"from {lowest:,} to {highest:,}"


def define_number(
    name: str,
    usual: float | None,
    meaning: str,
    bounds: Bounds,
    flag_values: flags.FlagValues,
    whole: bool = False,
) -> None:
    """Defines a flag whose value is a number.

    Args:
        name: The flag's name, without dashes.
        usual: Its default.
        meaning: Its help without the bounds, starting with what stands for the
            value: "N: Clips a step."
        bounds: Lowest and highest number.
        flag_values: Where it is defined.
        whole: Whether only integers are numbers.
    """
    flags.DEFINE(
        NumberParser(bounds, whole),
        name,
        usual,
        f"{meaning} {between(bounds).capitalize()}.",
        flag_values=flag_values,
    )
