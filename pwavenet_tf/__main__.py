"""`python -m pwavenet_tf` is the same as `pwavenet`."""

import sys

from pwavenet_tf.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
