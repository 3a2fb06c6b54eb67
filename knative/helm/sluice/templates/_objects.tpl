{{/* What becomes of one object of knative/. Each changes `object` in place, or says whether it is wanted. */}}

{{/* "yes" where the object of the file `path` is part of this release. */}}
{{- define "sluice.wanted" -}}
{{- $values := .root.Values -}}
{{- $file := base .path -}}
{{- if or (eq $file "kustomization.yaml") (eq $file "crd.yaml") (eq $file "dead-letter-crd.yaml") -}}
{{- else if hasPrefix "files/monitoring/" .path -}}
{{- else if eq $file "namespace.yaml" -}}{{ if $values.namespace.create }}yes{{ end }}
{{- else if eq $file "alertmanager.yaml" -}}{{ if $values.alertmanager.enabled }}yes{{ end }}
{{- else if eq $file "pubsub.yaml" -}}{{ if $values.pubsub.enabled }}yes{{ end }}
{{- else if has $file (list "kubernetes-event.yaml" "event-source.yaml" "event-broker.yaml" "dead-letters.yaml") -}}
{{- if $values.kubernetesEvent.enabled }}yes{{ end }}
{{- else if has $file (list "event-policy.yaml" "sender.yaml") -}}
{{- if and $values.kubernetesEvent.enabled $values.kubernetesEvent.senderTokens }}yes{{ end }}
{{- else if eq $file "disruption-budget.yaml" -}}{{ if $values.disruptionBudget.enabled }}yes{{ end }}
{{- else if eq $file "quota.yaml" -}}{{ if $values.quota.enabled }}yes{{ end }}
{{- else -}}yes
{{- end -}}
{{- end }}

{{/* Namespace and labels, as kustomize sets them in knative/base. */}}
{{- define "sluice.metadata" -}}
{{- $metadata := .object.metadata -}}
{{- $labels := dict "app.kubernetes.io/name" "sluice" "app.kubernetes.io/part-of" "sluice" -}}
{{- $_ := set $metadata "labels" (merge $labels (default dict $metadata.labels)) -}}
{{- $everywhere := list "Namespace" "ClusterRole" "ClusterRoleBinding" "FlowSchema" "PriorityLevelConfiguration" -}}
{{- if not (has .object.kind $everywhere) -}}
{{- $_ := set $metadata "namespace" .root.Release.Namespace -}}
{{- end -}}
{{- if hasSuffix "Binding" .object.kind -}}
{{- range .object.subjects -}}{{- $_ := set . "namespace" (default $.root.Release.Namespace .namespace) -}}{{- end -}}
{{- end -}}
{{- end }}

{{/* Settings of all functions. */}}
{{- define "sluice.config" -}}
{{- $_ := set .object "data" (mergeOverwrite .object.data .root.Values.settings) -}}
{{- with .root.Values.kubernetesEvent.namespaceSelector.matchLabels -}}
{{- if and (eq (len .) 1) (not $.root.Values.settings.SLUICE_SCOPE_LABEL) -}}
{{- range $key, $value := . -}}{{- $_ := set $.object.data "SLUICE_SCOPE_LABEL" (printf "%s=%s" $key $value) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if .root.Values.rules -}}{{- $_ := set .object.data "SLUICE_RULES" "/etc/sluice/rules.yaml" -}}{{- end -}}
{{- end }}

{{/* One of the functions: image, scale, environment, resources and rules. */}}
{{- define "sluice.function" -}}
{{- $chosen := get .root.Values (camelcase (replace "-" "_" (trimPrefix "sluice-" .object.metadata.name)) | untitle) -}}
{{- $template := .object.spec.template -}}
{{- $container := first $template.spec.containers -}}
{{- $image := .root.Values.image -}}
{{- $version := ternary (printf "@%s" $image.digest) (printf ":%s" (default .root.Chart.AppVersion $image.tag)) (ne $image.digest "") -}}
{{- $_ := set $container "image" (print $image.repository $version) -}}
{{- $annotations := $template.metadata.annotations -}}
{{- range $field, $name := dict "minScale" "min-scale" "maxScale" "max-scale" -}}
{{- if hasKey $chosen $field -}}
{{- $_ := set $annotations (print "autoscaling.knative.dev/" $name) (get $chosen $field | int | toString) -}}
{{- end -}}
{{- end -}}
{{- $_ := mergeOverwrite $annotations (default dict $chosen.annotations) -}}
{{- /* A running instance reads its settings once, and Knative makes no new revision for a changed ConfigMap. */ -}}
{{- $_ := set $annotations "sluice.kubernaut.ai/settings" (print .root.Values.settings .root.Values.rules | sha256sum | trunc 16) -}}
{{- $_ := mergeOverwrite $container.resources (default dict $chosen.resources) -}}
{{- $_ := set $container "env" (include "sluice.environment" (dict "env" $container.env "chosen" $chosen "name" .object.metadata.name "root" .root) | fromYamlArray) -}}
{{- if .root.Values.rules -}}
{{- $_ := set $container "volumeMounts" (append $container.volumeMounts (dict "name" "rules" "mountPath" "/etc/sluice" "readOnly" true)) -}}
{{- $_ := set $template.spec "volumes" (append $template.spec.volumes (dict "name" "rules" "configMap" (dict "name" "sluice-rules"))) -}}
{{- end -}}
{{- end }}

{{/* The container's variables: those of the base, less what the chosen ones replace. */}}
{{- define "sluice.environment" -}}
{{- $chosen := default dict .chosen.env -}}
{{- if .root.Values.kubernetesEvent.senderTokens | and (has .name (list "sluice-kubernetes-event" "sluice-dead-letters")) -}}
{{- $account := printf "cluster#system:serviceaccount:%s:sluice-events-oidc-eventing.knative.dev-trigger" .root.Release.Namespace -}}
{{- $tokens := dict "SLUICE_AUTH" (ternary "oidc" "oidc,kubernetes" (eq .name "sluice-dead-letters")) "SLUICE_AUDIENCES" "sluice" "SLUICE_OIDC_SENDERS" $account -}}
{{- $chosen = merge (deepCopy $chosen) $tokens -}}
{{- end -}}
{{- $variables := list -}}
{{- range .env -}}
{{- if hasKey $chosen .name -}}
{{- $variables = append $variables (dict "name" .name "value" (get $chosen .name)) -}}
{{- else if not (and (eq .name "SLUICE_AUTH_NONE") (hasKey $chosen "SLUICE_AUTH")) -}}
{{- $variables = append $variables . -}}
{{- end -}}
{{- end -}}
{{- $named := list -}}
{{- range .env -}}{{- $named = append $named .name -}}{{- end -}}
{{- range $name := keys $chosen | sortAlpha -}}
{{- if not (has $name $named) -}}{{- $variables = append $variables (dict "name" $name "value" (get $chosen $name)) -}}{{- end -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end }}

{{/* Whom the functions reach, and who reaches their metrics. */}}
{{- define "sluice.policy" -}}
{{- $egress := first .object.spec.egress -}}
{{- range .root.Values.apiServerPorts -}}
{{- $_ := set $egress "ports" (append $egress.ports (dict "port" .)) -}}
{{- end -}}
{{- range .object.spec.ingress -}}
{{- if .ports -}}
{{- $_ := set (first .from).namespaceSelector.matchLabels "kubernetes.io/metadata.name" $.root.Values.metricsNamespace -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Where Events come from, and who sends them. */}}
{{- define "sluice.events" -}}
{{- $chosen := .root.Values.kubernetesEvent -}}
{{- if and (eq .object.kind "ApiServerSource") $chosen.namespaceSelector -}}
{{- $_ := set .object.spec "namespaceSelector" $chosen.namespaceSelector -}}
{{- else if and (eq .object.kind "Trigger") $chosen.senderTokens -}}
{{- $_ := set .object.spec.subscriber "audience" "sluice" -}}
{{- else if and (eq .object.kind "Broker") $chosen.senderTokens -}}
{{- $_ := set .object.spec.delivery.deadLetterSink "audience" "sluice" -}}
{{- end -}}
{{- end }}
