"""What is measured and trained where an accelerator is at hand.

A stage is a module with a function `rows(settings)` that gives its figures row
by row, as plain values. `runner` runs each in a process of its own.
"""
