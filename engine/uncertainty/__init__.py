"""How sure a network is: MC Dropout, ensembles, calibration, and what lies out of its depth."""
