"""Where a run's times come from: one browser on one device, with one adapter.

Times of two browsers are no one result, so a page of another one is turned away, also where a run is
continued: the first page that was timed says which it is, and the journal keeps that. Browsers tell
little of themselves: two phones of one kind are not told apart.
"""

from dataclasses import dataclass

from bokeh_tf.bench.browser.judging import browser_name
from bokeh_tf.bench.browser.messages import Adapter, PageFacts


@dataclass(frozen=True)
class Visit:
    """A page that came.

    Attributes:
        number: how many came before it, and it; a model lives in the one that it was opened in.
        is_here: whether it speaks from an address of this machine, or through one, as a cable does.
    """

    number: int
    facts: PageFacts
    is_here: bool


@dataclass(frozen=True)
class Origin:
    """What a run's times are of; `adapter` is None until WebGPU was timed."""

    browser: PageFacts
    is_here: bool
    adapter: Adapter | None = None

    def refusal(self, browser: PageFacts, *, is_here: bool) -> str | None:
        """What a page of another browser is told, None for one of this."""
        if (browser, is_here) == (self.browser, self.is_here):
            return None
        return _refusal(browser_name(self.browser.user_agent), browser_name(browser.user_agent))

    def refusal_of_adapter(self, adapter: Adapter) -> str | None:
        """What a page whose GPU is another is told, None for the same."""
        if self.adapter is None or adapter == self.adapter:
            return None
        return _refusal(_name(self.adapter), _name(adapter))


def _name(adapter):
    return f"adapter {adapter.name or '(not named)'}"


def _refusal(known, found):
    other = "another one, or on another device" if found == known else found
    return (
        f"This run's times are of {known}, and this page is in {other}: they would be no one result."
        " Open the page there, or measure here in a run of its own, with another --out."
    )
