// Command queue-proxy is Knative Serving's own, for tests.
package main

import (
	"os"

	"knative.dev/serving/pkg/queue/sharedmain"
)

func main() {
	if sharedmain.Main() != nil {
		os.Exit(1)
	}
}
