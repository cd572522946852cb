"""What reproduces the tables and figures of the paper, and says whether its claims hold in these runs."""
