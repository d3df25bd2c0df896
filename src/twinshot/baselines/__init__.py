"""The classical systems of the paper's tables and figures, one module each, written anew from their publications."""
