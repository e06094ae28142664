"""Alternative forms of operators, and measurements on an accelerator."""
