# What functions/deploy-google.sh makes, for those who keep their project in Terraform or OpenTofu: enabled APIs, the
# service account, topics, Cloud Monitoring's channel, the functions of the second generation, and the roles below.
#
# The service account gets no role in the project. On the dead letter topic it may publish; the function behind the
# topic it may call, which Eventarc does in its name. What it may do in the cluster, the cluster's own rules say. Cloud
# Monitoring's own account may publish to the topic.

terraform {
  required_version = ">= 1.5"
  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  root        = abspath("${path.module}/../..")
  with_pubsub = contains(var.functions, "pubsub")
  monitoring  = local.with_pubsub && var.monitoring
  dead_letter = local.with_pubsub && var.dead_letter_topic != ""
  # The platform's IAM has checked the caller before the function sees the request.
  settings = merge(
    {
      SLUICE_AUTH      = "none"
      SLUICE_NAMESPACE = "sluice-system"
    },
    lookup(var.settings, "SLUICE_AUTH", "none") == "none" ? { SLUICE_AUTH_NONE = "i-have-another-gate" } : {},
    local.dead_letter ? { SLUICE_DEAD_LETTER_TOPIC = google_pubsub_topic.dead_letter[0].id } : {},
    var.settings,
    {
      SLUICE_API_SERVER = var.api_server
      SLUICE_API_CA     = var.api_ca
      SLUICE_CLUSTER    = var.cluster
    },
  )
  # What .gcloudignore lets through.
  sources = sort(concat(
    ["requirements.txt"],
    [for file in fileset(local.root, "functions/*.py") : file],
    [for file in fileset(local.root, "core/**/*.py") : file if !startswith(file, "core/local/")],
  ))
}

# build, image, function, trigger
resource "google_project_service" "api" {
  for_each = toset([
    "cloudbuild.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudfunctions.googleapis.com",
    "run.googleapis.com",
    "eventarc.googleapis.com",
    "pubsub.googleapis.com",
    "monitoring.googleapis.com",
  ])
  service            = each.key
  disable_on_destroy = false
}

resource "google_service_account" "sluice" {
  account_id   = var.service_account_id
  display_name = "Sluice"
}

resource "google_pubsub_topic" "alerts" {
  count      = local.with_pubsub ? 1 : 0
  name       = var.topic
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "dead_letter" {
  count      = local.dead_letter ? 1 : 0
  name       = var.dead_letter_topic
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic_iam_member" "dead_letter" {
  count  = local.dead_letter ? 1 : 0
  topic  = google_pubsub_topic.dead_letter[0].name
  role   = "roles/pubsub.publisher"
  member = google_service_account.sluice.member
}

resource "google_storage_bucket" "source" {
  name                        = "${var.project}-sluice-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # it holds nothing but the archive below
}

data "archive_file" "source" {
  type        = "zip"
  output_path = "${path.module}/source.zip"

  dynamic "source" {
    for_each = local.sources
    content {
      filename = source.value
      content  = file("${local.root}/${source.value}")
    }
  }
}

resource "google_storage_bucket_object" "source" {
  name   = "${data.archive_file.source.output_sha256}.zip"
  bucket = google_storage_bucket.source.name
  source = data.archive_file.source.output_path
}

resource "google_cloudfunctions2_function" "sluice" {
  for_each   = var.functions
  name       = "sluice-${replace(each.key, "_", "-")}"
  location   = var.region
  depends_on = [google_project_service.api]

  build_config {
    runtime               = var.runtime
    entry_point           = each.key
    environment_variables = { GOOGLE_FUNCTION_SOURCE = "functions/${each.key}.py" }

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email          = google_service_account.sluice.email
    ingress_settings               = var.ingress
    all_traffic_on_latest_revision = true
    # A concurrency above 1 needs a whole CPU; a request waits for the API server most of its time.
    available_cpu                    = "1"
    available_memory                 = "256Mi"
    max_instance_request_concurrency = 80
    timeout_seconds                  = 60
    min_instance_count               = var.min_instances
    max_instance_count               = var.max_instances
    environment_variables            = local.settings
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "PRIVATE_RANGES_ONLY"
  }

  # The others are called over HTTP, by whoever may invoke them: nobody, until you say so.
  dynamic "event_trigger" {
    for_each = each.key == "pubsub" ? [google_pubsub_topic.alerts[0].id] : []
    content {
      trigger_region        = var.region
      event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
      pubsub_topic          = event_trigger.value
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = google_service_account.sluice.email
    }
  }
}

# A function of the second generation is a Cloud Run service of the same name, and there its callers are let in.
resource "google_cloud_run_service_iam_member" "eventarc" {
  count    = local.with_pubsub ? 1 : 0
  service  = google_cloudfunctions2_function.sluice["pubsub"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.sluice.member
}

# The channel that alert policies name. With the first one of a project Google makes Monitoring's own account.
resource "google_monitoring_notification_channel" "sluice" {
  count        = local.monitoring ? 1 : 0
  display_name = "Sluice"
  type         = "pubsub"
  labels       = { topic = google_pubsub_topic.alerts[0].id }
  depends_on   = [google_project_service.api]
}

data "google_project" "this" {}

resource "google_pubsub_topic_iam_member" "monitoring" {
  count      = local.monitoring ? 1 : 0
  topic      = google_pubsub_topic.alerts[0].name
  role       = "roles/pubsub.publisher"
  member     = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
  depends_on = [google_monitoring_notification_channel.sluice]
}
