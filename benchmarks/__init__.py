"""Measurements, each one command; see README.md beside this file."""
