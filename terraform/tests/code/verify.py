# Stands for the verify script.
