"""An address as a QR code for a terminal, where the extra `qr` is installed."""

import io
import sys
from contextlib import suppress


def qr_text(address: str) -> str | None:
    """The code as lines of text, light on dark as terminals are; None without the extra."""
    with suppress(ModuleNotFoundError):
        import segno

        text = io.StringIO()
        segno.make(address, error="l").terminal(out=text, compact=True)
        return text.getvalue()
    return None


def show_qr(address: str) -> None:
    """Prints it on stderr where that is a terminal and the extra is there, else nothing."""
    if sys.stderr is not None and sys.stderr.isatty() and (text := qr_text(address)):
        print(text, file=sys.stderr, flush=True)
