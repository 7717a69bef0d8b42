"""Checks of the dashboard's JavaScript and CSS: `python -m tools.javascript [--write]`.

TypeScript reads the JSDoc types (jsconfig.json), Biome lints and formats (biome.json). Both come
from npm as the lock file beside this says, once, into `.cache/javascript`.
"""
