"""A port as an option of the command line takes it; imported before it is known what to do."""

_LARGEST_PORT = 65535


def port(text: str) -> int:
    """The port that was typed, 0 for any that is free; `ValueError` where it is none."""
    value = int(text)
    if not 0 <= value <= _LARGEST_PORT:
        raise ValueError
    return value


port.__name__ = "port from 0 to 65535"
