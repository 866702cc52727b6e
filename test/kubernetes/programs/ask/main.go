// Command ask asks each URL once. It fails at the first that does not answer well.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	client := http.Client{Timeout: 10 * time.Second}
	for _, url := range os.Args[1:] {
		res, err := client.Get(url)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
		log.Print(url, ": ", res.Status)
		if res.StatusCode != http.StatusOK {
			os.Exit(1)
		}
	}
}
