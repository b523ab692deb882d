"""Joins streams and detectors and adds time: tracks, sightings, meanings, sinks, metrics, the command line."""
