"""One wrapper per kernel facility, no policy."""
