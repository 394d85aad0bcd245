"""Estimate pi by throwing points at a square; parameters come from params.json, the result goes to pi.json."""
import json
import math
import os
import random

with open(os.environ["XPM_PARAMS"]) as file:
    params = json.load(file)["params"]

draw = random.Random(params["seed"]).random
inside = sum(draw() ** 2 + draw() ** 2 < 1 for _ in range(params["samples"]))
estimate = 4 * inside / params["samples"]
with open("pi.json", "w") as file:
    json.dump({"estimate": estimate, "error": abs(estimate - math.pi)}, file)
print(estimate)
