"""Integration tests run xpm as a user does: in a directory of their own, with a home of their own, and compare what it prints and writes.

XPM_BUILD names the build tree, XPM_SOURCE the source (ctest sets both). A test that leaves a process behind fails.
"""
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import uuid

SOURCE = pathlib.Path(os.environ.get("XPM_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("XPM_BUILD") or SOURCE / "build" / "dev")
XPM = BUILD / "bin" / "xpm"
PATIENCE = 300  # seconds until something that does not end is taken for hanging


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def lines(self):
        return self.out.splitlines()

    def objects(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return f"exit status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Case(unittest.TestCase):
    """A temporary directory with `home`, and `here`, where commands run."""

    maxDiff = None

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="xpm-test-"))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.here = self.top / "here"
        self.home = self.top / "home"
        for path in (self.here, self.home, self.home / ".config", self.home / ".cache"):
            path.mkdir()
        self.workspace = self.here / "ws"
        self.token = uuid.uuid4().hex
        keep = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "CC", "LD_LIBRARY_PATH", "PYENV_ROOT")
        self.env = {name: os.environ[name] for name in keep if name in os.environ}
        self.env.update(
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home / ".config"),
            XDG_CACHE_HOME=str(self.home / ".cache"),
            LC_ALL="C.UTF-8",
            XPM_TEST_TOKEN=self.token,
            # The cores of this host are shared by what one test runs, and not with other tests.
            XPM_STOCK=str(self.top / "stock"),
        )
        self.addCleanup(self.expect_no_process)

    # Files.

    def write(self, name, text, mode=None):
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8", newline="")
        if mode is not None:
            path.chmod(mode)
        return path

    def read(self, name):
        return (self.here / name).read_text(encoding="utf-8")

    def snapshot(self, top=None):
        """Every file below TOP with its content, every link with its target, every directory."""
        found = {}
        for path in sorted((top or self.here).rglob("*")):
            name = str(path.relative_to(top or self.here))
            if path.is_symlink():
                found[name] = ("link", os.readlink(path))
            elif path.is_file():
                found[name] = ("file", path.read_bytes() if path.stat().st_size < 1 << 20 else path.stat().st_size)
            else:
                found[name] = ("directory", None)
        return found

    # Commands.

    def command(self, *words, cwd=None, env=None, input=None):
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd or self.here,
            env={**self.env, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=PATIENCE,
            encoding="utf-8",
            errors="backslashreplace",
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def xpm(self, *words, status=0, **more):
        result = self.command(XPM, *words, **more)
        self.assertEqual(result.status, status, f"xpm {' '.join(map(str, words))}\n{result}")
        return result

    def start(self, *words, env=None, **more):
        """xpm in the background; the caller waits for it."""
        process = subprocess.Popen(
            [str(XPM), *map(str, words)],
            cwd=self.here,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            **more,
        )
        self.addCleanup(self.finish, process)
        return process

    def wait_for(self, condition, what="it"):
        """For what tells nobody that it has happened."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, f"{what}: it does not come")
            time.sleep(0.02)

    def finish(self, process):
        for stream in (process.stdout, process.stderr):
            stream.close()
        if process.poll() is None:
            process.kill()
            process.wait()

    def run_experiment(self, *words, status=0, **more):
        return self.xpm("run-experiment", "--workdir", self.workspace, *words, status=status, **more)

    def dry(self, *words):
        """What a dry run says of every job, as objects."""
        return self.run_experiment("--run-mode", "dry-run", "--json", *words).objects()

    # What a workspace says.

    def job_directories(self, task):
        return sorted((self.workspace / "jobs" / task).iterdir())

    def params(self, directory):
        return json.loads((directory / "params.json").read_text())["params"]

    def run_directory(self, experiment):
        return (self.workspace / "experiments" / experiment / "current").resolve()

    def expect_match(self, pattern, text):
        self.assertTrue(re.search(pattern, text, re.S), f"no {pattern!r} in:\n{text}")

    def processes(self):
        """Pids of the processes of this test, zombies apart."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.token.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended, or is not ours
        return found

    def expect_no_process(self):
        """Every process that carries this test's token ends by itself; what does not is killed, and the test fails."""
        left = []
        for pid in self.processes():
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue  # it has ended
            try:
                if not select.select([descriptor], [], [], 10)[0]:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    left.append(pid)
            finally:
                os.close(descriptor)
        self.assertEqual(left, [], "processes were left behind")
