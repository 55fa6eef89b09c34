"""The arithmetic. `golden` defines it in NumPy; native twins have the same names and give the same bits."""
