"""Impact craters: catalogues, detection in elevation models, evaluation and training."""
