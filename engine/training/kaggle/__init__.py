"""Training on Kaggle: kernels by name, their notebooks, inputs and outputs."""
