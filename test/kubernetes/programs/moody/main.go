// Command moody is a service for tests of rollouts. It answers with the release
// that it is of, and has its moods by its environment:
//
//   - SICK: it says 503 where it is asked how it is
//   - CRASH: it ends by itself after so long
//   - FAIL: of so many requests one gets a 500
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/lifecycle"
)

func main() {
	if len(os.Args) > 1 {
		hook(os.Args[1:])
		return
	}
	if after, err := time.ParseDuration(os.Getenv("CRASH")); err == nil {
		time.AfterFunc(after, func() { log.Fatal("the mood is gone") })
	}
	server := &http.Server{Addr: ":" + os.Getenv("PORT"), Handler: handler()}
	if err := lifecycle.Run(context.Background(), lifecycle.HTTP(server, lifecycle.WithReadiness("/ready"))); err != nil {
		log.Fatal(err)
	}
}

func handler() http.Handler {
	fail, _ := strconv.Atoi(os.Getenv("FAIL")) // none: never
	var asked atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/healthy", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("SICK") != "" {
			http.Error(w, "I am sick", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Segue-Release", os.Getenv("RELEASE"))
		if n := asked.Add(1); fail > 0 && n%int64(fail) == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintln(w, os.Getenv("RELEASE"))
	})
	return mux
}

// hook is what the program does as a hook: it says its words, and fails if the
// last of them is "fail".
func hook(words []string) {
	fmt.Println(words, os.Getenv("SEGUE_HOOK"), os.Getenv("SEGUE_RELEASE"))
	if words[len(words)-1] == "fail" {
		os.Exit(1)
	}
}
