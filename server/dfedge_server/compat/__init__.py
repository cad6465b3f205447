"""Endpoints of earlier servers whose clients exist."""
