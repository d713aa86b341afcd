"""The default sampler: Gaussian processes over mixed spaces and expected hypervolume improvement."""
