#!/usr/bin/env bash
# Deploys functions to Google Cloud (second generation: Cloud Run functions), and first makes what they need and the
# project does not have: enabled APIs, the service account, topics, Cloud Monitoring's channel to the topic, and the
# roles below. Safe to run again.
#
#   functions/deploy-google.sh [--help] [--dry-run] [alertmanager|kubernetes_event|pubsub ...]
#
# Without a name it deploys pubsub, the way of Cloud Monitoring's incidents, which works from end to end. The others are
# called over HTTP by whoever may invoke them and shows a Google ID token; docs/how-to/google-cloud-functions.md says
# how an Alertmanager gets one.
#
# Required: GOOGLE_CLOUD_PROJECT, SERVICE_ACCOUNT (an email), SLUICE_API_SERVER and SLUICE_API_CA (the cluster's
# endpoint and masterAuth.clusterCaCertificate), SLUICE_CLUSTER (its name: Cloud Monitoring and Managed Prometheus give
# it with every alert, and what names another cluster is looked up nowhere); for pubsub also TOPIC.
# Optional: REGION (europe-west1), RUNTIME (python312), MIN_INSTANCES (0), MAX_INSTANCES (20), INGRESS (internal-only),
# VPC_CONNECTOR for a private endpoint, DEAD_LETTER_TOPIC (projects/P/topics/T) for what can never work, MONITORING=no
# where others than Cloud Monitoring publish to TOPIC, and every other SLUICE_* and OTEL_* variable that is set.
#
# The service account gets no role in the project. On the dead letter topic it may publish; the function behind the
# topic it may call, which Eventarc does in its name. What it may do in the cluster, the cluster's own rules say. Cloud
# Monitoring's own account may publish to TOPIC.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "deploy-google.sh: $*" >&2
  exit 2
}

usage() {
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' functions/deploy-google.sh
}

run() {
  printf '+ %s\n' "${*@Q}" >&2
  if [[ -z "${dry_run}" ]]; then "$@"; fi
}

need() {
  local name
  for name in "$@"; do
    [[ -n "${!name:-}" ]] || fail "${name} is not set; functions/deploy-google.sh --help says what it is"
  done
}

settings() {
  # The platform's IAM has checked the caller before the function sees the request.
  export SLUICE_AUTH="${SLUICE_AUTH:-none}" SLUICE_NAMESPACE="${SLUICE_NAMESPACE:-sluice-system}"
  [[ "${SLUICE_AUTH}" != none ]] || export SLUICE_AUTH_NONE=i-have-another-gate
  [[ -z "${DEAD_LETTER_TOPIC:-}" ]] || export SLUICE_DEAD_LETTER_TOPIC="${DEAD_LETTER_TOPIC}"
  local name list=""
  for name in $({ compgen -e SLUICE_; compgen -e OTEL_; } | sort); do
    [[ "${!name}" != *"@@"* ]] || fail "${name} holds @@, which separates settings here"
    list+="@@${name}=${!name}"
  done
  # A separator of our own: values may hold commas.
  printf '^@@^%s' "${list#@@}"
}

# unless DESCRIBE... -- CREATE...: creates a thing that cannot be described, for it is not there.
unless() {
  local -a described=()
  while [[ "$1" != -- ]]; do
    described+=("$1")
    shift
  done
  shift
  if [[ -n "${dry_run}" ]]; then
    printf '# unless there: %s\n' "${described[*]@Q}" >&2
  elif "${described[@]}" >/dev/null 2>&1; then
    return
  fi
  run "$@"
}

enable() {
  # build, image, function, trigger
  run gcloud services enable "--project=${GOOGLE_CLOUD_PROJECT}" \
    cloudbuild.googleapis.com artifactregistry.googleapis.com cloudfunctions.googleapis.com run.googleapis.com \
    eventarc.googleapis.com pubsub.googleapis.com monitoring.googleapis.com
}

account() {
  local name="${SERVICE_ACCOUNT%%@*}" home="${SERVICE_ACCOUNT#*@}"
  # One of another project, or of Google's own, is not ours to make.
  [[ "${home}" == "${GOOGLE_CLOUD_PROJECT}.iam.gserviceaccount.com" ]] || return 0
  unless gcloud iam service-accounts describe "${SERVICE_ACCOUNT}" "--project=${GOOGLE_CLOUD_PROJECT}" -- \
    gcloud iam service-accounts create "${name}" "--project=${GOOGLE_CLOUD_PROJECT}" "--display-name=Sluice"
}

topic() {
  unless gcloud pubsub topics describe "$1" "--project=${GOOGLE_CLOUD_PROJECT}" -- \
    gcloud pubsub topics create "$1" "--project=${GOOGLE_CLOUD_PROJECT}"
}

topics() {
  topic "${TOPIC}"
  [[ -n "${DEAD_LETTER_TOPIC:-}" ]] || return 0
  topic "${DEAD_LETTER_TOPIC}"
  run gcloud pubsub topics add-iam-policy-binding "${DEAD_LETTER_TOPIC}" "--project=${GOOGLE_CLOUD_PROJECT}" \
    "--member=serviceAccount:${SERVICE_ACCOUNT}" --role=roles/pubsub.publisher
}

# The channel that alert policies name. With the first one of a project Google makes Monitoring's own account.
let_monitoring_publish() {
  local path="projects/${GOOGLE_CLOUD_PROJECT}/topics/${TOPIC}" number=NUMBER found=""
  local -a list=(gcloud beta monitoring channels list "--project=${GOOGLE_CLOUD_PROJECT}"
    "--filter=type=\"pubsub\" AND labels.topic=\"${path}\"" "--format=value(name)")
  [[ "${MONITORING:-yes}" != no ]] || return 0
  if [[ -n "${dry_run}" ]]; then
    printf '# unless it lists one: %s\n' "${list[*]@Q}" >&2
  else
    found=$("${list[@]}")
    number=$(gcloud projects describe "${GOOGLE_CLOUD_PROJECT}" "--format=value(projectNumber)")
  fi
  [[ -n "${found}" ]] || run gcloud beta monitoring channels create "--project=${GOOGLE_CLOUD_PROJECT}" \
    --display-name=Sluice --type=pubsub "--channel-labels=topic=${path}"
  run gcloud pubsub topics add-iam-policy-binding "${TOPIC}" "--project=${GOOGLE_CLOUD_PROJECT}" \
    "--member=serviceAccount:service-${number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com" \
    --role=roles/pubsub.publisher
}

let_eventarc_call() {
  run gcloud functions add-invoker-policy-binding "$1" \
    "--project=${GOOGLE_CLOUD_PROJECT}" "--region=${region}" "--member=serviceAccount:${SERVICE_ACCOUNT}"
}

trigger() {
  case "$1" in
    pubsub) printf '%s\n' "--trigger-topic=${TOPIC}" --retry "--trigger-service-account=${SERVICE_ACCOUNT}" ;;
    *) printf '%s\n' --trigger-http --no-allow-unauthenticated ;;
  esac
}

deploy() {
  local function=$1 name="sluice-${1//_/-}" flags
  mapfile -t flags < <(trigger "${function}")
  [[ -z "${VPC_CONNECTOR:-}" ]] || flags+=("--vpc-connector=${VPC_CONNECTOR}" --egress-settings=private-ranges-only)
  # --concurrency needs a whole CPU; a request waits for the API server most of its time.
  run gcloud functions deploy "${name}" --gen2 \
    "--project=${GOOGLE_CLOUD_PROJECT}" "--region=${region}" "--runtime=${RUNTIME:-python312}" \
    --source=. "--entry-point=${function}" "${flags[@]}" \
    "--service-account=${SERVICE_ACCOUNT}" "--ingress-settings=${INGRESS:-internal-only}" \
    --cpu=1 --memory=256Mi --concurrency=80 --timeout=60s \
    "--min-instances=${MIN_INSTANCES:-0}" "--max-instances=${MAX_INSTANCES:-20}" \
    "--set-build-env-vars=GOOGLE_FUNCTION_SOURCE=functions/${function}.py" \
    "--set-env-vars=$(settings)"
}

dry_run=""
if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  usage
  exit 0
fi
if [[ "${1:-}" == --dry-run ]]; then
  dry_run=yes
  shift
fi
region="${REGION:-europe-west1}"
functions=("$@")
[[ ${#functions[@]} -gt 0 ]] || functions=(pubsub)
need GOOGLE_CLOUD_PROJECT SERVICE_ACCOUNT SLUICE_API_SERVER SLUICE_API_CA SLUICE_CLUSTER
for function in "${functions[@]}"; do
  [[ "${function}" =~ ^[a-z][a-z_]*$ && -f "functions/${function}.py" ]] || fail "there is no function ${function}"
  [[ "${function}" != pubsub ]] || need TOPIC
done
enable
account
for function in "${functions[@]}"; do
  [[ "${function}" != pubsub ]] || topics
  deploy "${function}"
  if [[ "${function}" == pubsub ]]; then
    let_eventarc_call "sluice-${function}"
    let_monitoring_publish
  fi
done
