#!/bin/sh
# What the agent told and what the kernel and the file system say, once everything that was done before is in the
# coordinator's log: a program run last is there, and correlations have had the two seconds that they wait for late events.
#   collect.sh MARKER KEPT
# KEPT is how long the guest had been up when it was kept.
marker=$1
picket=/opt/picket/picket
cat /sys/kernel/tracing/instances/witness/trace > /run/lab/trace
mark=$(cut -d. -f1 /proc/uptime)
tries=0
until $picket events --class launch --field process.exe=/usr/bin/true --text "$marker" --json | grep -q "$marker"; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || { echo "collect.sh: the agent told nothing of $marker" >&2; exit 1; }
done
sh /payload/guest/state.sh > /run/lab/after
diff /run/lab/before /run/lab/after > /run/lab/changes
until [ $(($(cut -d. -f1 /proc/uptime) - mark)) -ge 5 ]; do sleep 0.2; done
{
    echo '=lab= events'
    set -- --since $(($(cut -d. -f1 /proc/uptime) - ${2%.*} + 2))s
    # Where the clock was set, also the coordinator's, nothing can be asked for by time.
    ! grep -qE '(clock_settime|settimeofday): .*result=0' /run/lab/trace || set --
    $picket events "$@" --limit 10000 --json
    echo '=lab= detections'
    $picket detections "$@" --limit 1000 --json
    echo '=lab= trace'
    cat /run/lab/trace
    echo '=lab= changes'
    head -c 4000000 /run/lab/changes
    echo '=lab= links'
    sed -n 's/.*sched_process_exec: filename=\(.*\) pid=.*/\1/p' /run/lab/trace | sort -u | while read -r file; do
        echo "$file $(readlink -f "$file")"
    done
    echo '=lab= uptime'
    cat /proc/uptime
} | gzip -1
# A mark in memory and on the disk, which the next run must not find.
touch /run/lab/used /var/lib/used
