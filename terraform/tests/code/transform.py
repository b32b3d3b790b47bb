# Stands for the transform script.
