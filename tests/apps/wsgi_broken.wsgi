"""Does not load."""

raise RuntimeError("this script is <broken>")
