"""The sample as one self-contained page, made by the standard library alone."""
