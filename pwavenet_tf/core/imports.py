"""Keeps TensorFlow's start-up messages off the user's screen.

TensorFlow prints a dozen lines about oneDNN, missing GPUs and processor
instructions while its libraries load, straight from C++ to file descriptor 2
and before any setting could stop it. Here they are caught, and shown only if
the import fails.

Someone who sets `TF_CPP_MIN_LOG_LEVEL` wants to see TensorFlow's messages:
then nothing is held back.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages.

    Afterwards TensorFlow reports errors only (`TF_CPP_MIN_LOG_LEVEL` is "2").
    It does nothing if TensorFlow is loaded already, or if Keras is set to
    run on another backend.

    Raises:
        ImportError: If TensorFlow cannot be loaded; its messages are
            printed to standard error first.
    """
    if (
        "tensorflow" in sys.modules
        or os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    ):
        return
    if _LOG_LEVEL in os.environ:
        import tensorflow as tf

        return
    os.environ[_LOG_LEVEL] = "2"
    with hold_back_stderr():
        import tensorflow as tf

        # Without a GPU the first look for one logs an error; with one, an
        # error is news and must be seen.
        if not os.path.exists("/dev/nvidiactl"):
            tf.config.list_physical_devices("GPU")


@contextlib.contextmanager
def hold_back_stderr() -> Iterator[None]:
    """Holds back all that is written to file descriptor 2, C++ included.

    The text is printed after all if the body raises an exception, and thrown
    away otherwise.
    """
    try:
        screen = os.dup(2)
    except OSError:  # A daemon may run without a standard error.
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            _flush()
            os.dup2(screen, 2)
            if failed:
                held.seek(0)
                os.write(screen, held.read())
            os.close(screen)


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
