"""Real services that tests talk to: browser, databases."""


class ServiceUnavailable(RuntimeError):
    """This machine cannot have the service; the message says what would help."""
