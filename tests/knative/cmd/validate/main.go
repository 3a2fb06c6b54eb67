// Command validate judges Knative objects as Knative's own webhooks do: defaults first, then validation.
//
// It reads YAML files, or standard input where none is named, and prints a line for each object: ok, SKIP for
// what is not Knative's, FAIL with the fields at fault. The exit code is 1 if any failed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	eventingconfig "knative.dev/eventing/pkg/apis/config"
	eventing "knative.dev/eventing/pkg/apis/eventing/v1"
	eventingalpha "knative.dev/eventing/pkg/apis/eventing/v1alpha1"
	"knative.dev/eventing/pkg/apis/feature"
	sources "knative.dev/eventing/pkg/apis/sources/v1"
	"knative.dev/pkg/apis"
	servingconfig "knative.dev/serving/pkg/apis/config"
	serving "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/yaml"
)

type resource interface {
	apis.Defaultable
	apis.Validatable
}

type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

var kinds = map[string]func() resource{
	"serving.knative.dev/v1/Service":            func() resource { return &serving.Service{} },
	"eventing.knative.dev/v1/Broker":            func() resource { return &eventing.Broker{} },
	"eventing.knative.dev/v1/Trigger":           func() resource { return &eventing.Trigger{} },
	"eventing.knative.dev/v1alpha1/EventPolicy": func() resource { return &eventingalpha.EventPolicy{} },
	"sources.knative.dev/v1/ApiServerSource":    func() resource { return &sources.ApiServerSource{} },
	"sources.knative.dev/v1/SinkBinding":        func() resource { return &sources.SinkBinding{} },
}

func main() {
	failed := false
	for _, reader := range inputs(os.Args[1:]) {
		failed = judgeAll(withDefaults(context.Background()), reader) || failed
	}
	if failed {
		os.Exit(1)
	}
}

func inputs(paths []string) []io.Reader {
	if len(paths) == 0 {
		return []io.Reader{os.Stdin}
	}
	readers := make([]io.Reader, 0, len(paths))
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		readers = append(readers, file)
	}
	return readers
}

// withDefaults carries what a fresh installation's ConfigMaps say: without a default class no Broker is valid. Senders'
// identities are on, which an EventPolicy needs and nothing else minds.
func withDefaults(ctx context.Context) context.Context {
	features, err := servingconfig.NewFeaturesConfigFromMap(nil)
	if err != nil {
		panic(err)
	}
	defaults, err := servingconfig.NewDefaultsConfigFromMap(nil)
	if err != nil {
		panic(err)
	}
	ctx = servingconfig.ToContext(ctx, &servingconfig.Config{Features: features, Defaults: defaults})
	ctx = feature.ToContext(ctx, feature.Flags{feature.OIDCAuthentication: feature.Enabled})
	return eventingconfig.ToContext(ctx, &eventingconfig.Config{
		Defaults: &eventingconfig.Defaults{ClusterDefaultConfig: &eventingconfig.DefaultConfig{
			DefaultBrokerClass: "MTChannelBasedBroker",
		}},
	})
}

func judgeAll(ctx context.Context, reader io.Reader) bool {
	failed := false
	documents := utilyaml.NewYAMLReader(bufio.NewReader(reader))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return failed
		}
		if err != nil {
			fmt.Printf("FAIL %v\n", err)
			return true
		}
		if len(bytes.TrimSpace(document)) > 0 {
			failed = judge(ctx, document) || failed
		}
	}
}

func judge(ctx context.Context, document []byte) bool {
	var head header
	if err := yaml.Unmarshal(document, &head); err != nil {
		fmt.Printf("FAIL %v\n", err)
		return true
	}
	name := fmt.Sprintf("%s/%s %s", head.APIVersion, head.Kind, head.Metadata.Name)
	create, known := kinds[head.APIVersion+"/"+head.Kind]
	if !known {
		group, _, _ := strings.Cut(head.APIVersion, "/")
		if strings.HasSuffix(group, "knative.dev") {
			fmt.Printf("FAIL %s: no such kind in this version of Knative\n", name)
			return true
		}
		fmt.Printf("SKIP %s\n", name)
		return false
	}
	object := create()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		fmt.Printf("FAIL %s: %s\n", name, oneLine(err))
		return true
	}
	ctx = apis.WithinCreate(ctx)
	object.SetDefaults(ctx)
	if found := object.Validate(ctx).Filter(apis.ErrorLevel); found != nil {
		fmt.Printf("FAIL %s: %s\n", name, oneLine(found))
		return true
	}
	fmt.Printf("ok %s\n", name)
	return false
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
