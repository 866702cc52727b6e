package main

import (
	"fmt"
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcd keeps the cluster's objects. They are not worth an fsync: the folder goes
// with the lab.
func etcd() *cobra.Command {
	var dir, client, peer string
	c := &cobra.Command{Use: "etcd", RunE: func(c *cobra.Command, _ []string) error {
		cfg := embed.NewConfig()
		cfg.Dir = dir
		cfg.LogLevel = "warn"
		cfg.UnsafeNoFsync = true
		forClients, err := url.Parse(client)
		if err != nil {
			return err
		}
		forPeers, err := url.Parse(peer)
		if err != nil {
			return err
		}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*forClients}, []url.URL{*forClients}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*forPeers}, []url.URL{*forPeers}
		cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		e, err := embed.StartEtcd(cfg)
		if err != nil {
			return fmt.Errorf("start etcd in %s: %w", dir, err)
		}
		defer e.Close()
		select {
		case <-ctx.Done():
			return nil
		case err := <-e.Err():
			return err
		}
	}}
	c.Flags().StringVar(&dir, "data-dir", "", "where its files are")
	c.Flags().StringVar(&client, "client-url", "http://127.0.0.1:12379", "where it listens")
	c.Flags().StringVar(&peer, "peer-url", "http://127.0.0.1:12380", "where others of its kind would find it")
	return c
}
