"""The sample data as one self-contained page, with nothing but Python 3.8."""
