# Stands for the define script.
