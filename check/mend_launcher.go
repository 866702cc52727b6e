package check

import "slices"

// mendLauncher is about what stands before the program, and does not pass the
// signal on.
func mendLauncher(a ailment) string {
	if a.trouble != unsignalled && a.trouble != leftBehind && a.trouble != portHeld && a.trouble != lostAtStart || a.Launcher == "" {
		return ""
	}
	switch {
	case slices.Contains([]string{"npm", "yarn", "pnpm"}, a.Launcher):
		return advise("Start the program itself: "+a.Launcher+" does not pass the signal on.", `CMD ["node", "server.js"]   # not: CMD ["npm", "start"]`, "https://github.com/nodejs/docker-node/blob/main/docs/BestPractices.md#cmd")
	case slices.Contains([]string{"sh", "bash", "dash", "ash", "busybox"}, a.Launcher):
		return advise("The shell does not pass the signal on: let the program take its place, with exec before its command, or with the exec form of ENTRYPOINT and CMD.", `
exec server "$@"          # the last line of a start script
CMD ["server"]            # not: CMD server`, "https://docs.docker.com/reference/dockerfile/#shell-form-entrypoint-example")
	default:
		return ""
	}
}
