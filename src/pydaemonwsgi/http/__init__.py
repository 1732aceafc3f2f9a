"""HTTP/1.x rules for heads and bodies. Sans-I/O."""
