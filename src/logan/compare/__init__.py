"""Runs of several methods and seeds beside each other: made, read, and put into tables, curves and pictures."""
