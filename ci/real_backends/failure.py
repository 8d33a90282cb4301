"""The error of this package."""


class Failure(Exception):
    """What ends the script."""
