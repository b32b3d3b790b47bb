# Stands for the reconcile script.
