"""Imported first of all by a program: until it catches signals, Ctrl-C ends it as SIGTERM
does, without a traceback.
"""

import signal

# A caller's own choice, as that of `nohup` and of a test, stays.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
