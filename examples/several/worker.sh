#!/bin/sh
# Says every second that it is there, until it is told to end.
trap 'echo "hello: worker of release $SEGUE_RELEASE ends"; exit 0' TERM
while :; do
	echo "hello: worker of release $SEGUE_RELEASE"
	sleep 1 &
	wait $! # unlike a sleep in front, this is interrupted by the signal
done
