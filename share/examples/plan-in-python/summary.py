"""Mean error over the jobs whose directories are listed in the file that is the only argument."""
import json
import pathlib
import statistics
import sys

errors = []
for directory in pathlib.Path(sys.argv[1]).read_text().splitlines():
    errors.append(json.loads((pathlib.Path(directory) / "pi.json").read_text())["error"])
print(f"{len(errors)} seeds, mean error {statistics.mean(errors):.5f}")
