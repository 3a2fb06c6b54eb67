// Knative's own autoscaler on a trace, for a comparison with autoscaler.py: one JSON document in, its decisions out.
package main

import (
	"encoding/json"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"

	"knative.dev/serving/pkg/autoscaler/aggregation"
	collector "knative.dev/serving/pkg/autoscaler/metrics"
	"knative.dev/serving/pkg/autoscaler/scaling"
)

type trace struct {
	Target              float64 `json:"target"` // with its utilization
	Total               float64 `json:"total"`
	TargetBurstCapacity float64 `json:"target_burst_capacity"`
	PanicThreshold      float64 `json:"panic_threshold"`
	Window              int     `json:"window"`
	PanicWindow         int     `json:"panic_window"`
	Ready               int     `json:"ready"`
	Seconds             []struct {
		Concurrency *float64 `json:"concurrency"` // null: nobody reported
		Ready       int      `json:"ready"`
	} `json:"seconds"`
}

type decision struct {
	Second int   `json:"second"`
	Pods   int32 `json:"pods"`
	Excess int32 `json:"excess_burst_capacity"`
}

// metrics averages as Knative's collector does, and counts the pods of the trace.
type metrics struct {
	stable, panic *aggregation.TimedFloat64Buckets
	ready         int
}

func (m *metrics) StableAndPanicConcurrency(_ types.NamespacedName, now time.Time) (float64, float64, error) {
	if m.stable.IsEmpty(now) {
		return 0, 0, collector.ErrNoData
	}
	return m.stable.WindowAverage(now), m.panic.WindowAverage(now), nil
}

func (m *metrics) StableAndPanicRPS(types.NamespacedName, time.Time) (float64, float64, error) {
	return 0, 0, nil
}

func (m *metrics) ReadyCount() (int, error) { return m.ready, nil }

func (m *metrics) NotReadyCount() (int, error) { return 0, nil }

func main() {
	var in trace
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	second := time.Second
	m := &metrics{
		stable: aggregation.NewTimedFloat64Buckets(time.Duration(in.Window)*second, second),
		panic:  aggregation.NewTimedFloat64Buckets(time.Duration(in.PanicWindow)*second, second),
		ready:  in.Ready,
	}
	scaler := scaling.New(attribute.NewSet(), noop.NewMeterProvider(), "ns", "rev", m, m, &scaling.DeciderSpec{
		MaxScaleUpRate:      1000,
		MaxScaleDownRate:    2,
		ScalingMetric:       "concurrency",
		TargetValue:         in.Target,
		TotalValue:          in.Total,
		TargetBurstCapacity: in.TargetBurstCapacity,
		PanicThreshold:      in.PanicThreshold,
		StableWindow:        time.Duration(in.Window) * second,
		Reachable:           true,
	})
	// A time after the scaler's own start, which counts as the begin of its first panic.
	start := time.Now().Truncate(second).Add(second)
	out := []decision{}
	for i, each := range in.Seconds {
		now := start.Add(time.Duration(i) * second)
		if each.Concurrency != nil {
			m.stable.Record(now, *each.Concurrency)
			m.panic.Record(now, *each.Concurrency)
		}
		m.ready = each.Ready
		if i%2 == 1 {
			if result := scaler.Scale(zap.NewNop().Sugar(), now); result.ScaleValid {
				out = append(out, decision{i, result.DesiredPodCount, result.ExcessBurstCapacity})
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}
