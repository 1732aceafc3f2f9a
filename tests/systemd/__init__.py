"""The unit files under a real systemd, booted from a Debian of its own: `make test-systemd`, as root."""
