# Stands for the drift script.
