"""Benchmarks of speed and memory; ``python -m benchmarks`` or ``make bench`` runs them all."""
