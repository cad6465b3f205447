"""Why a model scored a face as it did: maps, how faithful they are, and pictures of them."""
