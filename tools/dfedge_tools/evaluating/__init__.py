"""How good a detector is, on which pictures, and how sure one can be: ``dfedge evaluate``."""
