"""From what the user asked for to a running server. Shell."""
