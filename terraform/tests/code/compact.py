# Stands for the compact script.
