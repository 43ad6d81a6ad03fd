"""Preparation and synthesis as Apache Beam jobs, on as many machines as wanted.

Nothing else needs Apache Beam, and so only modules of this package load it.
"""

import importlib.util
import os

from pwavenet_tf.errors import UserError
from pwavenet_tf.quiet import hold_back_stderr, import_tensorflow


def import_beam() -> None:
    """Imports Apache Beam without its complaints of parts that it lacks.

    Raises:
        UserError: If it is not installed.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            "runners are Apache Beam's, which is not installed; "
            "pip install 'pwavenet_tf[beam]'"
        )
    with hold_back_stderr():
        import apache_beam  # noqa: F401


def import_tensorflow_in_worker() -> None:
    """Imports TensorFlow without its start-up chatter in a worker too."""
    # Inherited from the process that started the job, which had set it; as
    # the user's own it would mean that all is to be seen.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "2":
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
    import_tensorflow()
    # Set again only where TensorFlow was not loaded yet.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
