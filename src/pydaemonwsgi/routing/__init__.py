"""What a request means: from host and path to what answers it. Sans-I/O, every module of it."""
