"""The Processing provider: one algorithm per stage, derived from the stage's declaration."""
