"""Edges only: each file reads like the drawing."""
