"""URL -> Frame: containers, clocks and cameras; knows nothing of models."""
