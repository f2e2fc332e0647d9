/* experiment: arms are computed, nothing is stored yet */
