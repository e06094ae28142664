"""Slower forms of the operators, and what is measured on an accelerator."""
