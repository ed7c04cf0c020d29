"""Searches whose fits train together, with default spaces, progress and memory."""
