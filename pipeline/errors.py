"""What can go wrong, as types: one base, final errors, and those worth another try."""


class SmartSensorError(Exception):
    """Base of every error that is shown to a user as one line, without a traceback.

    The message names the value, what was allowed, and what to do next.
    """


class Retryable(SmartSensorError):
    """May pass by itself (a locked file, a lost connection): the same call can be tried again."""


class SettingsError(SmartSensorError):
    """A setting in the environment or in `.env` has a value that is not allowed."""


class RigError(SmartSensorError):
    """A rig file cannot be read, contradicts itself, or contradicts what is stored."""


class OtherUnitError(RigError):
    """A channel of a rig is stored in another unit, or as another kind.

    `problem` is the message without advice for the command line.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.problem}; load it under another name with --rig NAME, or give its source's "
            "unit instead"
        )


class SourceError(SmartSensorError):
    """A source of readings cannot be read as a whole (single bad rows are rejects instead)."""


class UnfitColumnsError(SourceError):
    """A source has not the columns of the rig; `proposal` is a rig file that reads it, if any.

    `problem` is the message without advice for the command line.
    """

    def __init__(self, problem: str, proposal: str | None = None) -> None:
        self.problem = problem
        self.proposal = proposal
        advice = (
            "\nIf it is of another rig: save these lines as rig.toml, check them, "
            f"and give it by RIG_FILE=rig.toml or --rig-file:\n\n{proposal}"
        )
        super().__init__(problem + (advice if proposal else ""))


class FormatError(SourceError):
    """A file is neither CSV nor Parquet; the message says what it is taken for."""


class DatabaseError(SmartSensorError):
    """The database refuses, is of an unknown kind, or is damaged."""


class DatabaseFullError(DatabaseError):
    """The disk of the database is full: somebody has to make room before anything is stored."""


class DatabaseUnavailable(DatabaseError, Retryable):
    """The database cannot be reached or is locked by somebody else."""


class DatabaseConflict(DatabaseError, Retryable):
    """Two writers met: nothing of this one was stored, and the next try finds the other's work."""


class OlderThanRetentionError(DatabaseError):
    """Readings of a time of which others have been pruned: nothing tells how they go together."""


class ForeignTableError(DatabaseError):
    """A table of the name TABLE_NAME was made by somebody else; the message says why it stays."""


class UnknownTableError(DatabaseError, LookupError):
    """The table asked for does not exist; the message names those that do."""


class NothingFoundError(SmartSensorError, LookupError):
    """The question is right, but no reading answers it."""


class QueryError(SmartSensorError, ValueError):
    """A filter (date, start, end, points) is malformed; the message gives the format."""
