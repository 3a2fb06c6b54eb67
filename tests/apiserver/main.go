// Command kube-apiserver is the real one, with etcd in the same process, for tests.
package main

import (
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	command := app.NewAPIServerCommand()
	dataDir := command.Flags().String("embedded-etcd-data-dir", "", "run etcd in this process, on this folder")
	logFile := command.Flags().String("embedded-etcd-log-file", "/dev/null", "where that etcd writes its log")
	command.PreRunE = func(command *cobra.Command, _ []string) error {
		if *dataDir == "" {
			return nil
		}
		clientURL, err := startEtcd(*dataDir, *logFile)
		if err != nil {
			return fmt.Errorf("embedded etcd: %w", err)
		}
		return command.Flags().Set("etcd-servers", clientURL)
	}
	os.Exit(cli.Run(command))
}

// startEtcd runs one etcd member on loopback ports that the kernel chooses and returns its client URL.
func startEtcd(dataDir, logFile string) (string, error) {
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = dataDir
	config.LogOutputs = []string{logFile}
	config.LogLevel = "warn"
	config.ListenClientUrls, config.AdvertiseClientUrls = loopback, loopback
	config.ListenPeerUrls, config.AdvertisePeerUrls = loopback, loopback
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	// It would dial the advertised URL, whose port is not known yet.
	config.EnableGRPCGateway = false
	// Unset in embedded use, and then every request is logged.
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	// A killed process loses nothing; only a power cut would.
	config.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	<-etcd.Server.ReadyNotify()
	return "http://" + etcd.Clients[0].Addr().String(), nil
}
