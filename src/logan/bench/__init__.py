"""What a step costs: operations, kernels, memory and time, counted and measured rather than guessed."""
