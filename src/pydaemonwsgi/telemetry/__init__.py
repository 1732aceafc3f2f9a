"""Telemetry: what daemon processes tell a collector on the same machine, in datagrams. Written here, gathered there."""
