"""Getting a trained student out of the house, to where it is served.

In the repository this folder stands beside the package; it is installed, and
imported from the checkout too, as `pwavenet_tf.export`.
"""
