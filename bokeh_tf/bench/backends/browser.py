"""`--on browser`: LiteRT.js in a browser of this machine or of a phone."""

import sys
import webbrowser

from bokeh_tf.bench.backends.backend import Backend
from bokeh_tf.bench.vocabulary import BROWSER_SETTINGS, DEFAULT_BROWSER_SETTINGS
from bokeh_tf.web.port_option import port


def _add_options(parser, _count):
    group = parser.add_argument_group("browser (--threads and --allow-software too)")
    group.add_argument(
        "--browser-settings",
        nargs="+",
        choices=BROWSER_SETTINGS,
        default=DEFAULT_BROWSER_SETTINGS,
        metavar="NAME",
        help=f"of {', '.join(BROWSER_SETTINGS)} (default: the first two)",
    )
    group.add_argument(
        "--browser-port",
        type=port,
        default=0,
        metavar="N",
        help="where the page is (default: a free port); a phone over USB needs one: adb reverse",
    )
    group.add_argument(
        "--lan",
        action="store_true",
        help="serve the page to this machine's network instead, by https; the browser there will ask"
        " about the certificate",
    )
    group.add_argument(
        "--open",
        action="store_true",
        help="open the page in this machine's browser, $BROWSER or the usual one",
    )


def _settings(options):
    """WASM with every number of threads, and WebGPU; one page for all."""
    from bokeh_tf.bench.browser.contestant import BrowserSetting
    from bokeh_tf.bench.browser.tab import Tab
    from bokeh_tf.web.qr import show_qr

    def open_address(address):
        if options.lan:
            show_qr(address)
        if options.open:
            webbrowser.open(address)

    tab = Tab(port=options.browser_port, is_lan=options.lan, open_address=open_address, say=_say)
    settings = []
    for kind in dict.fromkeys(options.browser_settings):
        threads = dict.fromkeys(options.threads) if kind == BROWSER_SETTINGS[0] else (None,)
        settings += [
            BrowserSetting(kind, number, options.allow_software, tab=tab) for number in threads
        ]
    return tuple(settings)


def _say(text):
    print(text, file=sys.stderr, flush=True)


BACKEND = Backend("browser", "LiteRT.js in a browser, here or on a phone", _add_options, _settings)
