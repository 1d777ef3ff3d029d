"""Networks as sequences of steps, and what is built from them: torch modules and ONNX graphs."""
