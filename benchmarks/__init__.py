"""Alternative implementations of operators, and scripts that measure speed."""
