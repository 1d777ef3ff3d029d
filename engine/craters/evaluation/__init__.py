"""Evaluation of detections against a crater catalogue, and diagnosis of missed craters."""
