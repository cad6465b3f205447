"""Published checkpoints: where they are, how they are fetched, and how they become bundles."""
