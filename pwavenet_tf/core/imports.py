"""Keeps start-up messages of C++ libraries off the user's screen.

TensorFlow prints a dozen lines about oneDNN, missing GPUs and processor
instructions while its libraries load, straight from C++ to file descriptor 2
and before any setting could stop it. Here they are caught, and shown only if
the import fails.

Someone who sets `TF_CPP_MIN_LOG_LEVEL` to 0 wants to see TensorFlow's messages:
then nothing is held back.
"""

import contextlib
import functools
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# There is one standard error for all threads.
_HELD = threading.RLock()


@functools.cache
def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages.

    Afterwards TensorFlow reports errors only, unless `TF_CPP_MIN_LOG_LEVEL`
    says otherwise. It does nothing if Keras is set to run on another backend.

    Raises:
        ImportError: If TensorFlow cannot be loaded; its messages are printed
            to standard error first.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return
    shown = os.environ.setdefault(LOG_LEVEL, "2") == "0"
    with contextlib.nullcontext() if shown else hold_back_stderr():
        import tensorflow as tf

        # Without a GPU the first look for one logs an error, also if Keras
        # has loaded TensorFlow; with one, an error is news and must be seen.
        if not os.path.exists("/dev/nvidiactl"):
            tf.config.list_physical_devices("GPU")


@contextlib.contextmanager
def hold_back_stderr(
    remarks: re.Pattern[bytes] | None = None,
) -> Iterator[None]:
    """Holds back all that is written to file descriptor 2, C++ included.

    What matches `remarks` is thrown away; the rest, which other threads may
    have written, is printed at the end. Without `remarks` all is thrown away
    unless the body raises an exception, and printed then.
    """
    with _HELD:
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
                held.seek(0)
                text = held.read() if failed or remarks else b""
                os.write(screen, remarks.sub(b"", text) if remarks else text)
                os.close(screen)


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
