#!/bin/sh
# start.sh [LIMIT]: runs php-fpm in the foreground, behind an nginx that outlives
# it and is ended after it. LIMIT is a line for php-fpm's [global] section.
set -eu

dir=$(mktemp -d)
chmod 755 "$dir" # workers are not root
cp index.php "$dir"
for file in fpm nginx; do
	sed -e "s|@DIR@|$dir|g" -e "s|@PORT@|$PORT|g" -e "s|@LIMIT@|${1-}|" <$file.conf >"$dir/$file.conf"
done

# nginx comes once there is something behind it.
python3 ../servers/beside.py $$ "$dir" sh -c '
	until [ -S "$1/fpm.sock" ]; do sleep 0.02; done
	exec nginx -p "$1" -c "$1/nginx.conf" -e /dev/null' sh "$dir" </dev/null >/dev/null 2>&1 &

set -- /usr/sbin/php-fpm[0-9]*
exec "$1" --nodaemonize --fpm-config "$dir/fpm.conf"
