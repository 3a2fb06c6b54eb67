// Command toxiproxy is Shopify's proxy server, for tests: steered over HTTP at an address that the kernel chooses.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	fmt.Printf("listening at http://%s\n", listener.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(listener, server.Routes()))
	os.Exit(1)
}
