"""Whether two forms of a model agree, down to the verdict: ``dfedge verify``."""
