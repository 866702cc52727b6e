#!/bin/sh
# Takes the jobs that lie as files in $QUEUE, one after another, and writes what
# it did to $DONE. Nothing in here keeps two workers from taking the same job:
# `type: recreate` in segue.yaml does.
set -eu
mkdir -p "$QUEUE"

# On SIGTERM the job in hand is finished, then the worker ends. The shell runs
# a trap only when the command of the moment has ended.
over=
trap 'over=yes' TERM

echo "worker of release $SEGUE_RELEASE begins"
while [ -z "$over" ]; do
	idle=yes
	for job in "$QUEUE"/*.job; do
		[ -e "$job" ] || continue
		sleep 0.02 # the work
		echo "$(basename "$job" .job) hello $SEGUE_RELEASE" >>"$DONE"
		rm "$job"
		idle=
		[ -z "$over" ] || break
	done
	[ -z "$idle" ] || sleep 0.1
done
echo "worker of release $SEGUE_RELEASE has finished"
