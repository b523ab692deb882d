"""Pictures -> Detections: models and their training; knows nothing of time or networks."""
