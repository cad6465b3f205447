"""Fakes made of genuine pictures, and what happens to a picture on its way to the detector."""
