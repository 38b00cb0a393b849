"""What is computed of each row by itself: inline functions, cimported by `core.rowjob`."""
