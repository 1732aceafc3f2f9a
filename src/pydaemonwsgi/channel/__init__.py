"""The frames between front and daemon process, and the messages between supervisor and its children. Sans-I/O."""
