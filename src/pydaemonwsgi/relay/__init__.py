"""The relay: a process that reads logs from pipes and tells them to the syslog daemon."""
