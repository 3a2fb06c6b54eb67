variable "project" {
  description = "The Google Cloud project."
  type        = string
}

variable "api_server" {
  description = "The cluster's endpoint, as in https://192.0.2.1."
  type        = string

  validation {
    condition     = startswith(var.api_server, "https://")
    error_message = "api_server must begin with https://."
  }
}

variable "api_ca" {
  description = "The cluster's certificate authority in base64: masterAuth.clusterCaCertificate."
  type        = string
}

variable "cluster" {
  description = "The cluster's name: Cloud Monitoring and Managed Prometheus give it with every alert, and what names another cluster is looked up nowhere."
  type        = string

  validation {
    condition     = var.cluster != ""
    error_message = "cluster must not be empty."
  }
}

variable "functions" {
  description = "Which functions to deploy: pubsub works from end to end, the others' callers need a Google ID token."
  type        = set(string)
  default     = ["pubsub"]

  validation {
    condition     = length(setsubtract(var.functions, ["alertmanager", "kubernetes_event", "pubsub"])) == 0
    error_message = "functions may name alertmanager, kubernetes_event and pubsub."
  }
}

variable "topic" {
  description = "The Pub/Sub topic that the function pubsub takes messages from."
  type        = string
  default     = "alerts"
}

variable "monitoring" {
  description = "Whether Cloud Monitoring gets a notification channel to the topic, and may publish there."
  type        = bool
  default     = true
}

variable "dead_letter_topic" {
  description = "The Pub/Sub topic for what can never work; empty for none."
  type        = string
  default     = ""
}

variable "service_account_id" {
  description = "The first part of the service account's email."
  type        = string
  default     = "sluice"
}

variable "settings" {
  description = "Every other SLUICE_* and OTEL_* variable of the functions."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^(SLUICE|OTEL)_", name))])
    error_message = "settings may hold SLUICE_* and OTEL_* variables."
  }
}

variable "region" {
  description = "Where the functions run."
  type        = string
  default     = "europe-west1"
}

variable "runtime" {
  description = "The functions' runtime."
  type        = string
  default     = "python312"
}

variable "min_instances" {
  description = "How many instances of each function are kept."
  type        = number
  default     = 0
}

variable "max_instances" {
  description = "How many instances of each function there may be."
  type        = number
  default     = 20
}

variable "ingress" {
  description = "Whence the functions may be called: ALLOW_INTERNAL_ONLY, ALLOW_INTERNAL_AND_GCLB or ALLOW_ALL."
  type        = string
  default     = "ALLOW_INTERNAL_ONLY"
}

variable "vpc_connector" {
  description = "The Serverless VPC Access connector for a private endpoint of the cluster."
  type        = string
  default     = null
}
