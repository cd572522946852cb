"""Using a trained generator, ``logan.load("runs/00003-digits-ngd").sample(64, seed=0)``, and the snapshots that hold it."""

from logan.sampling.model import Model, draw_latents, evaluation_step, generate, load

__all__ = ["Model", "draw_latents", "evaluation_step", "generate", "load"]
