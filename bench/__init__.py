"""Side-by-side benchmarks: both sides in the same run, medians of many, printed as ratios."""
