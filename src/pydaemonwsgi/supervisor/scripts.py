"""The scripts of a process group that are in use: what a successor loads before it serves. Sans-I/O."""

from typing import Final

__all__ = ["ScriptsInUse"]

# A successor should not take long to load what nobody may ask for again; what is not here is left to its requests.
_MOST: Final = 64


class ScriptsInUse(dict[str, str]):
    """The callable object in each script, by the script's path, oldest first.

    What a daemon process says of them is only ever told to its successors, which are the same user.
    """

    def note(self, path: str, callable_object: str) -> None:
        """A request has had a script loaded; of too many, the one that came first is forgotten."""
        if len(self) >= _MOST and path not in self:
            del self[next(iter(self))]
        self[path] = callable_object
