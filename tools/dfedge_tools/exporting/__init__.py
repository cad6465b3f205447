"""From a trained model to a bundle: graphs, their checks, and the card."""
