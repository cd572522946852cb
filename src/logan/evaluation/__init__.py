"""From a generator to scores: which images are compared with which, by which detector, and where the results are kept."""
