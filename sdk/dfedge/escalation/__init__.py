"""Escalation: what a device sends when it is unsure, and what comes back."""
