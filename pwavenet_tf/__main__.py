"""`python -m pwavenet_tf` is the same as `pwavenet`."""

import sys

from pwavenet_tf.cli import main

if __name__ == "__main__":
    sys.exit(main())
