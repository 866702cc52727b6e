// Command service is the program that the tests deploy. What it does wrong,
// it does because its environment says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.Lmicroseconds)
	log.Printf("release %s, instance %s, pid %d", os.Getenv("SEGUE_RELEASE"), os.Getenv("SEGUE_INSTANCE"), os.Getpid())
	if os.Getenv("EXIT") != "" {
		log.Fatal("told to exit at once")
	}
	if d := duration("CRASH_AFTER"); d > 0 {
		time.AfterFunc(d, func() { log.Fatal("told to crash") })
	}
	boot := time.Now().Add(duration("BOOT"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("LISTEN_FDS") != "" {
		time.Sleep(time.Until(boot)) // accepting is all that tells that it is up
	} else if os.Getenv("PORT") == "" { // a worker
		say("READY=1")
		work(ctx)
		return
	}
	if os.Getenv("TCP") != "" {
		serveTCP(ctx)
		return
	}
	serve(ctx, boot)
}

var eaten [][]byte // what /eat holds on to

func duration(name string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(name))
	if err != nil {
		return 0
	}
	return d
}

func serve(ctx context.Context, boot time.Time) {
	mux := http.NewServeMux()
	for _, name := range []string{"ready", "alive"} { // no longer, once a file of the instance's name says so
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := os.Stat(os.Getenv("SWITCH") + "/not-" + name + "-" + os.Getenv("SEGUE_INSTANCE")); err == nil {
				http.Error(w, "not "+name, http.StatusServiceUnavailable)
			}
		})
	}
	mux.HandleFunc("/talk", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("lines")) // 0 says nothing
		for k := range n {
			fmt.Printf("line %08d of what the service has to say\n", k)
		}
	})
	mux.HandleFunc("/eat", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("mib")) // 0 eats nothing
		eaten = append(eaten, make([]byte, n<<20))
		for k := range eaten[len(eaten)-1] {
			eaten[len(eaten)-1][k] = 1
		}
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(boot) || os.Getenv("BROKEN") != "" {
			http.Error(w, "still starting", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	every, _ := strconv.ParseInt(os.Getenv("ERROR_EVERY"), 10, 64) // 0: none fails
	var asked atomic.Int64
	workers, _ := strconv.Atoi(os.Getenv("WORKERS")) // 0: as many as there are requests
	work := make(chan struct{}, workers)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if workers > 0 {
			work <- struct{}{}
			defer func() { <-work }()
		}
		time.Sleep(duration("WORK"))
		if every > 0 && asked.Add(1)%every == 0 {
			http.Error(w, "told to fail", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "release %s\n", os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Header.Get(r.FormValue("name"))) })
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<title>release %s</title>\n", os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("/assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("bin/assets"))).ServeHTTP)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("for"))
		if err != nil {
			d = time.Second
		}
		time.Sleep(d)
		fmt.Fprintf(w, "release %s, slowly\n", os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("/until", func(w http.ResponseWriter, r *http.Request) { // the file is there
		for r.Context().Err() == nil {
			if _, err := os.Stat(r.FormValue("file")); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Fprintf(w, "release %s, at last\n", os.Getenv("SEGUE_RELEASE"))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Print(err)
			return
		}
		time.Sleep(duration("WORK"))
		_, _ = w.Write(body) // a client that has gone needs nothing
	})
	var handler http.Handler = mux
	if os.Getenv("SAW") != "" {
		handler = http.HandlerFunc(saw)
	}
	conns := &connections{open: map[net.Conn]state{}}
	server := &http.Server{Handler: goodbye(ctx, handler), ConnState: conns.note}
	if os.Getenv("H2C") != "" { // and nothing else
		server.Protocols = new(http.Protocols)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	l := listen()
	served, over := make(chan struct{}), make(chan error, 1)
	go func() {
		<-ctx.Done()
		if os.Getenv("LISTEN_FDS") != "" {
			l.Close() // others accept from here on
			<-served
			conns.quiet(duration("LINGER"))
		} else if unproxied() {
			time.Sleep(duration("LINGER"))
		}
		over <- server.Shutdown(context.Background())
	}()
	go say("READY=1") // clients that come earlier wait in the queue
	err := server.Serve(l)
	close(served)
	if !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		log.Fatal(err)
	}
	if err := <-over; err != nil {
		log.Fatal(err)
	}
	log.Print("finished")
}

// address is $PORT of this machine, or of the pod that this is.
func address() string {
	host := "127.0.0.1"
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		host = ""
	}
	return net.JoinHostPort(host, os.Getenv("PORT"))
}

// listen opens $PORT, or takes the socket that it was started with
// (sd_listen_fds(3)).
func listen() net.Listener {
	if os.Getenv("LISTEN_FDS") == "" {
		l, err := net.Listen("tcp", address())
		if err != nil {
			log.Fatal(err)
		}
		return l
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		log.Fatalf("LISTEN_PID is %s, and not ours", os.Getenv("LISTEN_PID"))
	}
	f := os.NewFile(3, os.Getenv("LISTEN_FDNAMES"))
	l, err := net.FileListener(f)
	if err != nil {
		log.Fatal(err)
	}
	f.Close() // l is a copy
	return l
}

// goodbye asks clients to close once the service is to end: without a proxy in
// front it is ours to do. Idle connections stay for LINGER, since a request may
// be on its way on them.
func goodbye(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("LISTEN_FDS") != "" {
			w.Header().Set("Segue-Release", os.Getenv("SEGUE_RELEASE")) // as the proxy does, for the drill
		}
		if ctx.Err() != nil && unproxied() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// unproxied reports whether clients' connections end here: with a socket of theirs,
// or in a pod.
func unproxied() bool {
	return os.Getenv("LISTEN_FDS") != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// say tells whoever has started us how we are (sd_notify(3)).
func say(what string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" || os.Getenv("BROKEN") != "" {
		return
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(what)); err != nil {
		log.Print(err)
	}
}

// saw tells of a request that has arrived whole.
func saw(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	fmt.Println("SAW", r.Method, r.RequestURI, n)
	fmt.Fprintln(w, "ok")
}

// work appends a line to the file RECORD when it begins and when it ends, so
// that a test sees which copies ran side by side.
func work(ctx context.Context) {
	record("begin")
	<-ctx.Done()
	time.Sleep(duration("WORK"))
	record("end")
}

func record(what string) {
	f, err := os.OpenFile(os.Getenv("RECORD"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s\n", what, os.Getenv("SEGUE_INSTANCE")); err != nil {
		log.Fatal(err)
	}
}
