// Command controllers runs those of kube-controller-manager's controllers that turn a Deployment into Pods and a
// Service into endpoints, give each namespace a service account, and delete what has lost its owner.
// Its argument is a kubeconfig.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"

	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/endpoint"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/endpointslicemirroring"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	config.QPS, config.Burst = 100, 200
	client := kubernetes.NewForConfigOrDie(config)
	factory := informers.NewSharedInformerFactory(client, 12*time.Hour)
	core, apps, slices := factory.Core().V1(), factory.Apps().V1(), factory.Discovery().V1().EndpointSlices()

	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), core.Pods(), client)
	check(err)
	accounts, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx),
		core.ServiceAccounts(), core.Namespaces(), client, serviceaccount.DefaultServiceAccountsControllerOptions())
	check(err)
	for _, run := range []func(context.Context, int){
		deployments.Run,
		accounts.Run,
		clusterroleaggregation.NewClusterRoleAggregation(factory.Rbac().V1().ClusterRoles(), client.RbacV1()).Run,
		replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), core.Pods(), client, replicaset.BurstReplicas).Run,
		endpoint.NewEndpointController(ctx, core.Pods(), core.Services(), core.Endpoints(), client, 0).Run,
		endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(), slices, 100, client, 0).Run,
		endpointslicemirroring.NewController(ctx, core.Endpoints(), slices, core.Services(), 1000, client, 0).Run,
	} {
		go run(ctx, 5)
	}
	collect(ctx, config, client, factory)
	<-ctx.Done()
}

// collect starts all informers and the garbage collector, which asks every 30 s for kinds that are new.
func collect(ctx context.Context, config *rest.Config, client kubernetes.Interface, factory informers.SharedInformerFactory) {
	objects, err := metadata.NewForConfig(config)
	check(err)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	all := metadatainformer.NewSharedInformerFactory(objects, 12*time.Hour)
	started := make(chan struct{})
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, objects, mapper,
		garbagecollector.DefaultIgnoredResources(), informerfactory.NewInformerFactory(factory, all), started)
	check(err)
	go collector.Run(ctx, 5, 30*time.Second)
	go collector.Sync(ctx, client.Discovery(), 30*time.Second)
	factory.Start(ctx.Done())
	all.Start(ctx.Done())
	close(started)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
