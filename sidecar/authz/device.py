"""``environment.device_type``: what the client says it is. It controls that, so nothing safe hinges on it alone."""

import re

from .facts import NOT_HAD, Facts

MAX_AGENT = 512
"""Characters of it that are looked at: what comes after tells nothing, and searching 60 KB takes 15 ms."""
_BOT = re.compile(r"bot\b|crawl|spider|slurp|curl/|wget/|python-requests|httpx/|go-http-client", re.IGNORECASE)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|windows phone", re.IGNORECASE)
_DESKTOP = re.compile(r"windows nt|macintosh|x11|cros ", re.IGNORECASE)
_ANDROID = re.compile(r"android", re.IGNORECASE)


def device_type(facts: Facts) -> object:
    """Return desktop, mobile, tablet, bot or unknown: from Sec-CH-UA-Mobile, then User-Agent."""
    hint = facts.header("sec-ch-ua-mobile")
    agent = facts.header("user-agent")
    if agent is NOT_HAD:
        return NOT_HAD
    text = agent[:MAX_AGENT] if isinstance(agent, str) else ""
    if _BOT.search(text):
        return "bot"
    if hint == "?1":
        return "mobile"
    if _TABLET.search(text) or (_ANDROID.search(text) and not _MOBILE.search(text)):
        return "tablet"  # Android tablets say Android without Mobile
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if hint == "?0" or _DESKTOP.search(text) else "unknown"
