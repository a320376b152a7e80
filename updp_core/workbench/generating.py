"""Generation: a queue in the database that any number of processes may work through and be killed at."""
