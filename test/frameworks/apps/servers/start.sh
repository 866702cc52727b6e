#!/bin/sh
# start.sh CONFIG COMMAND...: runs a server in the foreground, as its official
# container image does, with the backend of beside.py. In CONFIG and in the
# command, @DIR@ is a temporary folder for everything that the server reads and
# writes, and @PORT@ its port; @CONFIG@ is the file so filled in, and @HTTP2@
# the variable HTTP2.
set -eu

dir=$(mktemp -d)
chmod 755 "$dir" # workers are not root
mkdir "$dir/files"
echo hello >"$dir/files/index.html"
fill() { sed -e "s|@DIR@|$dir|g" -e "s|@PORT@|$PORT|g" -e "s|@CONFIG@|$dir/config|g" -e "s|@HTTP2@|${HTTP2-}|g"; }
fill <"$1" >"$dir/config"
shift

# In a session and an environment of its own: whoever stops or counts the server's
# processes is not to find the backend among them.
env -i PATH="$PATH" setsid --fork python3 beside.py $$ "$dir" </dev/null >/dev/null 2>&1
until [ -S "$dir/backend.sock" ]; do sleep 0.02; done

for argument; do
	shift
	set -- "$@" "$(printf %s "$argument" | fill)"
done
exec "$@"
