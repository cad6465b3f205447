"""Logs, metrics and traces; never bodies, never secrets."""
