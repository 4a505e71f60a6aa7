"""What a study file means: text in, plain values out. No I/O, no clock."""
