"""Read, check, score and store the readings of a test rig."""

__version__ = "0.1.0"
