"""What the processes know about themselves: the scoreboard's layout."""
