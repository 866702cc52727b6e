#!/usr/bin/env bash
# What docs/kubernetes-race.md says of kube-proxy's nftables mode, without Kubernetes:
#
#   unshare -n test/kubernetes/nftables.sh map      a rule that looks its target up in a map, as kube-proxy's
#   unshare -n test/kubernetes/nftables.sh rules    the same choice without a map
#
# A rule is replaced again and again for 25 s while packets go through it. The
# counter behind it tells how many have got past. It needs root, nft and python3.
set -euo pipefail
case "${1:-}" in
map) choice=('numgen random mod 2 vmap { 0 : goto a, 1 : goto b }') ;;
rules) choice=('numgen random mod 2 0 goto a' 'goto b') ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
ip link set lo up
replace=$(printf 'flush chain ip t svc\n'; printf 'add rule ip t svc %s\n' "${choice[@]}")
nft -f - <<END
table ip t {
	chain a { accept; }
	chain b { accept; }
	chain svc { }
	chain out {
		type filter hook output priority 0
		udp dport 9999 jump svc
		udp dport 9999 counter comment "got past"
	}
}
$replace
END
python3 - <<'END' &
import socket, time
s, n, end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0, time.time() + 26
while time.time() < end:
    n += 1
    try:
        s.sendto(b"x", ("127.0.0.1", 9999))
    except OSError:  # nobody listens there
        pass
print("packets", n)
END
replaced=0
for ((end = SECONDS + 25; SECONDS < end; replaced++)); do
	nft -f - <<<"$replace"
done
wait
echo "replaced $replaced times"
nft list chain ip t out | grep 'got past'
