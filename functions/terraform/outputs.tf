output "urls" {
  description = "Where each function answers."
  value       = { for name, function in google_cloudfunctions2_function.sluice : name => function.url }
}

output "service_account" {
  description = "Whom the cluster's rules are to let in (knative/cluster binds it)."
  value       = google_service_account.sluice.email
}

output "topic" {
  description = "Where Cloud Monitoring is to publish; null where pubsub is not deployed."
  value       = one(google_pubsub_topic.alerts[*].id)
}
