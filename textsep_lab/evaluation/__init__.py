"""Systems side by side on one list of mixtures, from the mixture itself up to oracle masks.

`scenes` is the list, `systems` the ladder, `scores` the arithmetic, `conditions` the further
tables, `speed` and `peers` what things cost, `report` the run. Taught in notebook 05.
"""
