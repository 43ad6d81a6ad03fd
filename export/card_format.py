"""The format of the cards that exports carry; no TensorFlow is needed."""

from pwavenet_tf.core.errors import UserError

# Raised when a reader of older cards would misunderstand a newer one.
FORMAT = 1


def require_format(card: dict, source: str) -> None:
    """Refuses a card of another format, which comes from `source`."""
    if card.get("format") != FORMAT:
        raise UserError(
            f"{source}: has a card of format {card.get('format')}, but this "
            f"release reads {FORMAT}; export the student again, or install the "
            "release that exported it"
        )
