"""The checks of `hollama doctor`, by what they look at. Each returns findings and prints nothing."""
