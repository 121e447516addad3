#!/bin/sh
# Runs the tests as a service of the machine, leaves their exit code, and powers the machine off.
trap 'sync; echo o >/proc/sysrq-trigger; sleep 60' EXIT
. /run/berth-test/environment
cd "$PROJECT" || exit 1
echo "guest: Linux $(uname -r), systemd as process 1, cgroup v2 with" \
    "$(cat /sys/fs/cgroup/cgroup.controllers), up $(cut -d' ' -f1 /proc/uptime) s"
# What a test can use where there is some: swap, and huge pages.
echo 256M >/sys/block/zram0/disksize && mkswap -q /dev/zram0 && swapon /dev/zram0
echo 4 >/proc/sys/vm/nr_hugepages
# By a pipe: what is no terminal gets plain lines.
{ /bin/sh -c "$COMMAND" </dev/null; echo $? >/run/berth-test/code; } 2>&1 | cat
