#!/bin/busybox sh
# Process 1 of the virtual machine until systemd takes its place. The host's file system is shown
# through virtiofs and cannot be written: what is written goes to memory. What the host shares as
# "out" can be written, and comes back.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    $b insmod "$module" || echo "init: $module was not loaded"
done
$b mount -t virtiofs -o ro host /lower || { echo "init: no host file system"; $b poweroff -f; }
$b mount -t tmpfs -o mode=755 rw /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /root
$b mount -t tmpfs -o mode=755,nosuid,nodev run /root/run
$b mkdir -p /root/run/berth-test /root/run/scratch /root/run/systemd/system
# What tests make is looked at with device nodes and set-uid programs in it, which /run forbids.
$b mount -t tmpfs -o mode=755 scratch /root/run/scratch
$b mkdir /root/run/scratch/tmp
$b mount -t virtiofs out /root/run/berth-test || { echo "init: no way back"; $b poweroff -f; }
$b cp /root/run/berth-test/berth-test.* /root/run/systemd/system
# /tmp may hold the project, and nothing of the host's set-up is needed.
for unit in tmp.mount systemd-tmpfiles-setup.service systemd-timesyncd.service \
    systemd-update-utmp.service; do
    $b ln -s /dev/null "/root/run/systemd/system/$unit"
done
# A reload would forget what the command line says, and write on the tests' console.
$b mkdir /root/run/systemd/system.conf.d
printf '[Manager]\nShowStatus=no\n' >/root/run/systemd/system.conf.d/quiet.conf
$b umount /proc /sys
exec $b switch_root /root /lib/systemd/systemd --unit=berth-test.target \
    --show-status=0 --log-level=crit --log-target=console
