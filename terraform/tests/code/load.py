# Stands for the load script.
