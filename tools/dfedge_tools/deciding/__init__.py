"""From scores to a decision that keeps a stated promise: ``dfedge calibrate``."""
