"""What all HTML pages share: how they are made, and numbers in them."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

NOT_MEASURED = "–"


def page_environment(package: str) -> "Environment":
    """Finds the templates next to a package's modules, and `page.html.j2`.

    Text is escaped, and a name that a template does not know is an error.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader(package, "."), PackageLoader(__package__, ".")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    return environment


def format_number(value: float | None) -> str:
    """A number for a reader: three significant digits or a whole number.

    10.1, 0.0701, 24,300, −3.8×10⁻⁷; `NOT_MEASURED` for None and NaN.
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    sign = "−" if value < 0 else ""
    size = abs(value)
    if math.isinf(size):
        return f"{sign}∞"
    if size == int(size) and size < 1e7:
        return f"{sign}{int(size):,}"
    exponent = int(f"{size:.2e}".split("e")[1])
    if -4 <= exponent <= 6:
        return f"{sign}{float(f'{size:.3g}'):,.{max(2 - exponent, 0)}f}"
    mantissa, power = f"{size:.1e}".split("e")
    superscript = str(int(power)).translate(
        str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    )
    return f"{sign}{mantissa}×10{superscript}"
