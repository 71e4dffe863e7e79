"""Timing models in a browser, on this machine or on a phone: a page that LiteRT.js runs them in.

`tab` speaks to the page, `messages` is what may come from it, `contestant` makes the page's models
take their turns in a run like any other; `page/` is the page. The page asks for work and sends what
came out, over one address of this machine, so that nothing has to reach the phone.
"""
