#!/usr/bin/env bash
# The demo: three instances behind the proxy, real traffic, a deploy that is
# good and one that never gets ready. It works in a folder of its own and
# leaves nothing running.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
segue=${SEGUE:-$here/../bin/segue}
work=$(mktemp -d "${TMPDIR:-/tmp}/segue-demo-XXXXXX")
port=${DEMO_PORT:-$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])' 2>/dev/null || echo 18080)}
url=http://127.0.0.1:$port
report=${DEMO_REPORT:-${TMPDIR:-/tmp}/segue-demo.html}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
leave() {
	"$segue" -c "$work/segue.yaml" down --all --agent >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap leave EXIT

# The example service, built once; the releases differ in their settings.
(cd "$here/hello" && go build -o "$work/bin/hello" .)
write() { # GREETING BROKEN
	cat >"$work/segue.yaml" <<-YAML
		service: hello
		listen: 127.0.0.1:$port
		release: { files: [bin], command: bin/hello }
		replicas: 3
		env: { GREETING: "$1", BROKEN: "$2", BOOT: 300ms }
		probes:
		  startup:   { http: /health, every: 100ms, failures: 30 }
		  readiness: { http: /health }
		strategy: { type: rolling, surge: 1 }
	YAML
}

say "1. segue up: release 1, three instances"
write "hello" ""
cd "$work"
"$segue" up --detach
curl -s "$url" 2>/dev/null || true

say "2. traffic: 300 requests a second, half on fresh connections, half kept alive."
echo "   Meanwhile: deploy release 2, then a release 3 that never gets ready."
cat >"$work/deploys.sh" <<-SH
	set -u
	cd "$work"
	$(declare -f write)
	work="$work" port="$port"
	echo; echo "segue deploy, release 2"
	write "good day" ""
	"$segue" deploy --why "a better greeting" || exit 1
	sleep 1
	echo; echo "segue deploy, release 3, which never gets ready"
	write "good night" "yes"
	"$segue" deploy --why "a bad one"
	[ \$? -eq 3 ] # rolled back, as it should be
SH
code=0
"$segue" drill "$url" --rate 300 --before 3s --after 3s --report "$report" -- bash "$work/deploys.sh" || code=$?

say "3. what is left"
"$segue" status
echo
"$segue" history
exit $code
