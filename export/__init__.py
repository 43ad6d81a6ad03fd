"""Exports of a trained student, and a client of a served one.

In the repository this folder lies next to the package; it is installed, and
imported from the checkout too, as `pwavenet_tf.export`.
"""
