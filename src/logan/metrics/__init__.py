"""Scores of images: detectors (images to features), distances between feature sets, modes of mixtures.

Nothing here knows of configs, runs or files, but for the detectors' own weights. A new detector is one file with a class
like :class:`~logan.metrics.detector.Detector`; a new score is one function of features, entered in
:mod:`logan.evaluation.names`.
"""
