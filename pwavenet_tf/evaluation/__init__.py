"""How good a voice is: metrics, pictures and the listening report."""
