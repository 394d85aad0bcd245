"""A job's memory limit, held by the kernel: in a Linux of its own (user mode), whose control groups are all ours.

The hosts on which tests run seldom let a user have the memory controller of control groups v2; a kernel that runs as a
process does. It sees this host's files, and ends by itself.
"""
import json
import shutil
import unittest

import xpmtest

KERNEL = shutil.which("linux.uml")

PLAN = """\
id: e
tasks:
  t:
    params: {n: int}
    requirements: cpu(mem=64M)
    command: [%s, -c, "import sys; bytearray(int(sys.argv[1]) << 20); print(open('/proc/self/cgroup').read())", '{{n}}']
plan:
  t: {task: t, sweep: {n: [8, 200]}}
"""

# The first process of that kernel.
INIT = """\
#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME='{here}' XDG_CONFIG_HOME='{here}' XDG_CACHE_HOME='{here}'
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/scope
cd '{here}'
mount -t tmpfs none small
sh -c 'echo $$ > /sys/fs/cgroup/scope/cgroup.procs && exec "{xpm}" run-experiment --workdir small e.yaml' > out 2> err
echo $? > status
cat small/jobs/t/*/*.out > outs
cp small/jobs/t/*/*.failed .
find /sys/fs/cgroup/scope -type d > groups
sync
echo o > /proc/sysrq-trigger
# The power goes off behind our back; until then this must not end, since a kernel without its first process panics.
sleep 60
"""


@unittest.skipUnless(KERNEL, "needs a Linux in user mode (package user-mode-linux)")
class Kernel(xpmtest.Case):
    def test_the_kernel_stops_what_wants_more_memory_than_it_asked_for(self):
        self.write("e.yaml", PLAN % shutil.which("python3"))
        init = self.write("init", INIT.format(here=self.here, xpm=xpmtest.XPM))
        init.chmod(0o755)
        (self.here / "small").mkdir()
        boot = self.command(KERNEL, "mem=512M", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}", "con=null",
                            "con0=null,fd:1", "quiet", f"uml_dir={self.here}")
        said = (self.here / "err").read_text() if (self.here / "err").exists() else boot
        self.assertEqual((self.here / "status").read_text(), "1\n", said)
        failed = json.loads((self.here / "t.failed").read_text())
        self.assertEqual(failed["reason"], "memory", failed)
        self.assertIn("the kernel stopped it", failed["message"])
        self.assertIn("64 MiB", failed["message"])
        # The other one ran in a group of its own, and nothing is left of either.
        self.assertRegex((self.here / "outs").read_text(), r"0::/scope/xpm-\d+-\d+\n")
        self.assertEqual((self.here / "groups").read_text(), "/sys/fs/cgroup/scope\n")


if __name__ == "__main__":
    unittest.main()
