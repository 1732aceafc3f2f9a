"""What the user may ask for: the option table, its validation and everything derived from it. Sans-I/O."""
