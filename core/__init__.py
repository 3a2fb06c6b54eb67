"""Sluice: alert bursts in, exactly one RemediationRequest per problem out."""
