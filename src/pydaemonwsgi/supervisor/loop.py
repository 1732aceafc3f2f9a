"""One turn of the supervisor's loop: whoever has something to say is heard. Shell."""

import selectors

__all__ = ["turn"]


def turn(selector: selectors.BaseSelector, timeout: float) -> None:
    """Wait until somebody has something to say, and call what was registered for whoever has.

    Args:
        selector: with a function as the data of each registration.
        timeout: seconds to wait at most.
    """
    for key, _ in selector.select(timeout):
        # One before it in this turn may have had it forgotten, and its descriptor may be another's by now.
        if selector.get_map().get(key.fd) is key:
            key.data()
