"""Using a trained generator, ``logan.load("runs/00003-digits-ngd").sample(64, seed=0)``, and the snapshots that hold it."""

from logan.sampling.calibrating import calibration_of
from logan.sampling.guidance import Guidance
from logan.sampling.model import Model, draw_latents, evaluation_step, generate, load

__all__ = ["Guidance", "Model", "calibration_of", "draw_latents", "evaluation_step", "generate", "load"]
