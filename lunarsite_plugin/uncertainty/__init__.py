"""MC Dropout uncertainty of the rock network, and the uncertainty of a cell's rank."""
