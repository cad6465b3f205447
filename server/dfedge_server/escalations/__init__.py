"""API v1: escalations, batches, feedback, models."""
