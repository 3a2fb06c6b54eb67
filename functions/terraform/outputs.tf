output "urls" {
  description = "Where each function answers."
  value       = { for name, function in google_cloudfunctions2_function.sluice : name => function.url }
}

output "service_account" {
  description = "Whom the cluster's rules are to let in (knative/cluster binds it)."
  value       = google_service_account.sluice.email
}

output "notification_channel" {
  description = "The channel that Cloud Monitoring's alert policies are to name; null where there is none."
  value       = one(google_monitoring_notification_channel.sluice[*].id)
}

output "topic" {
  description = "Where messages are published; null where pubsub is not deployed."
  value       = one(google_pubsub_topic.alerts[*].id)
}
